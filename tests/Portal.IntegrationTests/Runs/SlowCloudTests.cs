using Microsoft.EntityFrameworkCore;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Runs;

/// <summary>Clouds that answer "asked" and "working" before they are done, and those whose rules and nodes end in error.</summary>
public sealed class SlowCloudTests
{
    private static readonly TimeSpan Lease = TimeSpan.FromSeconds(10);
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Launch_AccessIsGrantedSlowly_NothingBootsBefore()
    {
        await using var it = await Site.CreateAsync(what => what is "allow" ? Mood.AllowsSlowly : Mood.Well);
        it.Clouds.SlowLooks = 10;
        var going = Task.WhenAll(await it.Jobs.ClaimAsync(Cancel));
        await Until.TrueAsync("the rule is asked for", () => Task.FromResult(it.Clouds.LeftOf(it.Order.Id) == "rule"), Cancel);
        it.Clouds.NodesOf(it.Order.Id).ShouldBeEmpty();
        await going;

        await it.Jobs.UntilSettledAsync(Cancel);

        (await it.ViewAsync()).Status.ShouldBe(WorkspaceStatus.Ready);
        it.Clouds.Broken.ShouldBeEmpty();
    }

    [Fact]
    public async Task Launch_FolderIsMadeSlowly_NoRuleIsAskedForBefore()
    {
        await using var it = await Site.CreateAsync(what => what is "ensure folder" ? Mood.MakesFoldersSlowly : Mood.Well);
        it.Clouds.LookAgainIn = TimeSpan.FromSeconds(1);
        await it.StepAsync();
        var view = await it.ViewAsync();
        (view.Run.Phase, view.Run.Message).ShouldBe((RunPhase.Waiting, "The storage is creating the folder."));
        it.Clouds.LeftOf(it.Order.Id).ShouldBeEmpty();

        it.Clouds.LookAgainIn = TimeSpan.FromMilliseconds(20);
        await it.Jobs.UntilSettledAsync(Cancel);

        (await it.ViewAsync()).Status.ShouldBe(WorkspaceStatus.Ready);
    }

    [Fact]
    public async Task Launch_ServersAreBuiltForMinutes_TheRunWaitsAsARowAndNoWorkerWaits()
    {
        await using var it = await Site.CreateAsync(what => what is "ensure" ? Mood.BuildsSlowly : Mood.Well);
        it.Clouds.LookAgainIn = TimeSpan.FromSeconds(1);
        await it.StepAsync();
        var view = await it.ViewAsync();
        (view.Run.Phase, view.Run.Message).ShouldBe((RunPhase.Waiting, "The servers are being made."));
        it.Clouds.Runs(it.Order.Id).ShouldBeFalse();

        it.Clouds.LookAgainIn = TimeSpan.FromMilliseconds(20);
        await it.Jobs.UntilSettledAsync(Cancel);

        (await it.ViewAsync()).Status.ShouldBe(WorkspaceStatus.Ready);
    }

    /// <summary>Many launches wait for servers together: the storage is not asked about each of them at every look, but is after the cloud failed.</summary>
    [Theory]
    [InlineData(false, 2)]
    [InlineData(true, 3)]
    public async Task Launch_ServersAreBuiltSlowly_AccessIsAskedForWhenTheyAreBegun(bool fails, int times)
    {
        var (looks, asked) = (0, 0);
        await using var it = await Site.CreateAsync(what =>
        {
            if (what is "allow") asked++;
            return what is not "ensure" ? Mood.Well : ++looks == 5 && fails ? Mood.Unavailable : Mood.BuildsSlowly;
        });
        it.Clouds.SlowLooks = 10;

        await it.Jobs.UntilSettledAsync(Cancel);

        (await it.ViewAsync()).Status.ShouldBe(WorkspaceStatus.Ready);
        looks.ShouldBeGreaterThan(5);
        asked.ShouldBe(times);
    }

    /// <summary>A cloud that fails now and then is not one that fails again and again: seven faults in a row end a launch, these do not.</summary>
    [Fact]
    public async Task Launch_FaultsBetweenAnswersThatItIsWorking_DoNotAddUp()
    {
        var calls = 0;
        await using var it = await Site.CreateAsync(
            what => what is not "ensure" ? Mood.Well : ++calls % 2 == 0 && calls <= 16 ? Mood.Unavailable : Mood.BuildsSlowly);
        it.Clouds.SlowLooks = 20;

        await it.Jobs.UntilSettledAsync(Cancel, TimeSpan.FromMinutes(1));

        (await it.ViewAsync()).Status.ShouldBe(WorkspaceStatus.Ready);
        calls.ShouldBeGreaterThan(16);
    }

