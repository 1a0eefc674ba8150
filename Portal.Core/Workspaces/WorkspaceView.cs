using System.Collections.Immutable;
using Portal.Core.Catalog;
using Portal.Core.Quotas;
using Portal.Core.Runs;

namespace Portal.Core.Workspaces;

/// <summary>One workspace as a page shows it; immutable, always replaced as a whole.</summary>
public sealed record WorkspaceView
{
    public required Guid Id { get; init; }
    public required string Slug { get; init; }
    public required string Name { get; init; }
    public required Guid TenantId { get; init; }
    public required Guid ClassId { get; init; }
    public required string ClassTitle { get; init; }
    public required Guid OwnerId { get; init; }
    public required string OwnerName { get; init; }
    public required TemplateSpec Template { get; init; }
    public required SizeSpec Size { get; init; }

    /// <summary>Number of workers; 0 if the template has none.</summary>
    public int Workers { get; init; }
    public IReadOnlyDictionary<string, string> Parameters { get; init; } = ImmutableDictionary<string, string>.Empty;

    /// <summary>The compute quota that it holds while it runs, including its scratch folders.</summary>
    public Amounts Amounts => Template.Amounts(Size.Id, Workers);

    /// <summary>Every app; each worker has its own.</summary>
    public IReadOnlyList<AppOnNode> Apps => Template.AppsOnNodes(Workers);

    /// <summary>The version that is offered now, if it is newer than the one this workspace keeps; null otherwise.</summary>
    public TemplateSpec? Newer { get; init; }
    public required int Generation { get; init; }

    /// <summary>The running generation ignores the owner's own settings.</summary>
    public bool WithoutSettings { get; init; }
    public required WorkspaceStatus Status { get; init; }

    /// <summary>When it entered its current status.</summary>
    public required DateTimeOffset Since { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }
    public required DateTimeOffset EndAt { get; init; }

    /// <summary>How long it will run from when it is ready, while it has no end time; null afterwards.</summary>
    public TimeSpan? RunFor { get; init; }

    /// <summary>An extension may move the end time at most this many hours from now; a rule of the class.</summary>
    public int LongestHours { get; init; }

    /// <summary>The requested run while the current one is unfinished.</summary>
    public RunKind? RequestedRun { get; init; }
    public required RunView Run { get; init; }

    /// <summary>What keeps it running, and when it stops if idle.</summary>
    public IdleView Idle { get; init; } = IdleView.None;
    public ImmutableArray<LogLineView> Log { get; init; } = [];
    public ImmutableArray<NodeView> Nodes { get; init; } = [];

    /// <summary>Automatic restarts of workers that exited on their own.</summary>
    public RestartState AutomaticRestarts { get; init; }
    public required FolderView Folder { get; init; }

    /// <summary>Set while it waits for its turn.</summary>
    public QueueView? Queue { get; init; }
}

/// <param name="Message">Why it is waiting.</param>
/// <param name="Cause">Why it failed; of one that succeeded, what the workspace has lost since.</param>
/// <param name="Remedy">What to do.</param>
public sealed record RunView(long Id, int Number, RunKind Kind, RunPhase Phase, bool Releasing, ImmutableArray<StepView> Steps, string? Message,
    string? Cause, string? Remedy, StepKey? FailedStep, DateTimeOffset CreatedAt, DateTimeOffset? EndedAt)
{
    /// <summary>The number of workers that it orders; null for no change.</summary>
    public int? Workers { get; init; }
}

/// <param name="Usual">Median duration of this step recently; null before it was first measured.</param>
public sealed record StepView(StepKey Key, DateTimeOffset? Began, DateTimeOffset? Ended, TimeSpan? Usual, bool Failed);

public sealed record LogLineView(long Id, DateTimeOffset At, LogLineSeverity Severity, string Text);

/// <param name="Cpu">Share of its limit, 0 to 1, oldest first.</param>
public sealed record NodeView(string Name, string Role, bool Running, int? ExitCode, long OutOfMemoryKills, ImmutableArray<double> Cpu,
    double Throttled, long MemoryBytes, long MemoryLimitBytes, int Pids, DateTimeOffset SeenAt)
{
    /// <summary>Number of restarts after it had exited on its own, since the workspace was started.</summary>
    public int Restarts { get; init; }

    /// <summary>Bytes used in its scratch folder, if its role has one; null if that is not known.</summary>
    public long? ScratchBytes { get; init; }
}

/// <param name="Minutes">Rule of the class; null: it is never stopped for being idle.</param>
/// <param name="ActiveBy">What was last active: names of signals separated by commas, "?" before one that gave no answer; null for nothing yet.</param>
/// <param name="StopAt">When it stops without further activity; null while it is not running, or without such a rule.</param>
/// <param name="KeepUntil">Its owner wants it kept until then.</param>
public sealed record IdleView(int? Minutes, DateTimeOffset? ActiveAt, string? ActiveBy, DateTimeOffset? StopAt, DateTimeOffset? KeepUntil)
{
    public static readonly IdleView None = new(null, null, null, null, null);
}

/// <param name="UsedBytes">Null if it is not known: not measured yet, or not reported by the storage.</param>
/// <param name="Enforced">False: only counted, writers are not stopped.</param>
public sealed record FolderView(long? UsedBytes, long LimitBytes, bool Enforced)
{
    /// <summary>It was looked at; false: not yet.</summary>
    public bool Seen { get; init; } = true;
}

/// <param name="Place">1 is next.</param>
/// <param name="WaitsFor">Capacity, or one of the launches at once; null if nothing holds up the next order.</param>
/// <param name="ExpectedAt">Expected start; null while unknown.</param>
public sealed record QueueView(int Place, QueueWait? WaitsFor, DateTimeOffset? ExpectedAt)
{
    /// <summary>Latest time at which there is capacity for it, unless someone extends a workspace; null while unknown.</summary>
    public DateTimeOffset? LatestAt { get; init; }

    /// <summary>Title of the pool it waits for; null where there is only one.</summary>
    public string? Pool { get; init; }
}

public enum QueueWait { Capacity, Launches }

/// <summary>My workspaces, my quotas, and what I can start.</summary>
/// <param name="MaySeeOperations">Whether to show the operator's pages; they check for themselves.</param>
public sealed record HomeView(Guid PersonId, string Name, ImmutableArray<ClassView> Classes, ImmutableArray<WorkspaceView> Workspaces,
    bool MaySeeOperations = false);

/// <param name="Quotas">Tenant, class, member.</param>
public sealed record ClassView(Guid Id, string Title, string TenantName, int LongestHours, int WorkFolderGib, ImmutableArray<QuotaState> Quotas)
{
    /// <summary>Idle minutes after which workspaces are stopped; null: never.</summary>
    public int? IdleMinutes { get; init; }

    /// <summary>Whether to offer a change of that; the verb decides for itself.</summary>
    public bool MaySetIdleRule { get; init; }
}
