using Portal.Core.Policy;

namespace Portal.Tests.Policy;

/// <summary>When an idle workspace is stopped: every case as a row. Times are minutes before now.</summary>
public sealed class IdlePolicyTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 26, 12, 0, 0, TimeSpan.Zero);

    private static DateTimeOffset? Ago(double? minutes) => minutes is { } m ? Now.AddMinutes(-m) : null;

    [Theory]
    //          rule  ready active looked kept  decision
    [InlineData(null, 600, 500.0, 0.2, null, "keep rule")]
    [InlineData(60, 600, 10.0, 0.2, null, "keep kernels")]
    [InlineData(60, 600, 45.9, 0.2, null, "keep kernels")]
    [InlineData(60, 600, 46.0, 0.2, null, "warn 15")]
    [InlineData(60, 600, 60.5, 0.2, null, "warn 0.5")]
    [InlineData(60, 600, 61.0, 0.2, null, "stop 61")]
    [InlineData(60, 600, 300.0, 0.2, null, "stop 300")]
    [InlineData(60, 30, 300.0, 0.2, null, "keep kernels")] // activity from before its restart counts from its start
    [InlineData(60, 70, 300.0, 0.2, null, "stop 70")]
    [InlineData(60, 600, null, 0.2, null, "keep unwatched")] // no activity was ever seen
    [InlineData(60, 600, 300.0, null, null, "keep unwatched")]
    [InlineData(60, 600, 300.0, 5.1, null, "keep unwatched")] // no recent check: no evidence
    [InlineData(60, 600, 300.0, 4.9, null, "stop 300")]
    [InlineData(60, 600, 300.0, 0.2, -120.0, "keep owner")]
    [InlineData(60, 600, 300.0, 0.2, -10.0, "warn 10")]
    [InlineData(60, 600, 300.0, 0.2, 1.0, "stop 300")] // kept until a minute ago
    public void Decide_Facts_IsTheTable(int? rule, double ready, double? active, double? looked, double? kept, string expected)
    {
        var decision = IdlePolicy.Decide(new(Now, rule, Ago(ready)!.Value, Ago(active) is { } at ? new(at, "kernels") : null, Ago(looked), Ago(kept)));

        var words = decision switch
        {
            IdleDecision.Keep k => $"keep {k.By}",
            IdleDecision.WarnUntil w => FormattableString.Invariant($"warn {(w.StopAt - Now).TotalMinutes:0.#}"),
            IdleDecision.Stop s => FormattableString.Invariant($"stop {s.Idle.TotalMinutes:0.#}"),
            _ => "",
        };
        words.ShouldBe(expected);
    }

    private static Signal At(string by, double minutesAgo) => new(by, true, false, Now.AddMinutes(-minutesAgo));

    private static readonly Activity Before = new(Now.AddMinutes(-40), "terminals");

    private static Activity Seen(Activity? before, params Signal[] signals) => IdlePolicy.Seen(signals, before, Now.AddSeconds(-15), Now);

    [Fact]
    public void Seen_Busy_IsNow_EvenBesideSilence() =>
        Seen(Before, new Signal("kernels", false), new Signal("applications", true, true)).ShouldBe(new Activity(Now, "applications"));

    [Fact]
    public void Seen_SeveralBusy_NamesEachOnce() =>
        Seen(Before, new Signal("kernels", true, true), At("terminals", 1), new Signal("kernels", true, true), new Signal("jobs", true, true))
            .ShouldBe(new Activity(Now, "kernels,jobs"));

    [Fact]
    public void Seen_Silence_KeepsAndSaysWhose() =>
        Seen(Before, At("kernels", 90), new Signal("tasks", Answered: false)).ShouldBe(new Activity(Now, "?tasks"));

    [Fact]
    public void Seen_Rest_IsTheLatestOfAll()
    {
        Seen(Before, At("kernels", 20), At("terminals", 30)).ShouldBe(new Activity(Now.AddMinutes(-20), "kernels"));
        Seen(Before, At("kernels", 50)).ShouldBe(Before);
        Seen(Before, new Signal("kernels", true), new Signal("tasks", true)).ShouldBe(Before, "nothing runs or is known to have run: it stays as it was");
        Seen(null, new Signal("kernels", true)).ShouldBe(new Activity(Now, null), "the first check begins the time");
    }

    [Fact]
    public void Seen_ClockAhead_IsNow() => Seen(Before, At("kernels", -500)).ShouldBe(new Activity(Now, "kernels"));

    [Fact]
    public void Seen_AfterAGapInWatching_ClaimsNothing() =>
        IdlePolicy.Seen([At("kernels", 90)], Before, Now.AddMinutes(-6), Now).ShouldBe(new Activity(Now, "?unwatched"));

    [Fact]
    public void Seen_NothingToAsk_IsNoEvidence() => Seen(Before).ShouldBe(new Activity(Now, "?unwatched"));
}
