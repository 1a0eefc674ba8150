using AngleSharp.Dom;
using Bunit;
using Microsoft.AspNetCore.Components;
using Microsoft.Extensions.DependencyInjection;
using Portal.Controls;
using Portal.Core.Policy;
using Portal.Core.Quotas;
using Portal.Core.Workspaces;
using Portal.Features.Launch;

namespace Portal.Tests.Pages;

public sealed class LaunchTests : PageTest
{
    private static readonly IReadOnlyDictionary<string, string> None = new Dictionary<string, string>(StringComparer.Ordinal);
    private static readonly LaunchDraft Draft = new(Guid.Empty, Views.ClassId, "m", 0, "notebook-3", 4);

    private static Receipt Receipt(Refusal? limit = null, int before = 0, Amounts? wanted = null) =>
        new(wanted ?? new(2, 2048, 0, 1), Views.Class.Quotas, limit, before, TimeSpan.FromSeconds(9), false, 2, 0);

    private IRenderedComponent<ReceiptPanel> Panel(Receipt? receipt, Refusal? refusal = null, Action<Fit>? fit = null, bool busy = false) =>
        Render<ReceiptPanel>(p => p
        .Add(r => r.Draft, Draft)
            .Add(r => r.Template, Views.Notebook)
            .Add(r => r.Class, Views.Class)
            .Add(r => r.Receipt, receipt)
            .Add(r => r.Refusal, refusal)
            .Add(r => r.Busy, busy)
        .Add(r => r.OnFit, EventCallback.Factory.Create<Fit>(this, fit ?? (_ => { }))));

    private static LaunchLink Link(string query) => LaunchLink.Read("http://portal.localhost/launch/x" + query);

    private static IElement LaunchButton(IRenderedComponent<ReceiptPanel> panel) => panel.Find("button[type=submit]");

    [Fact]
    public void Receipt_Fits_ShowsUseRestAndStart()
    {
        var panel = Panel(Receipt());

        panel.Find(".nodes").GetAttribute("aria-label").ShouldBe("1 node, 2 vCPU · 2 GiB");
        panel.FindAll(".node").Count.ShouldBe(1);
        panel.Find("[role=img][aria-label^=Memory]").GetAttribute("aria-label").ShouldBe("Memory: 3 used, 2 reserved, 3 free of 8 GiB");
        panel.FindAll(".left tbody tr").Select(r => string.Join(' ', r.Children.Select(c => c.TextContent.Trim()))).ShouldBe(
            ["You 1 3 2 1", "Data science 101 38 54 170 89", "Informatics 52 74 360 187"]);
        panel.Find(".facts").TextContent.ShouldContain("immediately, usually ready in 9 s");
        panel.Find(".facts").TextContent.ShouldContain("4 h once it is ready");
        LaunchButton(panel).TextContent.Trim().ShouldBe("Launch Notebook, Medium");
        LaunchButton(panel).HasAttribute("disabled").ShouldBeFalse();
    }

    [Fact]
    public void Receipt_BindingLimit_NamesItAndOffersTheNearestFit()
    {
        Fit? taken = null;
        var panel = Panel(Receipt(new(RefusalReason.OverQuota, "size", QuotaLevel.Member, Resource.Memory, new("s", 0)), wanted: new(4, 8192, 0, 1)),
            fit: choice => taken = choice);

        panel.Find("aside").ClassList.ShouldContain("receipt-limit");
        panel.Find(".limit-note").TextContent.ShouldContain("You do not have enough memory left in Data science 101.");
        panel.Find(".left-over").TextContent.ShouldBe("1 short");
        LaunchButton(panel).HasAttribute("disabled").ShouldBeTrue();

        panel.Find(".limit-note button").TextContent.Trim().ShouldBe("Small fits (1 vCPU · 1 GiB)");
        panel.Find(".limit-note button").Click();
        taken.ShouldBe(new Fit("s", 0));
    }

    [Theory]
    [InlineData(QueueWait.Capacity, "when other workspaces stop, because the machines are full")]
    [InlineData(QueueWait.Launches, "when a launch in progress has finished")]
    public void Receipt_SomethingToWaitFor_DoesNotPromiseToStartAtOnce(QueueWait wait, string words) =>
        Panel(Receipt() with { WaitsFor = wait }).Find(".facts").TextContent.ShouldContain(words);

    [Fact]
    public void Receipt_WaitsForRoom_PromisesTheUsualTimeOnlyFromThenOn() =>
        Panel(Receipt() with { WaitsFor = QueueWait.Capacity }).Find(".facts").TextContent
            .ShouldContain("machines are full at the moment, then usually ready in 9 s");

    [Fact]
    public void Receipt_OwnWorkspacesInTheWay_AreNamed()
    {
        Panel(Receipt(OverQuota(null, "spark-1"))).Find(".limit-note").TextContent.ShouldContain("Stop spark-1 to make it fit.");
        Panel(Receipt(OverQuota(null, "a", "b", "c"))).Find(".limit-note").TextContent.ShouldContain("Stop a, b and c to make it fit.");
        Panel(Receipt(OverQuota(new("s", 0), "spark-1"))).Find(".limit-note").TextContent.ShouldContain(
            "Stop spark-1 to make it fit. Or choose a smaller configuration:");
    }

