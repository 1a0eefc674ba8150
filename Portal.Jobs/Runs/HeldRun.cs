using Portal.Core.Runs;

namespace Portal.Jobs.Runs;

/// <summary>A run that this process holds, as the row said when it was last read.</summary>
/// <param name="Wish">What a person wants next; read with every save.</param>
/// <param name="TakenBack">It releases what it made because somebody wanted so, not because it failed.</param>
public sealed record HeldRun(long Id, Guid WorkspaceId, int Number, RunKind Kind, int Step, bool Releasing, long Version, int Attempts, RunKind? Wish, bool TakenBack)
{
    public IReadOnlyList<StepKey> Steps => PlanSteps.Of(Kind, Releasing);

    /// <summary>The step that comes next; null when all are done.</summary>
    public StepKey? Next => Step < Steps.Count ? Steps[Step] : null;
}

/// <summary>Another process holds the run now: nothing of ours was written, nothing may be written.</summary>
public sealed class LeaseLostException(long run) : Exception($"Run {run}: the lease was lost to a newer version.");

/// <summary>Section "Runs".</summary>
public sealed class RunOptions
{
    /// <summary>How long a silent process keeps a run.</summary>
    public TimeSpan Lease { get; init; } = TimeSpan.FromSeconds(4);
    public TimeSpan Heartbeat { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How often the dispatcher looks although nobody rang.</summary>
    public TimeSpan BackupPoll { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Runs that one process holds at once.</summary>
    public int Most { get; init; } = 20;

    /// <summary>Hangfire's workers for them: one job carries many runs.</summary>
    public int Workers { get; init; } = 5;

    /// <summary>How long after a release whatever is seen of the workspace is a leftover: longer than any call to a cloud may take to land.</summary>
    public TimeSpan Settled { get; init; } = TimeSpan.FromSeconds(75);

    /// <summary>Longest time from a node's start to a kernel that computes.</summary>
    public TimeSpan ProofDeadline { get; init; } = TimeSpan.FromMinutes(3);

    /// <summary>How often workers of one workspace that ended by themselves are started again within <see cref="MendWithin"/>.</summary>
    public int MendMost { get; init; } = 3;
    public TimeSpan MendWithin { get; init; } = TimeSpan.FromMinutes(10);
}

/// <summary>This process's name in leases.</summary>
public sealed record Worker(string Name);
