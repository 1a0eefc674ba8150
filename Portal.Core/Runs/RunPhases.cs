namespace Portal.Core.Runs;

/// <summary>The events that change a run's phase.</summary>
public enum RunTrigger { Admit, HandOver, Take, Wait, Succeed, Fail, Cancel }

/// <summary>The allowed transitions. Null means that a transition is not allowed, which the caller must report.</summary>
public static class RunPhases
{
    public static readonly RunPhase[] Finished = [RunPhase.Succeeded, RunPhase.Failed, RunPhase.Cancelled];

    public static bool IsFinished(this RunPhase phase) => phase is RunPhase.Succeeded or RunPhase.Failed or RunPhase.Cancelled;

    /// <summary>The phases in which a trigger is allowed.</summary>
    public static IEnumerable<RunPhase> From(RunTrigger trigger) => Enum.GetValues<RunPhase>().Where(p => Next(p, trigger) is not null);

    public static RunPhase? Next(RunPhase from, RunTrigger trigger) => (from, trigger) switch
    {
        (RunPhase.Queued, RunTrigger.Admit) => RunPhase.Waiting,
        (RunPhase.Queued, RunTrigger.Cancel) => RunPhase.Cancelled,
        // Handed and Active runs are claimed again when the lease has expired.
        (RunPhase.Waiting or RunPhase.Handed or RunPhase.Active, RunTrigger.HandOver) => RunPhase.Handed,
        (RunPhase.Handed, RunTrigger.Take) => RunPhase.Active,
        (RunPhase.Active, RunTrigger.Wait) => RunPhase.Waiting,
        (RunPhase.Active, RunTrigger.Succeed) => RunPhase.Succeeded,
        (RunPhase.Active, RunTrigger.Fail) => RunPhase.Failed,
        (RunPhase.Active, RunTrigger.Cancel) => RunPhase.Cancelled,
        _ => null,
    };
}
