using System.Collections.Immutable;
using Portal.Core.Catalog;
using Portal.Core.Quotas;
using Portal.Core.Runs;

namespace Portal.Core.Workspaces;

/// <summary>One workspace as a page shows it, whole; never changed, always replaced.</summary>
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

    /// <summary>Number of workers; 0 where the template has none.</summary>
    public int Workers { get; init; }
    public IReadOnlyDictionary<string, string> Parameters { get; init; } = ImmutableDictionary<string, string>.Empty;

    /// <summary>What it holds of compute quotas while it runs, its scratch folders included.</summary>
    public Amounts Amounts => Template.Amounts(Size.Id, Workers);

    /// <summary>Every app; of workers each has its own.</summary>
    public IReadOnlyList<AppOnNode> Apps => Template.AppsOnNodes(Workers);

    /// <summary>The version that is offered now, where it is a newer one than this workspace keeps; null otherwise.</summary>
    public TemplateSpec? Newer { get; init; }
    public required int Generation { get; init; }

    /// <summary>What runs ignores the owner's own settings.</summary>
    public bool WithoutSettings { get; init; }
    public required WorkspaceStatus Status { get; init; }

    /// <summary>When it became what it is.</summary>
    public required DateTimeOffset Since { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }
    public required DateTimeOffset EndAt { get; init; }

    /// <summary>How long it will run from when it is ready, while its end does not count yet; null once it does.</summary>
    public TimeSpan? RunFor { get; init; }

    /// <summary>An extension may move the end at most this many hours from now; a rule of the class.</summary>
    public int LongestHours { get; init; }

    /// <summary>What somebody wants next while the run is unfinished.</summary>
    public RunKind? Wish { get; init; }
    public required RunView Run { get; init; }

    /// <summary>What keeps it, and when it stops for want of work.</summary>
    public IdleView Idle { get; init; } = IdleView.None;
    public ImmutableArray<LogLineView> Log { get; init; } = [];
    public ImmutableArray<NodeView> Nodes { get; init; } = [];

    /// <summary>What becomes of workers that ended by themselves.</summary>
    public MendState Mending { get; init; }
    public required FolderView Folder { get; init; }

    /// <summary>Set while it waits for its turn.</summary>
    public QueueView? Queue { get; init; }
}

/// <param name="Said">Why it waits.</param>
/// <param name="Cause">Why it failed.</param>
/// <param name="Remedy">What helps.</param>
public sealed record RunView(long Id, int Number, RunKind Kind, RunPhase Phase, bool Releasing, ImmutableArray<StepView> Steps, string? Said, string? Cause, string? Remedy, StepKey? FailedStep, DateTimeOffset CreatedAt, DateTimeOffset? EndedAt)
{
    /// <summary>The number of workers that it orders; null where it stays.</summary>
    public int? Workers { get; init; }
}

/// <param name="Usual">Median of what this step took lately; null before it was ever measured.</param>
public sealed record StepView(StepKey Key, DateTimeOffset? Began, DateTimeOffset? Ended, TimeSpan? Usual, bool Failed);

public sealed record LogLineView(long Id, DateTimeOffset At, LogLevelOfLine Level, string Text);

/// <param name="Cpu">Share of its limit, 0 to 1, oldest first.</param>
public sealed record NodeView(string Name, string Role, bool Running, int? ExitCode, long OutOfMemoryKills, ImmutableArray<double> Cpu, double Throttled, long MemoryBytes, long MemoryLimitBytes, int Pids, DateTimeOffset SeenAt)
{
    /// <summary>How often it was begun again since the workspace was started, after it had ended by itself.</summary>
    public int Restarts { get; init; }

    /// <summary>What lies in its scratch folder, where its role has one.</summary>
    public long ScratchBytes { get; init; }
}

/// <param name="Minutes">Rule of the class; null: it never stops for want of work.</param>
/// <param name="ActiveBy">What was last seen to work: names of signals with commas between them, "?" before the name of one that gave no answer; null for nothing yet.</param>
/// <param name="StopAt">When it stops if nothing works in it until then; null while it does not run, or where there is no such rule.</param>
/// <param name="KeepUntil">Its owner wants it kept until then.</param>
public sealed record IdleView(int? Minutes, DateTimeOffset? ActiveAt, string? ActiveBy, DateTimeOffset? StopAt, DateTimeOffset? KeepUntil)
{
    public static readonly IdleView None = new(null, null, null, null, null);
}

/// <param name="Enforced">False: counted only, nothing stops a writer.</param>
public sealed record FolderView(long UsedBytes, long LimitBytes, bool Enforced);

/// <param name="Place">1 is next.</param>
/// <param name="WaitsFor">Room to run, or a place among those that start; null when nothing is in the way of whoever is next.</param>
/// <param name="ExpectedAt">When it will probably start; null while unknown.</param>
public sealed record QueueView(int Place, QueueWait? WaitsFor, DateTimeOffset? ExpectedAt)
{
    /// <summary>When there is room for it at the latest, unless somebody extends a workspace; null while unknown.</summary>
    public DateTimeOffset? LatestAt { get; init; }
}

public enum QueueWait { Capacity, Launches }

/// <summary>My workspaces, my quotas, and what I can start.</summary>
/// <param name="MaySeeOperations">Whether to offer the operator's pages; they check for themselves.</param>
public sealed record HomeView(Guid PersonId, string Name, ImmutableArray<ClassView> Classes, ImmutableArray<WorkspaceView> Workspaces, bool MaySeeOperations = false);

/// <param name="Quotas">Tenant, class, member.</param>
public sealed record ClassView(Guid Id, string Title, string TenantName, int LongestHours, int WorkFolderGib, ImmutableArray<QuotaState> Quotas)
{
    /// <summary>Minutes without work after which workspaces are stopped; null: never for that reason.</summary>
    public int? IdleMinutes { get; init; }

    /// <summary>Whether to offer to change that; the verb decides for itself.</summary>
    public bool MaySetIdleRule { get; init; }
}
