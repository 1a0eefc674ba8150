using Portal.Core.Runs;
using Portal.Jobs.Leases;

namespace Portal.Jobs.Steps;

/// <summary>What a step returns. Unexpected failures are exceptions.</summary>
public abstract record StepAnswer
{
    private StepAnswer() { }

    /// <summary>Confirmed done; the next step may begin.</summary>
    public sealed record Done : StepAnswer;

    /// <summary>There is nothing to do this time; the next step may begin.</summary>
    public sealed record Nothing : StepAnswer;

    /// <summary>Not yet. Waiting costs nothing: it is a row with a due time, unless it is very short.</summary>
    public sealed record LookAgainIn(TimeSpan Time, string Why) : StepAnswer;

    /// <summary>It cannot succeed: why, and the remedy, as text for people.</summary>
    public sealed record Fail(string Cause, string Remedy) : StepAnswer;

    public static readonly StepAnswer IsDone = new Done(), IsNothing = new Nothing();

    /// <summary>Check again after a thirtieth of the time elapsed so far (50 ms to 2 s), so a start is
    /// noticed with at most that delay, however long it takes.</summary>
    /// <param name="age">Age of the step.</param>
    public static StepAnswer Waits(TimeSpan age, string why) =>
        new LookAgainIn(TimeSpan.FromMilliseconds(Math.Clamp(age.TotalMilliseconds / 30, 50, 2000)), why);
}

/// <summary>One step of a plan: it checks, then creates what is missing; repeated after a crash, it produces
/// the same result. Names are computed, not remembered.</summary>
public interface IStep
{
    StepKey Key { get; }

    Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel);
}

/// <param name="Run">The run as currently held.</param>
/// <param name="Facts">The facts as read when the run was taken.</param>
public sealed record StepContext(HeldRun Run, RunFacts Facts)
{
    /// <summary>A Resize that adds workers; none leaves.</summary>
    public bool Grows => Run is { Kind: RunKind.Resize, Releasing: false } && !Facts.Shrinks(Run);
}
