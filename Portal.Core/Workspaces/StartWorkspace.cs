using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Data;
using Portal.Core.People;
using Portal.Core.Policy;
using Portal.Core.Quotas;
using Portal.Core.Runs;

namespace Portal.Core.Workspaces;

/// <summary>Brings a stopped, failed or broken workspace up again; for a failed launch this is "try again". Reserves compute quota anew and is admitted anew.</summary>
public sealed class StartWorkspace(IDbContextFactory<PortalDb> databases, TimeProvider clock)
{
    /// <param name="endAt">When to stop; null keeps the present end time if it lies ahead, else the class's longest from now.</param>
    public async Task<ChangeOutcome> RunAsync(Actor actor, Guid workspaceId, DateTimeOffset? endAt, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        await using var transaction = await db.Database.BeginTransactionAsync(cancel);
        if (await ChangeWorkspace.FindLockedAsync(db, actor, workspaceId, Verb.StartWorkspace, cancel) is not { } workspace) return new ChangeOutcome.NotFound();
        var newest = (await ChangeWorkspace.NewestRunAsync(db, workspaceId, cancel))!;
        var nodesWell = !await db.Nodes.AnyAsync(n => n.WorkspaceId == workspaceId && !n.Running, cancel);
        if (newest.Phase.IsFinished() && StatusOf.Run(newest.Kind, newest.Phase, newest.Releasing, nodesWell) is WorkspaceStatus.Ready) return new ChangeOutcome.Already();

        if (newest.Phase.IsFinished())
        {
            var now = clock.GetUtcNow();
            var @class = await db.Classes.AsNoTracking().SingleAsync(c => c.Id == workspace.ClassId, cancel);
            workspace.EndAt = endAt?.ToUniversalTime() ?? (workspace.EndAt > now ? workspace.EndAt : now.AddHours(Math.Min(@class.LongestHours, 4)));
            if (workspace.EndAt <= now) return new ChangeOutcome.Refused(ChangeRefusal.EndInThePast);
            if (workspace.EndAt > now.AddHours(@class.LongestHours)) return new ChangeOutcome.Refused(ChangeRefusal.EndTooLate);
            if (await RefusedByQuotaLockedAsync(db, workspace, cancel) is { } refusal) return new ChangeOutcome.Refused(ChangeRefusal.OverQuota, refusal);
        }
        var outcome = ChangeWorkspace.WantLocked(db, workspace, newest, RunKind.Start, actor);
        await db.SaveChangesAsync(cancel);
        await transaction.CommitAsync(cancel);
        return outcome;
    }

    /// <summary>Reserves compute at all levels, or says which wall is met. A workspace that is broken but not released still holds its own.</summary>
    private static async Task<Refusal?> RefusedByQuotaLockedAsync(PortalDb db, Workspace workspace, CancellationToken cancel)
    {
        if (await db.Reservations.AnyAsync(r => r.WorkspaceId == workspace.Id && r.Kind == ReservationKind.Compute && r.EndedAt == null, cancel)) return null;
        var version = await db.TemplateVersions.AsNoTracking().SingleAsync(t => t.Id == workspace.TemplateVersionId, cancel);
        if (await Availability.ReasonAsync(db, version, cancel) is { } why) return new(RefusalReason.NotAvailable, null, Detail: why);
        var wanted = version.Spec.Amounts(version.Spec.Size(workspace.SizeId)!);
        var @class = await db.Classes.AsNoTracking().SingleAsync(c => c.Id == workspace.ClassId, cancel);
        var tenant = await db.Tenants.AsNoTracking().SingleAsync(t => t.Id == workspace.TenantId, cancel);
        foreach (var level in (await db.QuotasAsync(tenant, @class, workspace.PersonId, cancel)).Reverse())
            if (wanted.FirstAbove(level.Free with { StorageGib = int.MaxValue, Workspaces = int.MaxValue }) is { } above)
                return new(RefusalReason.OverQuota, null, level.Level, above);
        db.Reservations.Add(new() { TenantId = tenant.Id, ClassId = @class.Id, PersonId = workspace.PersonId, WorkspaceId = workspace.Id, Kind = ReservationKind.Compute, Vcpu = wanted.Vcpu, MemoryMib = wanted.MemoryMib });
        return null;
    }
}
