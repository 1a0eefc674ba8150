using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Classes;
using Portal.Core.Data;
using Portal.Core.People;
using Portal.Core.Policy;
using Portal.Core.Quotas;
using Portal.Core.Runs;

namespace Portal.Jobs.Steps;

/// <summary>
/// Rows are requests, not commands: checks again what the verb checked, from rows that the web process cannot write, before anything is created.
/// Then begins a new generation and takes an address block for it.
/// </summary>
public sealed class CheckOrder(IDbContextFactory<PortalDb> databases, Generations generations, OrderChecks checks) : IStep
{
    public StepKey Key => StepKey.CheckOrder;

    public async Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        if (await checks.RefusalAsync(db, context.Facts, cancel) is { } refusal) return refusal;
        await generations.BeginAsync(context.Run, context.Facts, cancel);
        return StepAnswer.IsDone;
    }
}

/// <summary>The conditions for creating anything for an order, whether a launch or a growing resize.</summary>
public sealed class OrderChecks
{
    /// <summary>Why nothing may be created; null if all is well.</summary>
    public async Task<StepAnswer.Fail?> RefusalAsync(PortalDb db, RunFacts facts, CancellationToken cancel) =>
        Mismatch(facts) ?? await NotReservedAsync(db, facts, cancel) ?? await NoCapacityAsync(db, facts, cancel);

    private static StepAnswer.Fail? Mismatch(RunFacts facts)
    {
        var (workspace, @class, tenant, person, version, folder, images) = facts;
        if (facts.Size is null) return new($"The template has no size \"{facts.SizeId}\".", "Delete this workspace and launch again.");
        if (!facts.Spec.Allows(facts.Workers)) return new($"The template does not support {facts.Workers} workers.", "Delete this workspace and launch again.");
        if (ParameterPolicy.Fault(facts.Spec, workspace.Parameters) is { } fault)
            return new($"The value of the setting \"{fault.Id}\" is not allowed.", "Delete this workspace and launch again.");
        if (person.Uid is < Person.FirstUid or > Person.LastUid) return new("The owner's uid is outside the range for people.", "Ask the operator.");
        if (workspace.TenantId != tenant.Id || folder.ClassId != @class.Id || folder.PersonId != person.Id)
            return new("The request is inconsistent: its class, owner and work folder do not belong together.", "Delete this workspace and launch again.");
        if (folder.LimitGib > @class.WorkFolderGib) return new("The work folder is larger than the class allows.", "Ask the operator.");
        foreach (var role in version.Spec.Roles)
            if (!images.ContainsKey(role.Image))
                return new($"The image \"{role.Image}\" is not ready.", "Wait until the catalogue shows it as ready, then try again.");
        return null;
    }

    private static async Task<StepAnswer.Fail?> NotReservedAsync(PortalDb db, RunFacts facts, CancellationToken cancel)
    {
        var (workspace, @class, tenant, person, _, folder, _) = facts;
        var roles = await db.RolesAsync(new(person.Id), tenant.Id, @class.Id, person.Id, cancel);
        if (!Permissions.May(Verb.StartWorkspace, roles)) return new("The owner no longer belongs to the class.", "Ask the instructor.");
        var mine = await db.Reservations
            .AsNoTracking()
            .Where(r => r.EndedAt == null && (r.WorkspaceId == workspace.Id || r.WorkFolderId == folder.Id))
            .ToListAsync(cancel);
        bool Reserved(ReservationKind kind, Amounts amounts, string node = "") =>
            mine.Exists(r => r.Kind == kind && r.Node == node && r.TenantId == tenant.Id && r.ClassId == @class.Id && r.PersonId == person.Id
            && new Amounts(r.Vcpu, r.MemoryMib, r.StorageGib, r.Workspaces) == amounts);
        bool NodeReserved(NodeShape n) => Reserved(ReservationKind.Compute, new(n.Size.Vcpu, n.Size.MemoryMib, 0, 0), n.Name)
            && (n.Role.ScratchGib == 0 || Reserved(ReservationKind.Scratch, new(0, 0, n.Role.ScratchGib, 0), n.Name));
        if (!facts.Nodes.All(NodeReserved)
            || !Reserved(ReservationKind.Workspace, new(0, 0, 0, 1))
            || !Reserved(ReservationKind.Storage, new(0, 0, folder.LimitGib, 0)))
            return new("Its quota was never reserved.", "Delete this workspace and launch again.");
        foreach (var level in await db.QuotasAsync(tenant, @class, person.Id, cancel))
            if (level.Promised.FirstAbove(level.Limit) is { } above)
                return new($"{Name(level.Level)} would exceed the limit for {Name(above)}.", "Stop another workspace, then try again.");
        return null;
    }

    private static async Task<StepAnswer.Fail?> NoCapacityAsync(PortalDb db, RunFacts facts, CancellationToken cancel)
    {
        // Measured now, not as of the last check. What is reserved includes this order.
        var storage = await facts.Kit.Shares.PrepareAsync(cancel);
        var pool = (await db.PlacementAsync(facts.Workspace.TenantId, cancel)).Pool;
        if (LaunchPolicy.NeverHeld(facts.Spec.NodeLimits(facts.SizeId, facts.Workers), pool.LargestNode, pool.Machines) is { } never)
            return new($"No machine here has enough {Name(never)} for a single node.", "Start it with a smaller size.");
        // What is reserved but not yet written is known once both were measured.
        var promised = !pool.StorageIsKnown ? 0 : await db.PromisedBytesAsync(pool.Key, cancel);
        (pool.StorageTotalBytes, pool.StorageFreeBytes) = (storage.TotalBytes, storage.FreeBytes);
        return Placements.StorageLeft(pool, promised) < 0
            ? new($"The disk is nearly full: {storage.FreeBytes >> 30} GiB are free, and more than that is already reserved.",
                "Ask the operator to free up space, then try again.") : null;
    }

    private static string Name(QuotaLevel level) => level switch { QuotaLevel.Tenant => "The department", QuotaLevel.Class => "The class", _ => "You" };

    private static string Name(Resource resource) =>
        resource switch { Resource.Vcpu => "processors", Resource.Memory => "memory", Resource.Storage => "storage", _ => "workspaces" };
}
