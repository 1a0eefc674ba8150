using Microsoft.EntityFrameworkCore;
using Npgsql;
using Portal.Core.Audit;
using Portal.Core.Catalog;
using Portal.Core.Classes;
using Portal.Core.Data;
using Portal.Core.People;
using Portal.Core.Policy;
using Portal.Core.Quotas;
using Portal.Core.Runs;

namespace Portal.Core.Workspaces;

/// <param name="Id">Created by the form when it opens, so that a repeated request places no second order. All zeros is refused.</param>
public sealed record LaunchRequest(Guid Id, Actor Actor, Guid ClassId, string TemplateId, string SizeId, string Name, DateTimeOffset EndAt)
{
    /// <summary>How long it runs from when it is ready, instead of <see cref="EndAt"/>. Null: it is stopped at that time, however long it waited.</summary>
    public TimeSpan? RunFor { get; init; }

    /// <summary>Number of workers; null for the template's own default.</summary>
    public int? Workers { get; init; }

    /// <summary>Values of parameters by id; the others have their defaults.</summary>
    public IReadOnlyDictionary<string, string> Parameters { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);
}

public abstract record LaunchOutcome
{
    private LaunchOutcome() { }

    /// <param name="Slug">Address of the workspace.</param>
    /// <param name="Place">Place in the launch queue, 1 is next.</param>
    public sealed record Accepted(string Slug, int Place) : LaunchOutcome;

    public sealed record Refused(Refusal Why) : LaunchOutcome;
}

/// <summary>Orders a workspace: quota at all levels, workspace, run, audit and first log line in one transaction. Jobs does the rest.</summary>
public sealed class LaunchWorkspace(IDbContextFactory<PortalDb> databases, TimeProvider clock)
{
    public async Task<LaunchOutcome> RunAsync(LaunchRequest request, CancellationToken cancel)
    {
        // EF treats an all-zero key as not set and would generate another one.
        if (request.Id == Guid.Empty) return new LaunchOutcome.Refused(new(RefusalReason.IdInvalid, "id"));
        if (!WorkspaceName.IsValid(request.Name)) return new LaunchOutcome.Refused(new(RefusalReason.NameInvalid, "name"));
        try
        {
            return await OrderAsync(request, cancel);
        }
        catch (DbUpdateException e) when (e.InnerException is PostgresException { SqlState: PostgresErrorCodes.UniqueViolation } unique)
        {
            // Two tabs at the same time: same id, or the same name. The locks are per class, and a person may be in two.
            return await AgainAsync(request, cancel)
                ?? new LaunchOutcome.Refused(
                    unique.ConstraintName!.Contains("name", StringComparison.Ordinal)
                        ? new(RefusalReason.NameTaken, "name")
                        : new(RefusalReason.IdTaken, null));
        }
    }

    private async Task<LaunchOutcome> OrderAsync(LaunchRequest request, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        await using var transaction = await db.Database.BeginTransactionAsync(cancel);
        var tenantId = await db.Classes.Where(c => c.Id == request.ClassId).Select(c => (Guid?)c.TenantId).SingleOrDefaultAsync(cancel);
        if (tenantId is not { } tenant) return new LaunchOutcome.Refused(new(RefusalReason.NotAMember, null));
        await db.LockQuotaAsync(tenant, request.ClassId, cancel);
        if (await FindAsync(db, request, cancel) is { } before) return before;

        var context = (await LaunchFactsReader.ReadAsync(db, request, clock.GetUtcNow(), cancel))!;
        if (LaunchPolicy.Decide(context.Facts) is { } refusal)
        {
            db.Audit.Add(new() { TenantId = tenant, ActorId = request.Actor.PersonId, Verb = nameof(LaunchWorkspace), Outcome = refusal.Reason.ToString() });
            await db.SaveChangesAsync(cancel);
            await transaction.CommitAsync(cancel);
            return new LaunchOutcome.Refused(refusal);
        }

        var slug = Insert(db, request, context);
        await db.SaveChangesAsync(cancel);
        var place = await db.QueuedRuns(context.Place.Pool.Key).CountAsync(cancel);
        await transaction.CommitAsync(cancel);
        return new LaunchOutcome.Accepted(slug, place);
    }

    private string Insert(PortalDb db, LaunchRequest request, LaunchContext context)
    {
        var (_, tenant, @class, version, folder, workers, _) = context;
        var person = request.Actor.PersonId;
        folder ??= AddWorkFolder(db, tenant, @class, person);
        var workspace = new Workspace
        {
            Id = request.Id,
            Slug = WorkspaceName.NewSlug(),
            TenantId = tenant.Id,
            ClassId = @class.Id,
            PersonId = person,
            TemplateVersionId = version!.Id,
            WorkFolderId = folder.Id,
            Name = request.Name,
            SizeId = request.SizeId,
            Workers = workers,
            Parameters = request.Parameters,
            EndAt = (request.RunFor is { } time ? clock.GetUtcNow() + time : request.EndAt).ToUniversalTime(),
            RunFor = request.RunFor,
        };
        db.Workspaces.Add(workspace);
        db.Reservations.Add(
            new()
            {
                TenantId = tenant.Id,
                ClassId = @class.Id,
                PersonId = person,
                WorkspaceId = workspace.Id,
                Kind = ReservationKind.Workspace,
                Workspaces = 1
            });
        foreach (var node in version.Spec.Nodes(request.SizeId, workers)) db.Reservations.AddRange(NodeReservations.Of(workspace, node));
        db.Runs.Add(new() { WorkspaceId = workspace.Id, Number = 1, Kind = RunKind.Launch, OrderedBy = person });
        db.LogLines.Add(new()
        {
            WorkspaceId = workspace.Id,
            Text = $"Requested: {version.Spec.Title}, size {version.Spec.Size(request.SizeId)!.Title}{(workers > 0 ? $", {workers} workers" : "")}."
        });
        db.Audit.Add(new() { TenantId = tenant.Id, ActorId = person, Verb = nameof(LaunchWorkspace), WorkspaceId = workspace.Id, Outcome = "accepted" });
        return workspace.Slug;
    }

    /// <summary>The person's work folder in the class, which the first launch creates, with its reservation.</summary>
    private WorkFolder AddWorkFolder(PortalDb db, Tenant tenant, Class @class, Guid person)
    {
        var folder = new WorkFolder
        {
            Id = Guid.CreateVersion7(clock.GetUtcNow()),
            TenantId = tenant.Id,
            ClassId = @class.Id,
            PersonId = person,
            LimitGib = @class.WorkFolderGib
        };
        db.WorkFolders.Add(folder);
        db.Reservations.Add(new()
        {
            TenantId = tenant.Id,
            ClassId = @class.Id,
            PersonId = person,
            WorkFolderId = folder.Id,
            Kind = ReservationKind.Storage,
            StorageGib = folder.LimitGib
        });
        return folder;
    }

    private async Task<LaunchOutcome?> AgainAsync(LaunchRequest request, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        return await FindAsync(db, request, cancel);
    }

    /// <summary>The earlier result of this order; an id that belongs to someone else is refused without further detail.</summary>
    private static async Task<LaunchOutcome?> FindAsync(PortalDb db, LaunchRequest request, CancellationToken cancel)
    {
        var there = await db.Workspaces.AsNoTracking().SingleOrDefaultAsync(w => w.Id == request.Id, cancel);
        if (there is null) return null;
        return there.PersonId == request.Actor.PersonId
            ? new LaunchOutcome.Accepted(there.Slug, 0)
            : new LaunchOutcome.Refused(new(RefusalReason.IdTaken, null));
    }
}
