namespace Portal.Core.Policy;

/// <summary>What one place said of whether somebody works in a workspace.</summary>
/// <param name="By">Who says it: "kernels", "terminals" or the id of a template's count.</param>
/// <param name="Answered">False: it was asked and gave no answer that can be read. That is no sign of rest.</param>
/// <param name="Busy">Something works at this moment.</param>
/// <param name="LastActivity">When something last did; null where the place does not know.</param>
public sealed record Signal(string By, bool Answered, bool Busy = false, DateTimeOffset? LastActivity = null);

/// <summary>When something was last seen to work, and what that was.</summary>
/// <param name="By">Names of signals with commas between them; <see cref="IdlePolicy.Unknown"/> and a name where it gave no answer; null where nothing worked yet.</param>
public sealed record Activity(DateTimeOffset At, string? By);

/// <param name="IdleMinutes">Rule of the class; null: never for want of work.</param>
/// <param name="ReadyAt">When it became ready: nobody is idle before.</param>
/// <param name="Activity">As last written; null when nobody looked yet.</param>
/// <param name="LookedAt">When signals were last asked for.</param>
/// <param name="KeepUntil">The owner wants it kept until then.</param>
public sealed record IdleFacts(DateTimeOffset Now, int? IdleMinutes, DateTimeOffset ReadyAt, Activity? Activity, DateTimeOffset? LookedAt, DateTimeOffset? KeepUntil);

public abstract record IdleDecision
{
    private IdleDecision() { }

    /// <summary>Nothing to do now.</summary>
    /// <param name="By">What keeps it: a signal, "owner", "rule" (off for the class) or "unwatched".</param>
    public sealed record Keep(string? By) : IdleDecision;

    /// <summary>Its owner is told that it stops then, unless something happens.</summary>
    public sealed record WarnUntil(DateTimeOffset StopAt) : IdleDecision;

    /// <summary>Nothing has worked for as long as the class allows, and its owner was told.</summary>
    public sealed record Stop(TimeSpan Idle) : IdleDecision;
}

/// <summary>When a workspace in which nothing works is stopped. What is not known keeps it.</summary>
public static class IdlePolicy
{
    public const string Unknown = "?", Owner = "owner", Rule = "rule", Unwatched = "unwatched";

    /// <summary>Shortest and longest rule of a class, minutes: less than twice the warning would warn all the time.</summary>
    public const int Shortest = 30, Longest = 7 * 24 * 60;

    /// <summary>Rule of a class of which nobody has said anything, minutes: a lunch is no reason to stop, a forgotten evening is.</summary>
    public const int Usual = 120;

    /// <summary>From the warning to the stop.</summary>
    public static readonly TimeSpan Warning = TimeSpan.FromMinutes(15);

    /// <summary>Activity is written once a minute; it may be so much newer than what is written.</summary>
    public static readonly TimeSpan Precision = TimeSpan.FromMinutes(1);

    /// <summary>After so long without a look nothing is known of the time between.</summary>
    public static readonly TimeSpan LongestGap = TimeSpan.FromMinutes(5);

    /// <summary>What the signals of one look mean, given what was known before.</summary>
    /// <param name="lookedAt">The look before; null for the first.</param>
    public static Activity Seen(IReadOnlyList<Signal> signals, Activity? before, DateTimeOffset? lookedAt, DateTimeOffset now)
    {
        if (signals.Any(s => s.Busy)) return new(now, string.Join(',', signals.Where(s => s.Busy).Select(s => s.By).Distinct(StringComparer.Ordinal)));
        if (signals.FirstOrDefault(s => !s.Answered) is { } silent) return new(now, Unknown + silent.By);
        if (signals.Count == 0 || now - lookedAt > LongestGap) return new(now, Unknown + Unwatched);
        // A clock that runs ahead, or a lie, keeps it no longer than the present.
        var latest = signals.Where(s => s.LastActivity is not null).Select(s => new Activity(s.LastActivity < now ? s.LastActivity!.Value : now, s.By)).MaxBy(a => a.At);
        return before is null ? latest ?? new(now, null) : latest is null || latest.At <= before.At ? before : latest;
    }

    /// <summary>When it stops if nothing happens; null where the class has no such rule.</summary>
    public static DateTimeOffset? StopAt(int? idleMinutes, DateTimeOffset readyAt, Activity? activity, DateTimeOffset? keepUntil)
    {
        if (idleMinutes is not { } minutes) return null;
        var since = activity is { } seen && seen.At > readyAt ? seen.At : readyAt;
        var at = since + TimeSpan.FromMinutes(minutes) + Precision;
        return keepUntil is { } kept && kept > at ? kept : at;
    }

    public static IdleDecision Decide(IdleFacts facts)
    {
        if (StopAt(facts.IdleMinutes, facts.ReadyAt, facts.Activity, facts.KeepUntil) is not { } at) return new IdleDecision.Keep(Rule);
        // Whoever stops must have looked just now: a stop rests on evidence, never on the lack of it.
        if (facts.Activity is not { } activity || facts.LookedAt is not { } looked || facts.Now - looked > LongestGap) return new IdleDecision.Keep(Unwatched);
        if (facts.Now >= at) return new IdleDecision.Stop(facts.Now - (activity.At > facts.ReadyAt ? activity.At : facts.ReadyAt));
        if (facts.Now >= at - Warning) return new IdleDecision.WarnUntil(at);
        return new IdleDecision.Keep(facts.KeepUntil > facts.Now ? Owner : activity.By);
    }
}
