using System.Collections.Immutable;
using Bunit;
using Portal.Core.Catalog;
using Portal.Core.Clouds;
using Portal.Core.Operations;
using Portal.Core.Quotas;
using Portal.Core.Runs;
using Portal.Features.Operations;

namespace Portal.Tests.Pages;

public sealed class OperationsTests : PageTest
{
    private static Pool Pool(string key = "local", int silentFor = 0) => new()
    {
        Key = key,
        CloudKey = key,
        Title = key,
        CapacityVcpu = 8,
        CapacityMemoryMib = 12288,
        Clusters = new(true, "20.10", null),
        Storage = new(true, "btrfs", null),
        SeenAt = PageTest.Now.AddSeconds(-silentFor),
        StorageTotalBytes = 100L << 30,
        StorageFreeBytes = 30L << 30,
        StorageReserveBytes = 5L << 30,
        BlocksEnforced = true,
    };

    private static PoolRow Measured(Pool pool) => In(pool.CloudKey, pool);

    private static PoolRow In(string cloud, Pool pool) =>
        new(new() { Key = cloud, Kind = "docker", Title = $"{cloud} cloud", LaunchesAtOnce = 4 }, pool, new(3, 3072, 0, 2));

    private static RunRow Row(RunPhase phase, int? place = null) =>
        new(1, Guid.Empty, "abcdefghij", "notebook-1", "Ada Lovelace", RunKind.Launch, phase, false, StepKey.EnsureCluster, 2, "The engine is busy.",
            phase is RunPhase.Failed ? "No room." : null, null, PageTest.Now.AddMinutes(-3), null, place);

    private static OperationsView View(RunRow[] unfinished, RunRow[] failures, ImmutableArray<PoolRow> pools, ImmutableArray<ImageRow> images) =>
        new(new([.. unfinished], null), new([.. failures], null), pools, images) { UnfinishedInAll = unfinished.Length };

    private IRenderedComponent<OperationsBody> Body(OperationsView view) => Render<OperationsBody>(p => p.Add(b => b.View, view));

    [Fact]
    public void OperationsBody_NothingUnderWay_SaysSo()
    {
        var body = Body(View([], [], [], []));

        body.Markup.ShouldContain("No runs are in progress or queued.");
        body.Markup.ShouldContain("No failed runs.");
        body.Markup.ShouldContain("The background worker has not reported yet.");
    }

    [Fact]
    public void OperationsBody_RunsQueueAndFailures_AreListedWithWhy()
    {
        var body = Body(View([Row(RunPhase.Active), Row(RunPhase.Queued, 4) with { Id = 2 }], [Row(RunPhase.Failed) with { Id = 3 }],
            [Measured(Pool())], []));

        body.Markup.ShouldContain("Start the nodes: The engine is busy.");
        body.Markup.ShouldContain("Number 4 in the queue");
        body.Markup.ShouldContain("Start the nodes: No room.");
        body.FindAll("th a").ShouldAllBe(a => a.GetAttribute("href") == "workspaces/abcdefghij");
    }

    [Fact]
    public void OperationsBody_MoreThanOnePage_LeadsToTheOthers()
    {
        var view = View([], [], [], []) with
        {
            Unfinished = new([Row(RunPhase.Queued, 51) with { Id = 71 }], "71"),
            UnfinishedInAll = 173,
            Failures = new([Row(RunPhase.Failed) with { Id = 30 }], null),
        };

        var body = Render<OperationsBody>(p => p.Add(b => b.View, view).Add(b => b.Place, new(After: 70, Before: 31)));

        body.Find("#running-title").TextContent.ShouldContain("173");
        body.Find("#failures-title").TextContent.Trim().ShouldBe("Failures"); // how many there are is not counted
        body.FindAll("nav[aria-label='Pages of Runs and queue'] a").Select(a => (a.TextContent, a.GetAttribute("href")))
            .ShouldBe([("Oldest", "operations?before=31"), ("Next page", "operations?after=71&before=31")]);
        body.FindAll("nav[aria-label='Pages of Failures'] a").Select(a => (a.TextContent, a.GetAttribute("href")))
            .ShouldBe([("Newest", "operations?after=70")]);
        Body(View([Row(RunPhase.Active)], [], [], [])).FindAll("nav").ShouldBeEmpty();
    }

    /// <summary>While an operator looks at a later page, its runs end: there are others, so it must not say that there are none.</summary>
    [Fact]
    public void OperationsBody_LaterPageThatHasBecomeEmpty_SaysSoAndLeadsBack()
    {
        var body = Render<OperationsBody>(p => p.Add(b => b.View, View([], [], [], []) with { UnfinishedInAll = 12 }).Add(b => b.Place, new(70, 31)));

        body.FindAll("section p.quiet").Count(p => p.TextContent == "There are no runs on this page any more.").ShouldBe(2);
        body.FindAll("nav a").Select(a => a.TextContent).ShouldBe(["Oldest", "Newest"]);
    }

