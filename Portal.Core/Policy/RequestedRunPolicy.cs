using Portal.Core.Runs;

namespace Portal.Core.Policy;

/// <summary>What happens to a new request while a run is unfinished.</summary>
public enum RequestedRunDecision
{
    /// <summary>Record it; Jobs ends the unfinished run and begins the requested one.</summary>
    Record,
    /// <summary>Record it; Jobs reverts what the unfinished run has begun and leaves the workspace as it was.</summary>
    TakeBack,
    /// <summary>The unfinished run already does that.</summary>
    UnderWay,
    /// <summary>The unfinished run must end first.</summary>
    Refuse,
}

/// <summary>For each pair of kinds: what happens to a request for one while a run of the other is in progress.</summary>
public static class RequestedRunPolicy
{
    /// <param name="unfinished">Kind of the run that has not ended.</param>
    /// <param name="wanted">The kind requested now. Stop during a Launch or Start is its cancel.</param>
    public static RequestedRunDecision Decide(RunKind unfinished, RunKind wanted) => (unfinished, wanted) switch
    {
        // Delete is always accepted.
        (RunKind.Delete, RunKind.Delete) => RequestedRunDecision.UnderWay,
        (_, RunKind.Delete) => RequestedRunDecision.Record,
        (RunKind.Launch or RunKind.Start or RunKind.Resize, RunKind.Stop) => RequestedRunDecision.Record,
        (RunKind.Launch or RunKind.Start, RunKind.Launch or RunKind.Start) => RequestedRunDecision.UnderWay,
        (RunKind.Stop, RunKind.Stop) => RequestedRunDecision.UnderWay,
        // What is being released must be confirmed gone before it is made again.
        (RunKind.Stop, RunKind.Launch or RunKind.Start) => RequestedRunDecision.Refuse,
        (RunKind.Delete, _) => RequestedRunDecision.Refuse,
        // One resize at a time, except back to the number it had.
        (RunKind.Resize, RunKind.Resize) => RequestedRunDecision.TakeBack,
        (RunKind.Resize, RunKind.Launch or RunKind.Start) => RequestedRunDecision.Refuse,
        (_, RunKind.Resize) => RequestedRunDecision.Refuse,
        _ => throw new ArgumentOutOfRangeException(nameof(wanted)),
    };
}