    /// <summary>The form's first contents are read as part of the page; what a choice changes is announced once, and nothing else is.</summary>
    [Fact]
    public void Receipt_Changed_IsAnnouncedOnce()
    {
        var panel = Panel(Receipt());
        var announcements = Services.GetRequiredService<Announcements>();
        announcements.Newest.ShouldBeNull();

        panel.Render(p => p.Add(r => r.Draft, Draft with { Name = "other" }));
        announcements.Newest.ShouldBeNull();
        panel.Render(p => p.Add(r => r.Draft, Draft with { SizeId = "l" }).Add(r => r.Receipt, Receipt(OverQuota(null, "spark-1"))));

        announcements.Newest.ShouldBe(
            new Announcement(1, "4 vCPU · 4 GiB. You do not have enough vCPU left in Data science 101. Stop spark-1 to make it fit."));
    }

    private static Refusal OverQuota(Fit? fits, params string[] stop) =>
        new(RefusalReason.OverQuota, "size", QuotaLevel.Member, Resource.Vcpu, fits) { Stop = [.. stop] };

    [Fact]
    public void LaunchForm_SizeThatDoesNotFit_IsDisabledWithTheReasonAndWhatToStop()
    {
        var limits = new ChoiceLimits(new Dictionary<string, Refusal>(StringComparer.Ordinal)
        {
            ["m"] = OverQuota(null, "spark-1"),
            ["l"] = new(RefusalReason.NeverPossible, "size", Resource: Resource.Memory),
        }, null, null);
        var form = Render<LaunchForm>(p => p.Add(f => f.Draft, Draft).Add(f => f.Template, Views.Notebook).Add(f => f.Class, Views.Class)
            .Add(f => f.Receipt, Receipt() with { Limits = limits }));

        form.FindAll("input[name=size]").Select(i => i.HasAttribute("disabled")).ShouldBe([false, true, true]);
        form.FindAll(".choice-why").Select(w => w.TextContent)
            .ShouldBe(["You do not have enough vCPU left in Data science 101. Stop spark-1 to make it fit.",
                "The machines here do not have this much memory."]);
    }

    [Fact]
    public void Receipt_OthersWaitBefore_SaysSo() => Panel(Receipt(before: 3)).Find(".facts").TextContent.ShouldContain("after the 3 launches ahead of it");

    [Theory]
    [InlineData(RefusalReason.DiskNearlyFull, "The disk is nearly full")]
    [InlineData(RefusalReason.NotAMember, "Ask your instructor to add you.")]
    [InlineData(RefusalReason.NotAvailable, "The engine does not answer.")]
    public void Receipt_RefusedByTheVerb_SaysWhatHelps(RefusalReason reason, string words) =>
        Panel(Receipt(), new(reason, null, Detail: "The engine does not answer.")).Find(".limit-note").TextContent.ShouldContain(words);

    [Fact]
    public void Receipt_NotReadYet_LaunchesNothing() => LaunchButton(Panel(null)).HasAttribute("disabled").ShouldBeTrue();

    [Fact]
    public void LaunchForm_NameTaken_IsSaidAtTheName()
    {
        var form = Render<LaunchForm>(p =>
            p.Add(f => f.Draft, Draft)
                .Add(f => f.Template, Views.Notebook)
                .Add(f => f.Class, Views.Class)
                .Add(f => f.Receipt, Receipt(new(RefusalReason.NameTaken, "name"))));

        form.Markup.ShouldContain("You already have a workspace with this name.");
        form.FindAll("input[name=size]").Count.ShouldBe(3);
        form.Find("input[name=size][checked]").GetAttribute("value").ShouldBe("m");
        form.FindAll("input[name=class]").ShouldBeEmpty();
    }

    [Fact]
    public void LaunchForm_OtherSize_ChangesTheDraft()
    {
        LaunchDraft? changed = null;
        var form = Render<LaunchForm>(p =>
            p.Add(f => f.Draft, Draft)
                .Add(f => f.Template, Views.Notebook)
                .Add(f => f.Class, Views.Class)
                .Add(f => f.OnChange, EventCallback.Factory.Create<LaunchDraft>(this, d => changed = d)));

        form.Find("input[name=size][value=l]").Change("l");

        changed.ShouldBe(Draft with { SizeId = "l" });
    }

    [Theory]
    [InlineData("?size=m", "m", "notebook-2", 4)]
    [InlineData("?size=L&name=mine&hours=8", "l", "mine", 8)]
    [InlineData("?size=huge&name=%20&hours=99", "s", "notebook-2", 4)]
    [InlineData("?hours=-1", "s", "notebook-2", 4)]
    [InlineData("", "s", "notebook-2", 4)]
    public void LaunchDraft_Begin_TakesFromTheAddressWhatMakesSense(string query, string sizeNow, string nameNow, int hoursNow) =>
        (LaunchDraft.Begin(Guid.Empty, Views.Notebook, Views.Class, ["notebook-1"], Link(query)) with { Parameters = None })
            .ShouldBe(new LaunchDraft(Guid.Empty, Views.ClassId, sizeNow, 0, nameNow, hoursNow) { Parameters = None });

    [Theory]
    [InlineData(12, new[] { 1, 2, 4, 8, 12 })]
    [InlineData(1, new[] { 1 })]
    [InlineData(72, new[] { 8, 12, 24, 48, 72 })]
    public void LaunchDraft_HoursFor_EndsWithTheLongest(int longest, int[] hours) => LaunchDraft.HoursFor(longest).ShouldBe(hours);
}
