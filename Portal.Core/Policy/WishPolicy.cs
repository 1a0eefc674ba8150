using Portal.Core.Runs;

namespace Portal.Core.Policy;

/// <summary>What becomes of a new want while a run is unfinished.</summary>
public enum WishDecision
{
    /// <summary>Record it; Jobs ends the unfinished run and begins the wished one.</summary>
    Record,
    /// <summary>Record it; Jobs takes back what the unfinished run has begun and leaves the workspace as it was.</summary>
    TakeBack,
    /// <summary>The unfinished run does that already.</summary>
    UnderWay,
    /// <summary>It must end first.</summary>
    Refuse,
}

/// <summary>Kind × kind: what is wished for against what is under way.</summary>
public static class WishPolicy
{
    /// <param name="unfinished">Kind of the run that has not ended.</param>
    /// <param name="wanted">What someone wants now. Stop during a Launch or Start is its cancel.</param>
    public static WishDecision Decide(RunKind unfinished, RunKind wanted) => (unfinished, wanted) switch
    {
        // Delete is always accepted.
        (RunKind.Delete, RunKind.Delete) => WishDecision.UnderWay,
        (_, RunKind.Delete) => WishDecision.Record,
        (RunKind.Launch or RunKind.Start or RunKind.Resize, RunKind.Stop) => WishDecision.Record,
        (RunKind.Launch or RunKind.Start, RunKind.Launch or RunKind.Start) => WishDecision.UnderWay,
        (RunKind.Stop, RunKind.Stop) => WishDecision.UnderWay,
        // What is being released must be seen gone before it is made again.
        (RunKind.Stop, RunKind.Launch or RunKind.Start) => WishDecision.Refuse,
        (RunKind.Delete, _) => WishDecision.Refuse,
        // One change of the number at a time; what is wanted again is the number that it had.
        (RunKind.Resize, RunKind.Resize) => WishDecision.TakeBack,
        (RunKind.Resize, RunKind.Launch or RunKind.Start) => WishDecision.Refuse,
        (_, RunKind.Resize) => WishDecision.Refuse,
        _ => throw new ArgumentOutOfRangeException(nameof(wanted)),
    };
}
