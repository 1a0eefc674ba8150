using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Core.People;
using Portal.Core.Policy;
using Portal.Core.Quotas;
using Portal.Core.Runs;

namespace Portal.Jobs.Steps;

/// <summary>
/// Rows are requests, not commands: checks again what the verb checked, from rows that the web cannot write, before anything is made.
/// Then begins a new generation and takes an address block for it.
/// </summary>
public sealed class CheckOrder(IDbContextFactory<PortalDb> databases, Generations generations, IShareCloud shares) : IStep
{
    public StepKey Key => StepKey.CheckOrder;

    public async Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        if (Mismatch(context.Facts) is { } mismatch) return mismatch;
        if (await NotReservedAsync(db, context.Facts, cancel) is { } unreserved) return unreserved;
        if (await NoRoomAsync(db, cancel) is { } full) return full;
        await generations.BeginAsync(context.Run, cancel);
        return StepAnswer.IsDone;
    }

    private static StepAnswer.Fail? Mismatch(RunFacts facts)
    {
        var (workspace, @class, tenant, person, spec, folder, images) = facts;
        if (facts.Size is null) return new($"The template has no size \"{workspace.SizeId}\".", "Delete this workspace and launch again.");
        if (person.Uid is < Person.FirstUid or > Person.LastUid) return new("The owner's number for files is outside of the range for people.", "Ask the operator.");
        if (workspace.TenantId != tenant.Id || folder.ClassId != @class.Id || folder.PersonId != person.Id) return new("The order does not belong together: its class, owner and work folder differ.", "Delete this workspace and launch again.");
        if (folder.LimitGib > @class.WorkFolderGib) return new("The work folder asks for more than the class gives.", "Ask the operator.");
        foreach (var role in spec.Roles)
            if (!images.ContainsKey(role.Image)) return new($"The image \"{role.Image}\" is not ready.", "Wait until the catalogue shows it as ready, then try again.");
        return null;
    }

    private static async Task<StepAnswer.Fail?> NotReservedAsync(PortalDb db, RunFacts facts, CancellationToken cancel)
    {
        var (workspace, @class, tenant, person, spec, folder, _) = facts;
        var standing = await db.StandingAsync(new(person.Id), tenant.Id, @class.Id, person.Id, cancel);
        if (!Permissions.May(Verb.StartWorkspace, standing)) return new("The owner no longer belongs to the class.", "Ask the instructor.");
        var mine = await db.Reservations.AsNoTracking().Where(r => r.EndedAt == null && (r.WorkspaceId == workspace.Id || r.WorkFolderId == folder.Id)).ToListAsync(cancel);
        var wanted = spec.Amounts(facts.Size!);
        bool Reserved(ReservationKind kind, Amounts amounts) => mine.Exists(r => r.Kind == kind && r.TenantId == tenant.Id && r.ClassId == @class.Id && r.PersonId == person.Id
            && new Amounts(r.Vcpu, r.MemoryMib, r.StorageGib, r.Workspaces) == amounts);
        if (!Reserved(ReservationKind.Compute, wanted) || !Reserved(ReservationKind.Workspace, new(0, 0, 0, 1)) || !Reserved(ReservationKind.Storage, new(0, 0, folder.LimitGib, 0)))
            return new("Its quota was never reserved.", "Delete this workspace and launch again.");
        foreach (var level in await db.QuotasAsync(tenant, @class, person.Id, cancel))
            if (level.Promised.FirstAbove(level.Limit) is { } above) return new($"More {above} is promised than the {level.Level} may use.", "Stop another workspace, then try again.");
        return null;
    }

    private async Task<StepAnswer.Fail?> NoRoomAsync(PortalDb db, CancellationToken cancel)
    {
        var storage = await shares.PrepareAsync(cancel);
        var reserve = await db.Site.Select(s => s.StorageReserveBytes).SingleAsync(cancel);
        return storage.FreeBytes < reserve ? new($"The disk is nearly full: {storage.FreeBytes >> 30} GiB are free.", "Ask the operator to make room, then try again.") : null;
    }
}
