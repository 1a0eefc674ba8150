using Portal.Core.Quotas;
using Portal.Core.Workspaces;

namespace Portal.Features.Home;

/// <param name="Used">Used now by what is running, or in the work folder; null if the storage does not report it.</param>
/// <param name="Promised">Reserved for what is waiting or starting, or may still be written.</param>
public sealed record Meter(Resource Resource, double? Used, double Promised, double Limit)
{
    /// <summary>False: its use was not looked at yet.</summary>
    public bool Measured { get; init; } = true;
}

/// <summary>Splits a person's reservations into what is already used and the rest.</summary>
public static class Meters
{
    public static IReadOnlyList<Meter> Of(HomeView home, ClassView @class)
    {
        var mine = @class.Quotas.Single(q => q.Level is QuotaLevel.Member);
        var here = home.Workspaces.Where(w => w.ClassId == @class.Id).ToList();
        var running = here.Where(w =>
            w.Status is WorkspaceStatus.Ready or WorkspaceStatus.Resizing or WorkspaceStatus.Attention or WorkspaceStatus.Stopping or WorkspaceStatus.Deleting)
            .Aggregate(Amounts.None, (sum, w) => sum + w.Amounts);
        var folderGib = here.Count == 0 ? 0 : here[0].Folder.UsedBytes / (double?)(1L << 30);
        return
        [
            Split(Resource.Vcpu, running.Vcpu, mine),
            Split(Resource.Memory, Controls.Sizes.Gib(running.MemoryMib), mine),
            Split(Resource.Storage, folderGib is { } gib ? Math.Round(gib, 1) : null, mine) with { Measured = here.Count == 0 || here[0].Folder.Seen },
            Split(Resource.Workspaces, mine.Promised.Workspaces, mine),
        ];
    }

    private static Meter Split(Resource resource, double? used, QuotaState mine)
    {
        var held = Controls.Sizes.Shown(mine.Promised, resource);
        if (used is { } known) used = Math.Min(known, held);
        return new(resource, used, held - (used ?? 0), Controls.Sizes.Shown(mine.Limit, resource));
    }
}
