using Portal.Core.Runs;

namespace Portal.Jobs.Leases;

/// <summary>A run that this process holds, as last read from its row.</summary>
/// <param name="RequestedRun">The requested run; read again with every save.</param>
/// <param name="TakenBack">It releases what it made because a person asked for it, not because it failed.</param>
public sealed record HeldRun(long Id, Guid WorkspaceId, int Number, RunKind Kind, StepKey? DoneStep, bool Releasing, long Version, int Attempts,
    RunKind? RequestedRun, bool TakenBack)
{
    /// <summary>The next step; null if all are done.</summary>
    public StepKey? Next => PlanSteps.Next(Kind, Releasing, DoneStep);
}

/// <summary>A run that was claimed for a worker of this process.</summary>
/// <param name="Pool">Key of the pool in which it is.</param>
public sealed record HandedRun(long Id, string Pool);

/// <summary>Another process holds the run now: this process wrote nothing, and must not write anything.</summary>
public sealed class LeaseLostException(long run) : Exception($"Run {run}: the lease was lost to a newer version.");

/// <summary>Section "Runs".</summary>
public sealed class RunOptions
{
    /// <summary>How long a process that stops renewing keeps a run.</summary>
    public TimeSpan Lease { get; init; } = TimeSpan.FromSeconds(4);
    public TimeSpan Heartbeat { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How often the dispatcher checks without being signalled.</summary>
    public TimeSpan BackupPoll { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Maximum number of runs that one process holds in each pool.</summary>
    public int Most { get; init; } = 20;

    /// <summary>Hangfire's workers for those of each pool: one job handles many runs.</summary>
    public int Workers { get; init; } = 5;

    /// <summary>Automatic restarts: how many times workers of one workspace that exited by
    /// themselves are restarted within <see cref="RestartWindow"/>.</summary>
    public int MostRestarts { get; init; } = 3;
    public TimeSpan RestartWindow { get; init; } = TimeSpan.FromMinutes(10);
}

/// <summary>This process's name in leases.</summary>
public sealed record Worker(string Name);
