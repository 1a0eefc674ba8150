using AngleSharp.Dom;
using Bunit;
using Microsoft.Extensions.DependencyInjection;
using Portal.Controls;
using Portal.Core.Workspaces;

namespace Portal.Tests.Pages;

public sealed class ControlTests : PageTest
{
    [Fact]
    public void QuotaMeter_Drawn_ReadsAsOneSentence()
    {
        var meter = Render<QuotaMeter>(p =>
            p.Add(m => m.Name, "Memory").Add(m => m.Unit, "GiB").Add(m => m.Used, 56).Add(m => m.Promised, 16).Add(m => m.Limit, 96));

        meter.Find("[role=img]").GetAttribute("aria-label").ShouldBe("Memory: 56 used, 16 reserved, 24 free of 96 GiB");
    }

    [Theory]
    [InlineData(50, 10, 100, null)]
    [InlineData(80, 15, 100, "meter-tight")]
    [InlineData(80, 30, 100, "meter-over")]
    [InlineData(0, 0, 0, null)]
    public void QuotaMeter_NearlyFull_SaysSo(double used, double promised, double limit, string? face)
    {
        var meter = Render<QuotaMeter>(p => p.Add(m => m.Name, "vCPU").Add(m => m.Used, used).Add(m => m.Promised, promised).Add(m => m.Limit, limit));

        meter.Find(".meter").ClassList.Intersect(["meter-tight", "meter-over"]).ShouldBe(face is null ? [] : [face]);
    }

    [Fact]
    public void StepList_CurrentStep_GrowsOlderAndTurnsSlow()
    {
        StepRow[] rows = [new("Mount", StepState.Now, Now, null, TimeSpan.FromSeconds(2), "Waiting for the host."),
            new("Prove", StepState.Next, null, null, null)];
        var list = Render<StepList>(p => p.Add(s => s.Steps, rows));
        list.Find("[aria-current=step]").TextContent.ShouldContain("in progress");
        list.Markup.ShouldContain("Waiting for the host.");

        Clock.Advance(TimeSpan.FromSeconds(3));
        list.WaitForAssertion(() => list.Find(".step-time").TextContent.ShouldBe("3 s"));
        Clock.Advance(TimeSpan.FromSeconds(2));

        list.WaitForAssertion(() => list.Find("[aria-current=step]").ClassList.ShouldContain("step-slow"));
        list.Find("[aria-current=step]").TextContent.ShouldContain("slower than usual");
    }

    [Fact]
    public void StepList_AllDone_DoesNotBeat()
    {
        var list = Render<StepList>(p => p.Add(s => s.Steps, [new("Mount", StepState.Done, Now.AddSeconds(-3), Now, null)]));

        Clock.Advance(TimeSpan.FromMinutes(1));

        list.RenderCount.ShouldBe(1);
        list.Find(".step-time").TextContent.ShouldBe("3 s");
    }

    [Fact]
    public void When_TimePasses_DrawsOnlyWhenTheWordsChange()
    {
        var when = Render<When>(p => p.Add(w => w.At, Now));
        when.Find("time").TextContent.ShouldBe("just now");

        for (var i = 0; i < 30; i++) Clock.Advance(TimeSpan.FromSeconds(1));
        when.RenderCount.ShouldBe(1);
        Clock.Advance(TimeSpan.FromSeconds(210));

        when.WaitForAssertion(() => when.Find("time").TextContent.ShouldBe("4 min ago"));
        when.Find("time").GetAttribute("title").ShouldBe("23 Nov 2026 10:00:00");
    }

    [Fact]
    public void When_OtherZone_ShowsThePersonsClock()
    {
        var tokyo = new VisitorTime(TimeZoneInfo.FindSystemTimeZoneById("Asia/Tokyo"));

        var when = Render<When>(p => p.Add(w => w.At, Now).AddCascadingValue(tokyo));

        when.Find("time").GetAttribute("title").ShouldBe("23 Nov 2026 19:00:00");
    }

    [Fact]
    public void LogView_Search_ShowsTheLinesThatMatchOrSaysNone()
    {
        var log = Render<LogView>(p =>
            p.Add(l => l.Lines, [new(1, Now, LogLineSeverity.Info, "Mounted the folder"), new(2, Now, LogLineSeverity.Fail, "<b>Broken</b>")]));
        log.FindAll(".log-line").Count.ShouldBe(2);
        log.Find(".log-fail").TextContent.ShouldContain("<b>Broken</b>");

        log.Find("input[aria-label='Search the log']").Input("mounted");
        Clock.Advance(TimeSpan.FromSeconds(1)); // the field waits until typing pauses
        log.WaitForAssertion(() => log.FindAll(".log-line").Count.ShouldBe(1));
        log.Find("input[aria-label='Search the log']").Input("nothing like it");
        Clock.Advance(TimeSpan.FromSeconds(1));

        log.WaitForAssertion(() => log.Markup.ShouldContain("No line contains “nothing like it”."));
    }

    [Fact]
    public void MessageList_Said_ShowsItForAMoment()
    {
        var messages = Services.GetRequiredService<Messages>();

        messages.Say("notebook-1 is stopping.");
        messages.Say("That is not possible.", warns: true);
        MessageList.WaitForAssertion(() =>
            MessageList.FindAll(".message").Select(m => m.TextContent.Trim()).ShouldBe(["notebook-1 is stopping.", "That is not possible."]));
        MessageList.Find("[role=status]").ShouldNotBeNull();
        MessageList.FindAll(".message-close")[0].Click();
        MessageList.WaitForAssertion(() => MessageList.FindAll(".message").Count.ShouldBe(1));
        Clock.Advance(TimeSpan.FromSeconds(8));

        MessageList.WaitForAssertion(() => MessageList.FindAll(".message").ShouldBeEmpty());
    }

    [Fact]
    public void StatusBadge_Drawn_HasColourMarkAndWord()
    {
        var badge = Render<StatusBadge>(p => p.Add(b => b.Tone, StatusTone.Failed).Add(b => b.Label, "Failed"));

        badge.Find(".badge").ClassList.ShouldContain("failed");
        badge.Find("svg").ShouldNotBeNull();
        badge.Find(".badge").TextContent.Trim().ShouldBe("Failed");
    }

    [Theory]
    [InlineData(0.42, "0.4 s")]
    [InlineData(12, "12 s")]
    [InlineData(89, "89 s")]
    [InlineData(600, "10 min")]
    [InlineData(7200, "2 h")]
    [InlineData(259200, "3 days")]
    public void Length_Of_ReadsAtAGlance(double seconds, string words) => Length.Of(TimeSpan.FromSeconds(seconds)).ShouldBe(words);
}
