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

    private static async Task<Receipt> PreviewAsync(TestSite site, string size, string template = "notebook") =>
        (await site.Get<LaunchPreview>().RunAsync(site.Order(site.Students[1], size: size) with { TemplateId = template }, Cancel))!;
}
