using Microsoft.EntityFrameworkCore;
using Portal.Core.Classes;
using Portal.Core.Data;
using Portal.Core.Live;
using Portal.Core.People;
using Portal.Core.Policy;
using Portal.Core.Runs;

namespace Portal.Core.Workspaces;

/// <summary>Live workspaces. Read once for all subscribers; the permission of each is checked when it subscribes.</summary>
public sealed class WorkspaceFeed
{
    private readonly IDbContextFactory<PortalDb> _databases;
    private readonly StepHistories _history;
    private readonly Feed<Guid, WorkspaceView> _one;
    private readonly Feed<Guid, HomeView> _home, _states;

    public WorkspaceFeed(IDbContextFactory<PortalDb> databases, StepHistories history, Changes changes)
    {
        (_databases, _history) = (databases, history);
        _one = new(changes, ReadOneAsync,
            (id, now, what) =>
                Changes.IsOfWorkspace(what, id) || what is "templates" || (what is "queue" && now?.Queue is not null)
                    || Changes.IsOfClass(what, c => now is null || now.ClassId == c));
        _home = new(changes, ReadHomeAsync, Concerns);
        _states = new(changes, ReadHomeAsync, (person, now, what) => !Changes.IsMeasurement(what) && Concerns(person, now, what));

        static bool Concerns(Guid person, HomeView? now, string what) =>
            Changes.IsOfPerson(what, person)
            || (what is "queue" && now?.Workspaces.Any(w => w.Queue is not null) == true)
            // A workspace may belong to a class that its owner has left.
            || Changes.IsOfClass(what, id => now is null || now.Classes.Any(c => c.Id == id) || now.Workspaces.Any(w => w.ClassId == id));
    }

    /// <summary>Null if there is no such workspace, or none that this actor may see.</summary>
    public async Task<Live<WorkspaceView?>?> WatchAsync(Actor actor, string slug, CancellationToken cancel) =>
        await FindAsync(actor, slug, cancel) is { } id ? await _one.WatchAsync(id, cancel) : null;

    /// <summary>Those whose page somebody has open while they start, stop or change.</summary>
    public IReadOnlyCollection<Guid> WatchedInChange() => [.. _one.Watched().Where(w => !w.Run.Phase.IsFinished()).Select(w => w.Id)];

    /// <summary>Reads one workspace once.</summary>
    public async Task<WorkspaceView?> LookAsync(Actor actor, string slug, CancellationToken cancel) =>
        await FindAsync(actor, slug, cancel) is { } id ? await ReadOneAsync(id, cancel) : null;

    /// <summary>Reads one workspace once, by id.</summary>
    public async Task<WorkspaceView?> LookAsync(Actor actor, Guid id, CancellationToken cancel)
    {
        await using var db = await _databases.CreateDbContextAsync(cancel);
        var slug = await db.Workspaces.Where(w => w.Id == id).Select(w => w.Slug).SingleOrDefaultAsync(cancel);
        return slug is null ? null : await LookAsync(actor, slug, cancel);
    }

    public Task<Live<HomeView?>> WatchHomeAsync(Actor actor, CancellationToken cancel) => _home.WatchAsync(actor.PersonId, cancel);

    /// <summary>The same for pages that show no measurements: theirs may be old.</summary>
    public Task<Live<HomeView?>> WatchStatesAsync(Actor actor, CancellationToken cancel) => _states.WatchAsync(actor.PersonId, cancel);

    /// <summary>Reads the person's view once; null if there is no such person.</summary>
    public Task<HomeView?> LookHomeAsync(Actor actor, CancellationToken cancel) => ReadHomeAsync(actor.PersonId, cancel);

    /// <summary>
    /// The person's workspaces, newest first, after this one of them; whatever is launched or deleted meanwhile, nothing is repeated or left out.
    /// Null if it names none of them, deleted ones included.
    /// </summary>
    public async Task<Page<WorkspaceView>?> PageAsync(Actor actor, Guid? after, int limit, CancellationToken cancel)
    {
        await using var db = await _databases.CreateDbContextAsync(cancel);
        var mine = db.Workspaces.Where(w => w.PersonId == actor.PersonId);
        var which = mine.Where(w => w.DeletedAt == null);
        if (after is { } id)
        {
            if (await mine.AsNoTracking().SingleOrDefaultAsync(w => w.Id == id, cancel) is not { } last) return null;
            which = which.Where(w => EF.Functions.LessThan(ValueTuple.Create(w.CreatedAt, w.Id), ValueTuple.Create(last.CreatedAt, last.Id)));
        }
        which = which.OrderByDescending(w => w.CreatedAt).ThenByDescending(w => w.Id).Take(limit + 1);
        return Page.Of(await WorkspaceReader.ReadAsync(db, _history, which, withLog: false, cancel), limit, w => w.Id.ToString());
    }

    /// <summary>Whether the page may offer this; the verb decides for itself.</summary>
    public async Task<bool> MayAsync(Verb verb, Actor actor, string slug, CancellationToken cancel) => await FindAsync(verb, actor, slug, cancel) is not null;

    private Task<Guid?> FindAsync(Actor actor, string slug, CancellationToken cancel) => FindAsync(Verb.LookAtWorkspace, actor, slug, cancel);

    private async Task<Guid?> FindAsync(Verb verb, Actor actor, string slug, CancellationToken cancel)
    {
        await using var db = await _databases.CreateDbContextAsync(cancel);
        var w = await db.Workspaces.AsNoTracking().SingleOrDefaultAsync(w => w.Slug == slug, cancel);
        if (w is null) return null;
        return Permissions.May(verb, await db.RolesAsync(actor, w.TenantId, w.ClassId, w.PersonId, cancel)) ? w.Id : null;
    }

    private async Task<WorkspaceView?> ReadOneAsync(Guid id, CancellationToken cancel)
    {
        await using var db = await _databases.CreateDbContextAsync(cancel);
        return (await WorkspaceReader.ReadAsync(db, _history, db.Workspaces.Where(w => w.Id == id), withLog: true, cancel)).SingleOrDefault();
    }

    private async Task<HomeView?> ReadHomeAsync(Guid person, CancellationToken cancel)
    {
        await using var db = await _databases.CreateDbContextAsync(cancel);
        var name = await db.Persons.Where(p => p.Id == person).Select(p => p.Name).SingleOrDefaultAsync(cancel);
        if (name is null) return null;
        var mine = await WorkspaceReader.ReadAsync(db, _history, db.Workspaces.Where(w => w.PersonId == person && w.DeletedAt == null), withLog: false,
            cancel);
        var operates = Permissions.May(Verb.SeeOperations, await db.RolesAsync(new(person), null, null, null, cancel));
        return new(person, name, await MyClasses.ReadAsync(db, person, cancel), mine, operates);
    }
}