    [Theory]
    [InlineData("ensure folder", Mood.FolderInError, StepKey.EnsureWorkFolder, "could not make the folder")]
    [InlineData("allow", Mood.RuleInError, StepKey.EnsureAccess, "could not grant access")]
    [InlineData("ensure", Mood.BreaksNodes, StepKey.EnsureCluster, "no host has room for it")]
    public async Task Launch_RuleOrNodeEndsInError_FailsWithTheCausesWordsAndLeavesNothing(string what, Mood mood, StepKey step, string cause)
    {
        await using var it = await Site.CreateAsync(w => w == what ? mood : Mood.Well);

        await it.Jobs.UntilSettledAsync(Cancel);

        var view = await it.ViewAsync();
        (view.Status, view.Run.FailedStep).ShouldBe((WorkspaceStatus.Failed, step));
        view.Run.Cause!.ShouldContain(cause);
        view.Run.Remedy.ShouldNotBeNullOrEmpty();
        it.Clouds.LeftOf(it.Order.Id).ShouldBeEmpty();
        it.Clouds.Broken.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("ensure folder", Mood.MakesFoldersSlowly, StepKey.EnsureWorkFolder, "creating the folder")]
    [InlineData("allow", Mood.AllowsSlowly, StepKey.EnsureAccess, "granting access")]
    [InlineData("ensure", Mood.BuildsSlowly, StepKey.EnsureCluster, "being made")]
    public async Task Launch_CloudNeverFinishes_FailsAtTheCloudsOwnLimitAndLeavesNothing(string what, Mood mood, StepKey step, string waitsFor)
    {
        await using var it = await Site.CreateAsync(w => w == what ? mood : Mood.Well);
        it.Clouds.SlowLooks = int.MaxValue;
        it.Clouds.Times = it.Clouds.Times with { Make = TimeSpan.FromMilliseconds(600) };

        await it.Jobs.UntilSettledAsync(Cancel);

        var view = await it.ViewAsync();
        (view.Status, view.Run.FailedStep).ShouldBe((WorkspaceStatus.Failed, step));
        view.Run.Cause!.ShouldContain(waitsFor);
        it.Clouds.LeftOf(it.Order.Id).ShouldBeEmpty();
        it.Clouds.Broken.ShouldBeEmpty();
    }

    [Fact]
    public async Task Stop_AccessIsRevokedSlowly_TheNetworkStaysUntilTheRuleIsSeenGone()
    {
        await using var it = await Site.CreateAsync(what => what is "deny" ? Mood.DeniesSlowly : Mood.Well);
        it.Clouds.SlowLooks = 40;
        await it.Jobs.UntilSettledAsync(Cancel);
        (await it.Portal.Get<StopWorkspace>().RunAsync(it.Order.Actor, it.Order.Id, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        var going = Task.WhenAll(await it.Jobs.ClaimAsync(Cancel));
        await Until.TrueAsync("rule and network are left", () => Task.FromResult(it.Clouds.LeftOf(it.Order.Id) == "rule network"), Cancel);
        await going;

        await it.Jobs.UntilSettledAsync(Cancel);

        (await it.ViewAsync()).Status.ShouldBe(WorkspaceStatus.Stopped);
        it.Clouds.LeftOf(it.Order.Id).ShouldBeEmpty();
        it.Clouds.Broken.ShouldBeEmpty();
    }

    /// <summary>One workspace that was ordered, on clouds with a mood by action.</summary>
    private sealed class Site(TestDatabase database, TestSite site, ScriptedClouds clouds, LaunchRequest order) : IAsyncDisposable
    {
        public TestSite Portal => site;
        public ScriptedClouds Clouds => clouds;
        public LaunchRequest Order => order;
        public JobsProcess Jobs { get; } = site.Process(clouds, Lease);

        public static async Task<Site> CreateAsync(Func<string, Mood> mood)
        {
            var database = await TestDatabase.CreateAsync(Cancel);
            var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
            var order = site.Order(site.Students[0]);
            (await site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
            return new(database, site, new ScriptedClouds((what, _) => mood(what)), order);
        }

        /// <summary>Claims once, and lets that come to its end.</summary>
        public async Task StepAsync() => await Task.WhenAll(await Jobs.ClaimAsync(Cancel));

        public async Task<WorkspaceView> ViewAsync() => (await site.Get<WorkspaceFeed>().LookAsync(order.Actor, order.Id, Cancel))!;

        public async ValueTask DisposeAsync()
        {
            await Jobs.DisposeAsync();
            await site.DisposeAsync();
            await database.DisposeAsync();
        }
    }
}
