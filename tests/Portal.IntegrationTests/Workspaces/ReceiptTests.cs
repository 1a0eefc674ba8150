using Portal.Core.Workspaces;
using Portal.Jobs.Runs;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Workspaces;

/// <summary>What the launch preview says about the start: whether there is capacity now, and how long this template usually takes.</summary>
public sealed class ReceiptTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Receipt_MachinesFull_SaysThatThereIsNoRoomUntilSomebodyStops()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 2, new(8, 8192, 10, 10), Cancel, capacity: new(2, 2048, 0, 0));
        await using var jobs = site.Process(new ScriptedClouds((_, _) => Mood.Well), TimeSpan.FromSeconds(10));
        (await PreviewAsync(site, "m")).WaitsFor.ShouldBeNull();
        var order = site.Order(site.Students[0]);
        (await site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        await jobs.UntilSettledAsync(Cancel);

        (await PreviewAsync(site, "s")).WaitsFor.ShouldBeNull();
        var full = await PreviewAsync(site, "m");
        (full.WaitsFor, full.BindingLimit, full.LaunchesBefore).ShouldBe((QueueWait.Capacity, null, 0));

        (await site.Get<StopWorkspace>().RunAsync(order.Actor, order.Id, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await jobs.UntilSettledAsync(Cancel);
        (await PreviewAsync(site, "m")).WaitsFor.ShouldBeNull();
    }

    [Fact]
    public async Task Receipt_AsManyAreStartingAsMay_SaysThatItWaitsForOneOfThem()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 2, new(8, 8192, 10, 10), Cancel, launchesAtOnce: 1);
        await using var jobs = site.Process(new ScriptedClouds((_, _) => Mood.Well), TimeSpan.FromSeconds(10));
        (await PreviewAsync(site, "s")).WaitsFor.ShouldBeNull();
        (await site.Get<LaunchWorkspace>().RunAsync(site.Order(site.Students[0]), Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        await jobs.Get<Admission>().RunAsync(Cancel);

        var starting = await PreviewAsync(site, "s");
        (starting.WaitsFor, starting.LaunchesBefore).ShouldBe((QueueWait.Launches, 0));

        await jobs.UntilSettledAsync(Cancel);
        (await PreviewAsync(site, "s")).WaitsFor.ShouldBeNull();
    }

    [Fact]
    public async Task Receipt_UsualStart_IsOfThisTemplateAlone()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 2, new(8, 8192, 10, 10), Cancel);
        await site.PublishAsync(TestSite.Cluster, Cancel);
        await using var jobs = site.Process(new ScriptedClouds((_, _) => Mood.Well), TimeSpan.FromSeconds(10));
        (await site.Get<LaunchWorkspace>().RunAsync(site.Order(site.Students[0]), Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        await jobs.UntilSettledAsync(Cancel);

        (await PreviewAsync(site, "s")).UsualStart.ShouldNotBeNull();
        (await PreviewAsync(site, "s", "cluster")).UsualStart.ShouldBeNull();
    }

    /// <summary>An order that starts immediately does not form a queue.</summary>
    [Fact]
    public async Task Receipt_AnotherWasJustOrderedAndThereIsRoom_StartsAtOnce()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 2, new(8, 8192, 10, 10), Cancel);
        (await site.Get<LaunchWorkspace>().RunAsync(site.Order(site.Students[0]), Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();

        var receipt = await PreviewAsync(site, "s");
        (receipt.WaitsFor, receipt.LaunchesBefore).ShouldBe((null, 0));
    }

    [Fact]
    public async Task Receipt_SizesThatDoNotFit_AreNamedWithTheWorkspaceToStop()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 2, new(4, 8192, 10, 10), Cancel);
        await site.PublishAsync(TestSite.Cluster, Cancel);
        (await site.Get<LaunchWorkspace>().RunAsync(site.Order(site.Students[1], "mine", size: "m"), Cancel))
            .ShouldBeOfType<LaunchOutcome.Accepted>(); // two of the four

        var notebook = await PreviewAsync(site, "s");
        notebook.Limits.Sizes.Keys.ShouldBe(["l"]);
        notebook.Limits.Sizes["l"].Stop.ShouldBe(["mine"]);
        // A notebook and one worker are two; with another the limit is reached.
        var cluster = await PreviewAsync(site, "s", "cluster");
        cluster.Limits.Sizes.Keys.ShouldBe(["l"]);
        (cluster.Limits.MostWorkers, cluster.Limits.More!.Reason).ShouldBe((1, Core.Policy.RefusalReason.OverQuota));
        cluster.Limits.More.Stop.ShouldBe(["mine"]);
    }

    /// <summary>The quotas would allow six workers, the machines of the whole site hold two beside the notebook, now and later.</summary>
    [Fact]
    public async Task Receipt_WorkersThatCanNeverRun_AreLeftOutWithThatReason()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 2, new(100, 100_000, 100, 10), Cancel, capacity: new(3, 100_000, 0, 0));
        await site.PublishAsync(TestSite.Cluster, Cancel);

        var limits = (await PreviewAsync(site, "s", "cluster")).Limits;

        limits.Sizes.ShouldHaveSingleItem().ShouldSatisfyAllConditions(
            l => l.Key.ShouldBe("l"), l => l.Value.Reason.ShouldBe(Core.Policy.RefusalReason.NeverPossible));
        limits.MostWorkers.ShouldBe(2);
        (limits.More!.Reason, limits.More.Resource).ShouldBe((Core.Policy.RefusalReason.NeverPossible, Core.Quotas.Resource.Vcpu));
        limits.More.Stop.ShouldBeEmpty();
    }

    /// <summary>A launch takes 20 s here. While as many start as may, an order begins when those before it have: in twos, if two may.</summary>
    [Theory]
    [InlineData(1, 20, 40, 60)]
    [InlineData(2, 20, 20, 40)]
    public async Task Queue_AsManyAreStartingAsMay_ExpectsEachWhenThoseBeforeItHaveStarted(int atOnce, params int[] seconds)
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 6, new(8, 8192, 10, 10), Cancel, launchesAtOnce: atOnce);
        await using var jobs = site.Process(new ScriptedClouds((_, _) => Mood.Well), TimeSpan.FromSeconds(10));
        await OrderAsync(0);
        await jobs.UntilSettledAsync(Cancel);
        await database.ExecuteAsync(
            $"update portal.run_steps set ended_at = began_at + case when key = 'EnsureCluster' then interval '20 seconds' else interval '0' end", Cancel);
        for (var n = 1; n <= atOnce; n++) await OrderAsync(n);
        await jobs.Get<Admission>().RunAsync(Cancel);

        List<LaunchRequest> waiting = [];
        foreach (var n in (int[])[3, 4, 5]) waiting.Add(await OrderAsync(n));

        foreach (var (order, at) in waiting.Select((o, i) => (o, i)))
        {
            var before = TimeProvider.System.GetUtcNow();
            var queue = (await site.Get<WorkspaceFeed>().LookAsync(order.Actor, order.Id, Cancel))!.Queue!;
            (queue.Place, queue.WaitsFor, queue.LatestAt).ShouldBe((at + 1, QueueWait.Launches, null));
            queue.ExpectedAt!.Value.ShouldBeInRange(before.AddSeconds(seconds[at]), TimeProvider.System.GetUtcNow().AddSeconds(seconds[at]));
        }

        async Task<LaunchRequest> OrderAsync(int student)
        {
            var order = site.Order(site.Students[student]);
            (await site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
            return order;
        }
    }

    /// <summary>What holds the capacity has a known end, after which it is free within a minute.</summary>
    [Fact]
    public async Task Queue_MachinesFullUntilAKnownEnd_IsPromisedThatEndAndNoEstimate()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 2, new(8, 8192, 10, 10), Cancel, capacity: new(1, 1024, 0, 0));
        await using var jobs = site.Process(new ScriptedClouds((_, _) => Mood.Well), TimeSpan.FromSeconds(10));
        var (first, second) = (site.Order(site.Students[0]), site.Order(site.Students[1]));
        (await site.Get<LaunchWorkspace>().RunAsync(first, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        await jobs.UntilSettledAsync(Cancel);
        (await site.Get<LaunchWorkspace>().RunAsync(second, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();

        var queue = (await site.Get<WorkspaceFeed>().LookAsync(second.Actor, second.Id, Cancel))!.Queue!;

        var end = (await site.Get<WorkspaceFeed>().LookAsync(first.Actor, first.Id, Cancel))!.EndAt;
        (queue.Place, queue.WaitsFor, queue.ExpectedAt, queue.LatestAt).ShouldBe((1, QueueWait.Capacity, null, end.AddMinutes(1)));
    }

    private static async Task<Receipt> PreviewAsync(TestSite site, string size, string template = "notebook") =>
        (await site.Get<LaunchPreview>().RunAsync(site.Order(site.Students[1], size: size) with { TemplateId = template }, Cancel))!;
}
