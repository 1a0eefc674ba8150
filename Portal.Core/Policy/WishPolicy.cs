using Portal.Core.Runs;

namespace Portal.Core.Policy;

/// <summary>What happens to a new request while a run is unfinished.</summary>
public enum WishDecision
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

/// <summary>Kind × kind: what is requested against what is in progress.</summary>
public static class WishPolicy
{
    /// <param name="unfinished">Kind of the run that has not ended.</param>
    /// <param name="wanted">The kind requested now. Stop during a Launch or Start is its cancel.</param>
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
        // One resize at a time, except back to the number it had.
        (RunKind.Resize, RunKind.Resize) => WishDecision.TakeBack,
        (RunKind.Resize, RunKind.Launch or RunKind.Start) => WishDecision.Refuse,
        (_, RunKind.Resize) => WishDecision.Refuse,
        _ => throw new ArgumentOutOfRangeException(nameof(wanted)),
    };
}
