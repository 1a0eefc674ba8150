namespace Portal.Core.Policy;

/// <summary>What one source reported about activity in a workspace.</summary>
/// <param name="By">The source: "kernels", "terminals" or the id of a template's count.</param>
/// <param name="Answered">False: it gave no readable answer. That does not count as idle.</param>
/// <param name="Busy">It is active at this moment.</param>
/// <param name="LastActivity">Time of the last activity; null if the source does not know.</param>
public sealed record Signal(string By, bool Answered, bool Busy = false, DateTimeOffset? LastActivity = null);

/// <summary>When activity was last seen, and what kind.</summary>
/// <param name="By">Names of signals separated by commas; <see cref="IdlePolicy.Unknown"/> and a
/// name if it gave no answer; null before the first activity.</param>
public sealed record Activity(DateTimeOffset At, string? By);

/// <param name="IdleMinutes">Rule of the class; null: never stopped for being idle.</param>
/// <param name="ReadyAt">When it became ready: nothing is idle before that.</param>
/// <param name="Activity">Activity as last written; null before the first check.</param>
/// <param name="LookedAt">When signals were last read.</param>
/// <param name="KeepUntil">The owner wants it kept until then.</param>
public sealed record IdleFacts(DateTimeOffset Now, int? IdleMinutes, DateTimeOffset ReadyAt, Activity? Activity, DateTimeOffset? LookedAt,
    DateTimeOffset? KeepUntil);

public abstract record IdleDecision
{
    private IdleDecision() { }

    /// <summary>Nothing to do now.</summary>
    /// <param name="By">What keeps it running: a signal, "owner", "rule" (off for the class) or "unwatched".</param>
    public sealed record Keep(string? By) : IdleDecision;

    /// <summary>Its owner is warned that it stops at that time unless there is activity.</summary>
    public sealed record WarnUntil(DateTimeOffset StopAt) : IdleDecision;

    /// <summary>It has been idle for as long as the class allows, and its owner was warned.</summary>
    public sealed record Stop(TimeSpan Idle) : IdleDecision;
}

/// <summary>When an idle workspace is stopped. If in doubt, it keeps running.</summary>
public static class IdlePolicy
{
    public const string Unknown = "?", Owner = "owner", Rule = "rule", Unwatched = "unwatched";

    /// <summary>Shortest and longest rule of a class, minutes: less than twice the warning time would warn all the time.</summary>
    public const int Shortest = 30, Longest = 7 * 24 * 60;

    /// <summary>Default rule of a class, minutes: a lunch break must not stop a workspace, but one forgotten for an evening should be stopped.</summary>
    public const int Usual = 120;

    /// <summary>Time from the warning to the stop.</summary>
    public static readonly TimeSpan Warning = TimeSpan.FromMinutes(15);

    /// <summary>Activity is written once a minute, so it may be this much newer than the row.</summary>
    public static readonly TimeSpan Precision = TimeSpan.FromMinutes(1);

    /// <summary>After this long without a check, nothing is known about the time in between.</summary>
    public static readonly TimeSpan LongestGap = TimeSpan.FromMinutes(5);

    /// <summary>What the signals of one check mean, given what was known before.</summary>
    /// <param name="lookedAt">Time of the previous check; null for the first.</param>
    public static Activity Seen(IReadOnlyList<Signal> signals, Activity? before, DateTimeOffset? lookedAt, DateTimeOffset now)
    {
        if (signals.Any(s => s.Busy)) return new(now, string.Join(',', signals.Where(s => s.Busy).Select(s => s.By).Distinct(StringComparer.Ordinal)));
        if (signals.FirstOrDefault(s => !s.Answered) is { } silent) return new(now, Unknown + silent.By);
        if (signals.Count == 0 || now - lookedAt > LongestGap) return new(now, Unknown + Unwatched);
        // A clock that is ahead, or a wrong time, cannot keep it running longer than activity right now would.
        var latest = signals.Where(s => s.LastActivity is not null)
            .Select(s => new Activity(s.LastActivity < now ? s.LastActivity!.Value : now, s.By))
            .MaxBy(a => a.At);
        return before is null ? latest ?? new(now, null) : latest is null || latest.At <= before.At ? before : latest;
    }

    /// <summary>When it stops without further activity; null if the class has no such rule.</summary>
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
        // A stop requires a recent check: it is based on evidence, never on missing evidence.
        if (facts.Activity is not { } activity || facts.LookedAt is not { } looked || facts.Now - looked > LongestGap) return new IdleDecision.Keep(Unwatched);
        if (facts.Now >= at) return new IdleDecision.Stop(facts.Now - (activity.At > facts.ReadyAt ? activity.At : facts.ReadyAt));
        if (facts.Now >= at - Warning) return new IdleDecision.WarnUntil(at);
        return new IdleDecision.Keep(facts.KeepUntil > facts.Now ? Owner : activity.By);
    }
}
