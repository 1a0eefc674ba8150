using System.Net;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Data;
using Portal.Core.People;
using Portal.Core.Policy;
using Portal.Core.Runs;
using Portal.Core.Workspaces;

namespace Portal.Core.Access;

/// <summary>A browser's access to one app, as the rows currently say.</summary>
/// <param name="SessionHash">The portal session behind it; null for Jobs' own kernel check.</param>
/// <param name="Path">The app's start page.</param>
/// <param name="EndPoint">Where the portal reaches it in the current generation; null while that node is not running.</param>
public sealed record AppAccess(string Hash, Guid WorkspaceId, string Slug, int Generation, string App, string? SessionHash, string Path, IPEndPoint? EndPoint)
{
    /// <summary>The app whose token this app's node was given; null if it requires none.</summary>
    public string? TokenApp { get; init; }

    /// <summary>Whether it speaks Jupyter's kernel protocol.</summary>
    public bool Kernels { get; init; }

    /// <summary>Every app of the workspace, with the names its nodes use for each other. May change
    /// while the access stays the same: see <see cref="IsSame"/>.</summary>
    public IReadOnlyList<AppLink> Links { get; init; } = [];

    /// <summary>Whether this is the same access, whatever else runs in the workspace.</summary>
    public bool IsSame(AppAccess other) => this with { Links = other.Links } == other;
}

/// <summary>An app at its address inside the workspace's own network.</summary>
/// <param name="Node">Host name there, such as worker0.</param>
/// <param name="Address">Null while the node is not running.</param>
/// <param name="App">Its id in host names.</param>
/// <param name="HasToken">Its node was given a token, as notebooks are.</param>
public sealed record AppLink(string Node, string? Address, int Port, string App, bool HasToken)
{
    /// <summary>Where the portal reaches it; null while the node is not running.</summary>
    public IPEndPoint? EndPoint { get; init; }
}

/// <summary>
/// Who may use which app right now: the portal session is valid, the person is still a member, and the workspace is ready and
/// still in the generation that was opened. A Resize, running or finished, ends no one's access. Any access missing from the result has ended.
/// </summary>
public static class AppAccessReader
{
    /// <summary>Four statements, however many apps are asked for.</summary>
    public static async Task<IReadOnlyList<AppAccess>> ReadAsync(PortalDb db, IReadOnlyCollection<string> hashes, CancellationToken cancel)
    {
        var wanted = hashes.ToArray();
        var rows = await (from s in db.AppSessions.FromSql($"""
                              select a.* from portal.app_sessions a where a.hash = any({wanted}) and a.expires_at > clock_timestamp()
                                and (a.session_hash is null
                                  or exists (select 1 from portal.sessions s
                                    where s.hash = a.session_hash and s.person_id = a.person_id and s.expires_at > clock_timestamp()))
                              """)
                          join w in db.Workspaces on s.WorkspaceId equals w.Id
                          join t in db.TemplateVersions on w.TemplateVersionId equals t.Id
                          where w.DeletedAt == null && w.Generation == s.Generation
                          select new
                          {
                              s,
                              w,
                              t.Spec,
                              Run = db.Set<Run>().Where(r => r.WorkspaceId == w.Id && r.Kind != RunKind.Resize).OrderByDescending(r => r.Number).First()
                          })
            .AsNoTracking()
            .ToListAsync(cancel);
        if (rows.Count == 0) return [];
        var persons = rows.ConvertAll(r => r.s.PersonId);
        var workspaces = rows.ConvertAll(r => r.w.Id);
        var memberships = (await db.Memberships.AsNoTracking().Where(m => persons.Contains(m.PersonId)).ToListAsync(cancel)).ToLookup(m => m.PersonId);
        var nodes = (await db.Nodes.AsNoTracking()
            .Where(n => workspaces.Contains(n.WorkspaceId) && n.Running && n.Address != null)
            .OrderBy(n => n.Name)
            .ToListAsync(cancel)).ToLookup(n => n.WorkspaceId);
        var found = new List<AppAccess>(rows.Count);
        foreach (var r in rows)
        {
            if (r.Spec.AppsOnNodes(r.w.Workers).FirstOrDefault(a => a.Id == r.s.App) is not { } app) continue;
            var may = r.s.SessionHash is null
                ? IsBeingProved(r.Run)
                : r.Run is { Kind: RunKind.Launch or RunKind.Start, Phase: RunPhase.Succeeded }
                  && Permissions.May(Verb.OpenApp, Permissions.RolesOf(r.s.PersonId, memberships[r.s.PersonId], r.w.TenantId, r.w.ClassId, r.w.PersonId));
            if (!may) continue;
            found.Add(new(r.s.Hash, r.w.Id, r.w.Slug, r.w.Generation, app.Id, r.s.SessionHash, app.Spec.Path,
                NodeOf(nodes[r.w.Id], r.w.Generation, app.Node)?.EndPointOf(app.Spec.Port))
            {
                TokenApp = r.Spec.TokenApp(app.Spec),
                Kernels = app.Spec.Kernels,
                Links = [.. r.Spec.AppsOnNodes(r.w.Workers)
                    .Select(a => (App: a, Node: NodeOf(nodes[r.w.Id], r.w.Generation, a.Node)))
                    .Select(a => new AppLink(a.App.Node, a.Node?.Address, a.App.Spec.Port, a.App.Id, r.Spec.TokenApp(a.App.Spec) is not null)
                    {
                        EndPoint = a.Node?.EndPointOf(a.App.Spec.Port),
                    })],
            });
        }
        return found;
    }

    /// <summary>Jobs checks what is being launched, and may check again what is running.</summary>
    private static bool IsBeingProved(Run run) =>
        run is { Kind: RunKind.Launch or RunKind.Start, Releasing: false, Phase: not (RunPhase.Failed or RunPhase.Cancelled) };

    private static NodeRow? NodeOf(IEnumerable<NodeRow> nodes, int generation, string name) =>
        nodes.FirstOrDefault(n => n.Generation == generation && n.Name == name);
}
