using Portal.Core.Policy;
using Portal.Core.Quotas;
using Portal.Core.Workspaces;
using Portal.IntegrationTests.Runs;

namespace Portal.IntegrationTests.Workspaces;

/// <summary>A stopped workspace whose quota others have taken in the meantime: which limit binds, and with which choice it could be started.</summary>
public sealed class StartTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Start_OverQuota_SaysWhichChoiceFits()
    {
        await using var it = await ResizeSite.CreateAsync(Cancel, members: new(8, 8192, 20, 10));
        var id = await it.LaunchAsync(workers: 6); // seven nodes of one vCPU
        await StopAsync(it, id);
        // four of the eight
        (await it.Site.Get<LaunchWorkspace>().RunAsync(it.Site.Order(it.Owner, size: "l"), Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();

        (await BindingLimitAsync(it, id, null)).ShouldBe((RefusalReason.OverQuota, QuotaLevel.Member, Resource.Vcpu, new Fit("s", 3)));
        (await BindingLimitAsync(it, id, new(SizeId: "l", Workers: 1))).ShouldBe((RefusalReason.OverQuota, QuotaLevel.Member, Resource.Vcpu, new Fit("s", 1)));

        // The dialog says the same before anything is requested.
        var limits = await it.Site.Get<StartPreview>().RunAsync(new(it.Owner), id, "s", newest: false, Cancel);
        (limits.MostWorkers, limits.More!.Reason, string.Join(' ', limits.Sizes.Keys)).ShouldBe((3, RefusalReason.OverQuota, "l"));
        limits.More.Stop.ShouldHaveSingleItem();

        (await it.Site.Get<StartWorkspace>().RunAsync(new(it.Owner), id, new(Workers: 3), Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await it.Jobs.UntilSettledAsync(Cancel);
        (await it.LookAsync(id)).Workers.ShouldBe(3);
    }

    [Fact]
    public async Task Start_NothingFits_SaysNoChoice()
    {
        await using var it = await ResizeSite.CreateAsync(Cancel, members: new(4, 8192, 20, 10));
        var id = await it.LaunchAsync(workers: 2);
        await StopAsync(it, id);
        (await it.Site.Get<LaunchWorkspace>().RunAsync(it.Site.Order(it.Owner, size: "l"), Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();

        (await BindingLimitAsync(it, id, null)).ShouldBe((RefusalReason.OverQuota, QuotaLevel.Member, Resource.Vcpu, null));
    }

    [Fact]
    public async Task Start_InAnotherSize_HoldsAndRunsThatSize()
    {
        await using var it = await ResizeSite.CreateAsync(Cancel);
        var id = await it.LaunchAsync(workers: 2);
        var before = it.Containers(id);
        await StopAsync(it, id);

        (await it.Site.Get<StartWorkspace>().RunAsync(new(it.Owner), id, new(SizeId: "l"), Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await it.Jobs.UntilSettledAsync(Cancel);

        var now = await it.LookAsync(id);
        (now.Status, now.Size.Id, now.Workers).ShouldBe((WorkspaceStatus.Ready, "l", 2));
        it.Containers(id).Keys.Order(StringComparer.Ordinal).ShouldBe(before.Keys.Order(StringComparer.Ordinal));
        (await it.PromisedAsync(id)).ShouldBe(new Amounts(3 * 4, 3 * 4096, 0, 0));
    }

    [Fact]
    public async Task Start_WithoutSettings_TellsEveryNodeUntilTheNextStart()
    {
        const string told = "PORTAL_WITHOUT_SETTINGS";
        await using var it = await ResizeSite.CreateAsync(Cancel);
        var id = await it.LaunchAsync(workers: 2);
        it.Clouds.Planned!.Nodes.ShouldAllBe(n => !n.Environment.ContainsKey(told));
        await StopAsync(it, id);

        (await it.Site.Get<StartWorkspace>().RunAsync(new(it.Owner), id, new(WithoutSettings: true), Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await it.Jobs.UntilSettledAsync(Cancel);
        it.Clouds.Planned!.Nodes.ShouldAllBe(n => n.Environment[told] == "1");
        var view = await it.LookAsync(id);
        (view.Status, view.WithoutSettings).ShouldBe((WorkspaceStatus.Ready, true));

        // Workers that are added later are of the same generation.
        (await it.ResizeAsync(id, 3)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await it.Jobs.UntilSettledAsync(Cancel);
        it.Clouds.Planned!.Nodes.Select(n => n.Environment.GetValueOrDefault(told)).ShouldBe(["1", "1", "1", "1"]);

        await StopAsync(it, id);
        (await it.Site.Get<StartWorkspace>().RunAsync(new(it.Owner), id, null, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await it.Jobs.UntilSettledAsync(Cancel);
        it.Clouds.Planned!.Nodes.ShouldAllBe(n => !n.Environment.ContainsKey(told));
        (await it.LookAsync(id)).WithoutSettings.ShouldBeFalse();
    }

    private static async Task StopAsync(ResizeSite it, Guid id)
    {
        (await it.Site.Get<StopWorkspace>().RunAsync(new(it.Owner), id, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await it.Jobs.UntilSettledAsync(Cancel);
    }

    private static async Task<(RefusalReason Reason, QuotaLevel? BindingLimit, Resource? Resource, Fit? Fits)> BindingLimitAsync(ResizeSite it,
        Guid id, StartChanges? changes)
    {
        var quota = (await it.Site.Get<StartWorkspace>().RunAsync(new(it.Owner), id, changes, Cancel)).ShouldBeOfType<ChangeOutcome.Refused>().Quota!;
        return (quota.Reason, quota.BindingLimit, quota.Resource, quota.Fits);
    }
}
