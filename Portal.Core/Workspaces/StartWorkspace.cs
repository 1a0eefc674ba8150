using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Classes;
using Portal.Core.Data;
using Portal.Core.People;
using Portal.Core.Policy;
using Portal.Core.Quotas;
using Portal.Core.Runs;

namespace Portal.Core.Workspaces;

/// <param name="EndAt">When to stop; null keeps what was left of its time, or else a few hours, both counted from when it is ready.</param>
/// <param name="SizeId">Another size from now on; null keeps it.</param>
/// <param name="Workers">Another number of workers from now on; null keeps it.</param>
/// <param name="NewestVersion">Switch to the version of the template that is offered now, if it is newer.</param>
/// <param name="WithoutSettings">
/// Until its next start, ignore the owner's settings for Jupyter, IPython and the shell in the work folder, and the owner's own packages.
/// </param>
public sealed record StartChanges(
    DateTimeOffset? EndAt = null, string? SizeId = null, int? Workers = null, bool NewestVersion = false, bool WithoutSettings = false);

/// <summary>Brings a stopped, failed or broken workspace up again; for a failed launch this is "try
/// again". Reserves compute quota again and is admitted again.</summary>
public sealed class StartWorkspace(IDbContextFactory<PortalDb> databases, TimeProvider clock)
{
    private const int UsualHours = 4;

    /// <param name="wanted">What to change; null for nothing.</param>
    public async Task<ChangeOutcome> RunAsync(Actor actor, Guid workspaceId, StartChanges? wanted, CancellationToken cancel)
    {
        var changes = wanted ?? new();
        await using var db = await databases.CreateDbContextAsync(cancel);
        await using var transaction = await db.Database.BeginTransactionAsync(cancel);
        if (await ChangeWorkspace.FindLockedAsync(db, actor, workspaceId, Verb.StartWorkspace, cancel) is not { } workspace)
            return new ChangeOutcome.NotFound();
        var newest = (await ChangeWorkspace.NewestRunAsync(db, workspaceId, cancel))!;
        var present = await db.TemplateVersions.AsNoTracking().SingleAsync(t => t.Id == workspace.TemplateVersionId, cancel);
        if (newest.Phase.IsFinished()
            && await NodesHealthy.ReadAsync(db, workspace, present.Spec, cancel)
            && await db.LifecycleRunAsync(workspaceId, cancel) is not { HasLost: true }
            && StatusOf.Run(newest.Kind, newest.Phase, newest.Releasing, nodesHealthy: true) is WorkspaceStatus.Ready)
            return new ChangeOutcome.Already();

        var order = new Run { WorkspaceId = workspaceId, Kind = RunKind.Start };
        if (newest.Phase.IsFinished())
        {
            var version = changes.NewestVersion
                ? await db.TemplateVersions.AsNoTracking().SingleOrDefaultAsync(t => t.TemplateId == present.TemplateId && !t.Retired, cancel) ?? present
                : present;
            order = new()
            {
                WorkspaceId = workspaceId,
                Kind = RunKind.Start,
                SizeId = changes.SizeId,
                Workers = changes.Workers,
                TemplateVersionId = version.Id == present.Id ? null : version.Id,
                WithoutSettings = changes.WithoutSettings,
            };
            if (await RefusedLockedAsync(db, workspace, version, changes, cancel) is { } refused) return refused;
        }
        var outcome = ChangeWorkspace.WantLocked(db, workspace, newest, order, actor);
        await db.SaveChangesAsync(cancel);
        await transaction.CommitAsync(cancel);
        return outcome;
    }

    /// <summary>Sets the end time and reserves, or returns what prevents it.</summary>
    private async Task<ChangeOutcome.Refused?> RefusedLockedAsync(PortalDb db, Workspace workspace, TemplateVersion version, StartChanges changes,
        CancellationToken cancel)
    {
        var now = clock.GetUtcNow();
        var @class = await db.Classes.AsNoTracking().SingleAsync(c => c.Id == workspace.ClassId, cancel);
        var longest = TimeSpan.FromHours(@class.LongestHours);
        if (changes.EndAt is { } named)
        {
            if (named <= now) return new(ChangeRefusal.EndInThePast);
            if (named > now + longest) return new(ChangeRefusal.EndTooLate);
            (workspace.EndAt, workspace.RunFor) = (named.ToUniversalTime(), null);
        }
        else
        {
            // A workspace that never came up has used none of its time.
            var left = workspace.RunFor ?? (workspace.EndAt > now ? workspace.EndAt - now : TimeSpan.FromHours(UsualHours));
            workspace.RunFor = left < longest ? left : longest;
            workspace.EndAt = now + workspace.RunFor.Value;
        }
        var choice = new Fit(changes.SizeId ?? workspace.SizeId, changes.Workers ?? workspace.Workers);
        return await ReserveLockedAsync(db, workspace, version, choice, cancel);
    }