    [Fact]
    public void Health_SomethingBroken_SaysWhatAndTheRemedy()
    {
        var pool = Pool();
        pool.Clusters = new(false, "Docker does not answer.", "systemctl start docker");
        var body = Body(View([], [], [Measured(pool)],
            [
                new()
                {
                    PoolKey = "local",
                    Name = "python",
                    State = ImageState.Failed,
                    Message = "pip could not reach the index.",
                    Remedy = "Set PORTAL_ENGINES.",
                    UpdatedAt = Now
                },
            ]));

        var engine = body.Find("[aria-label='Container engine']");
        engine.TextContent.ShouldContain("Not working");
        engine.TextContent.ShouldContain("systemctl start docker");
        body.Markup.ShouldContain("pip could not reach the index. Set PORTAL_ENGINES.");
    }

    [Theory]
    [InlineData(59, "Working")]
    [InlineData(61, "Not reporting")]
    public void Health_WorkerSilent_IsSaidInsteadOfItsLastWord(int seconds, string word)
    {
        var body = Body(View([], [], [Measured(Pool(silentFor: seconds))], []));

        body.Find("[aria-label='Container engine'] .badge").TextContent.Trim().ShouldBe(word);
        body.Find("[aria-label=Storage] .badge").TextContent.Trim().ShouldBe(word);
        body.FindAll("[aria-label='Background worker']").Count.ShouldBe(word == "Working" ? 0 : 1);
    }

    [Fact]
    public void Health_WorkerFallsSilentWhileThePageIsOpen_IsSaidWithoutAnyChange()
    {
        var body = Body(View([], [], [Measured(Pool())], []));
        body.FindAll("[aria-label='Background worker']").ShouldBeEmpty();

        for (var i = 0; i < 61; i++) Clock.Advance(TimeSpan.FromSeconds(1));

        body.WaitForAssertion(() => body.Find("[aria-label='Background worker']").TextContent.ShouldContain("Not working"));
        body.Find("[aria-label='Background worker']").TextContent.ShouldContain("start");
    }

    [Theory]
    [InlineData(30, "Enough space")]
    [InlineData(7, "Nearly full")]
    [InlineData(2, "Full")]
    public void Health_Disk_SaysHowMuchRoomThereIs(long freeGib, string word)
    {
        var pool = Pool();
        pool.StorageFreeBytes = freeGib << 30;

        Body(View([], [], [Measured(pool)], [])).Find("[aria-label=Disk] .badge").TextContent.Trim().ShouldBe(word);
    }

    [Fact]
    public void Health_NeverMeasured_SaysNothingOfFullOrNone()
    {
        var pool = new Pool { Key = "local", CloudKey = "local", Title = "This host", SeenAt = Now, StorageReserveBytes = 5L << 30 };
        var body = Body(View([], [], [Measured(pool) with { Claimed = Amounts.None }], []));

        body.Find("[aria-label=Disk] .badge").TextContent.Trim().ShouldBe("Not known yet");
        foreach (var part in (string[])["Disk", "Capacity"])
        {
            body.Find($"[aria-label={part}]").TextContent.ShouldContain("Not measured yet");
            body.FindAll($"[aria-label={part}] [role=meter]").ShouldBeEmpty();
        }
    }

    [Fact]
    public void Health_SeveralClouds_EachSaysWhichItIs()
    {
        var sick = Pool("physics");
        sick.Storage = new(false, "Manila does not answer.", "Ask its operator.");

        var body = Body(View([], [], [Measured(Pool("biology")), Measured(sick)], []));

        body.Find("[aria-label='Storage, physics']").TextContent.ShouldContain("Manila does not answer.");
        body.Find("[aria-label='Storage, biology'] .badge").TextContent.Trim().ShouldBe("Working");
        body.FindAll("[aria-label^='Capacity, '], [aria-label^='Disk, ']").Count.ShouldBe(4);
        body.FindAll("section.pool h3").Select(h => h.TextContent.Trim()).ShouldBe(["biology", "physics"]);
    }

    /// <summary>Two projects of one cloud: each has its own health, and the launches at once are said to be the cloud's.</summary>
    [Fact]
    public void Health_SeveralPoolsOfOneCloud_EachSaysWhichItIsAndWhatTheyShare()
    {
        var expired = Pool("physics");
        expired.Clusters = new(false, "The credential has expired.", "Renew it.");
        ImageRow image = new() { PoolKey = "physics", Name = "python", State = ImageState.Ready, UpdatedAt = Now };
        RunRow[] queued = [Row(RunPhase.Queued, 1) with { Pool = "biology", PoolTitle = "Biology" },
            Row(RunPhase.Queued, 1) with { Id = 2, Pool = "physics", PoolTitle = "Physics" }];

        var body = Body(View(queued, [], [In("nova", Pool("biology")), In("nova", expired)], [image]));

        body.Find("[aria-label='Container engine, physics']").TextContent.ShouldContain("The credential has expired.");
        body.Find("[aria-label='Container engine, biology'] .badge").TextContent.Trim().ShouldBe("Working");
        body.Find("section[aria-label=physics] h3 .quiet").TextContent.ShouldBe("nova cloud");
        body.Find("[aria-label='Capacity, physics']").TextContent.ShouldContain("Up to 4 launches can start at once in nova cloud; the rest queue.");
        body.Markup.ShouldContain("python (physics)");
        body.Markup.ShouldContain("Number 1 in the queue of Physics");
    }
}
