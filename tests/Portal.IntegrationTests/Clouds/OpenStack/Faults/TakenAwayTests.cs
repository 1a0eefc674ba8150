using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Localization;
using Portal.Core.Workspaces;
using Portal.Features.Workspaces;
using Portal.Jobs.Clouds.OpenStack;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Clouds.OpenStack.Faults;

/// <summary>
/// Somebody deletes a part of a Ready workspace with OpenStack's own tools: its owner's page says what happened, its neighbour goes on, and it can be
/// stopped and started again.
/// </summary>
[Collection(nameof(OnRig)), Trait("Lane", "openstack-long")]
public sealed class TakenAwayTests(RigSite site)
{
    private const double Sweep = 150;

    private static readonly IStringLocalizer<WorkspaceTexts> Text = new ServiceCollection().AddLogging().AddLocalization().BuildServiceProvider()
        .GetRequiredService<IStringLocalizer<WorkspaceTexts>>();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;
    private ServiceClient Servers => site.Lab.Storage.Mine.Servers;
    private Manila Manila => site.Lab.Storage.Mine.Manila;

    [Fact]
    public async Task Server_DeletedInTheCloud_IsSaid_AndTryAgainBringsItUp()
    {
        var (mine, other) = await TwoAsync();
        (await Servers.SendAsync(HttpMethod.Delete, $"servers/{(await site.ServerAsync(mine))!.Id}", null, Cancel)).Must();

        await SaysThatItsNodeIsGoneAsync(mine);
        await site.StartAsync(mine);
        await EndsAsync(mine, other);
    }

    [Fact]
    public async Task Stack_DeletedInTheCloud_IsSaid_AndTryAgainBringsItUp()
    {
        var (mine, other) = await TwoAsync();
        await site.Lab.Mine.Heat.DeleteAsync((await site.StackAsync(mine)).ShouldNotBeNull(), Cancel);

        await SaysThatItsNodeIsGoneAsync(mine);
        await site.StartAsync(mine);
        await EndsAsync(mine, other);
    }

    [Fact]
    public async Task Rule_DeletedInTheCloud_IsSaid_AndAStartGivesItBack()
    {
        var (mine, other) = await TwoAsync();
        var share = await ShareAsync(mine);
        var rule = (await Manila.RulesAsync(share.Id, Cancel)).ShouldHaveSingleItem();
        await Manila.DenyAsync(share.Id, rule.Id, Cancel);

        await SaysAsync(mine, "Somebody removed this workspace's access to its work folder in the cloud, so programs that use files there fail or wait. "
            + "The files themselves are still there. Stop the workspace and start it again.");
        await site.StopAsync(mine);
        await site.LeavesNothingAsync(other);
        await site.StartAsync(mine);
        await EndsAsync(mine, other);
        (await ShareAsync(mine)).Id.ShouldBe(share.Id, "the same files");
    }

    [Fact]
    public async Task Share_DeletedInTheCloud_IsSaid_AndAStartMakesAnEmptyOne()
    {
        var (mine, other) = await TwoAsync();
        var share = await ShareAsync(mine);
        await Manila.DeleteAsync(share.Id, Cancel);

        await SaysAsync(mine, "Somebody deleted the work folder of this workspace in the cloud, with the files in it. "
            + "Ask the operator whether the files can be restored before you start the workspace again: then it gets a new, empty work folder.");
        await site.StopAsync(mine);
        await site.LeavesNothingAsync(other);
        await site.StartAsync(mine);
        await EndsAsync(mine, other);
        (await ShareAsync(mine)).Id.ShouldNotBe(share.Id);
    }

    /// <summary>Two Ready workspaces of two people.</summary>
    private async Task<(LaunchRequest Mine, LaunchRequest Other)> TwoAsync()
    {
        var orders = new[] { await site.LaunchAsync(0), await site.LaunchAsync(1) };
        foreach (var order in orders) await site.EndedAsync(order, Portal.Core.Runs.RunKind.Launch);
        await site.CheckAsync(orders);
        return (orders[0], orders[1]);
    }

    private Task SaysThatItsNodeIsGoneAsync(LaunchRequest order) =>
        SaysAsync(order, "notebook stopped unexpectedly and no longer exists. Your files are safe; try again to continue.");

    /// <summary>What the page says, as it is composed there.</summary>
    private async Task SaysAsync(LaunchRequest order, string said)
    {
        var view = await Eventually.SeesAsync(() => site.ViewAsync(order), v => v.Status == WorkspaceStatus.Attention, "it needs attention", Sweep);
        (view.Run.Cause is { } cause ? $"{cause} {view.Run.Remedy}" : NodeTrouble.Say(view, Text)).ShouldBe(said);
    }

    /// <summary>Both are Ready, the neighbour as it was; and deleted, both leave nothing.</summary>
    private async Task EndsAsync(LaunchRequest mine, LaunchRequest other)
    {
        await site.CheckAsync(mine, other);
        foreach (var order in (LaunchRequest[])[mine, other]) (await site.ViewAsync(order)).Status.ShouldBe(WorkspaceStatus.Ready);
        (await site.ViewAsync(other)).Generation.ShouldBe(1);
        await site.DeleteAsync(mine);
        await site.DeleteAsync(other);
        await site.LeavesNothingAsync();
    }

    private async Task<ManilaShare> ShareAsync(LaunchRequest order) => (await site.ShareAsync(order)).ShouldNotBeNull();
}