    /// <summary>
    /// Reserves, at all levels, what the choice needs and the workspace does not hold yet, or returns the binding limit. A workspace that is
    /// broken but not released still holds its nodes, and a stopped one its scratch folders.
    /// </summary>
    private static async Task<ChangeOutcome.Refused?> ReserveLockedAsync(PortalDb db, Workspace workspace, TemplateVersion version, Fit choice,
        CancellationToken cancel)
    {
        var held = await db.Reservations.AsNoTracking().Where(r => r.WorkspaceId == workspace.Id && r.EndedAt == null).ToListAsync(cancel);
        if (Missing(choice) is not { } missing) return new(ChangeRefusal.NotNow);
        var facts = await FactsAsync(db, workspace, version, choice, missing, cancel) with
        {
            Others =
            [
                .. from other in OtherChoices.Of(version.Spec, choice, Amounts.None)
                   let more = Missing(other.Choice)
                   where more is not null
                   select other with { Wanted = Sum(more), Missing = NodeReservations.Limits(more) },
            ],
        };
        if (LaunchPolicy.Decide(facts) is { } refusal) return new(ChangeRefusal.OverQuota, refusal);
        db.Reservations.AddRange(missing);
        return null;

        // A workspace that is running, or keeps its scratch files, keeps its size; it can only change after a stop. Null if the choice asks for a change.
        List<Reservation>? Missing(Fit of)
        {
            var wanted = version.Spec.Nodes(of.SizeId, of.Workers).SelectMany(n => NodeReservations.Of(workspace, n)).ToList();
            var changed = wanted.Exists(r =>
                held.Exists(h => h.Kind == r.Kind && h.Node == r.Node && (h.Vcpu, h.MemoryMib, h.StorageGib) != (r.Vcpu, r.MemoryMib, r.StorageGib)));
            if (changed || held.Exists(h => h.Kind == ReservationKind.Compute && !wanted.Exists(r => r.Node == h.Node))) return null;
            return wanted.FindAll(r => !held.Exists(h => h.Kind == r.Kind && h.Node == r.Node));
        }
    }

    /// <summary>Needs and limits of a start. The verb reads them under the quota locks, the dialog without.</summary>
    /// <param name="missing">What the choice needs and has not reserved yet.</param>
    internal static async Task<LaunchFacts> FactsAsync(
        PortalDb db, Workspace workspace, TemplateVersion version, Fit choice, List<Reservation> missing, CancellationToken cancel)
    {
        var requested = Sum(missing);
        var @class = await db.Classes.AsNoTracking().SingleAsync(c => c.Id == workspace.ClassId, cancel);
        var tenant = await db.Tenants.AsNoTracking().SingleAsync(t => t.Id == workspace.TenantId, cancel);
        var place = await db.PlacementAsync(tenant.Id, cancel);
        return new(
            MayLaunch: true, TemplateOffered: true,
            SizeKnown: version.Spec.Size(choice.SizeId) is not null, WorkersKnown: version.Spec.Allows(choice.Workers), NameFree: true,
            Parameter: ParameterPolicy.Fault(version.Spec, workspace.Parameters),
            NotAvailable: missing.Count == 0 ? null : await Availability.ReasonAsync(db, place.Pool, version, cancel),
            Hours: 1, LongestHours: 1, Wanted: requested, Levels: await db.QuotasAsync(tenant, @class, workspace.PersonId, cancel),
            Capacity: place.Pool.KnownCapacity,
            StorageLeftGib: requested.StorageGib == 0 ? null : await db.StorageLeftGibAsync(place.Pool, cancel), Others: [])
        {
            Nodes = version.Spec.NodeLimits(choice.SizeId, choice.Workers),
            Missing = NodeReservations.Limits(missing),
            Machines = place.Pool.Machines,
            LargestNode = place.Pool.LargestNode,
            Own = await OwnWorkspaces.ReadAsync(db, workspace.PersonId, tenant.Id, @class.Id, workspace.Id, cancel),
        };
    }

    private static Amounts Sum(List<Reservation> all) => all.Aggregate(Amounts.None, (sum, r) => sum + new Amounts(r.Vcpu, r.MemoryMib, r.StorageGib, 0));
}
