using System.Net;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Data;
using Portal.Core.Policy;
using Portal.Core.Runs;
using Portal.Core.Workspaces;

namespace Portal.Core.Access;

/// <summary>A browser's access to one app, as rows say now.</summary>
/// <param name="SessionHash">The portal session behind it; null for Jobs' own proof.</param>
/// <param name="Path">Where a person begins.</param>
/// <param name="Address">Of the node of the present generation; null while none of them runs.</param>
public sealed record AppAccess(string Hash, Guid WorkspaceId, string Slug, int Generation, string App, string? SessionHash, string Path, IPEndPoint? Address);

/// <summary>
/// Who may use which app right now: the portal session lives, the person is still a member, the workspace is ready and
/// of the generation that was opened. Whatever is not in the answer has no access any more.
/// </summary>
public static class AppAccessReader
{
    /// <summary>Four statements, however many are asked for.</summary>
    public static async Task<IReadOnlyList<AppAccess>> ReadAsync(PortalDb db, IReadOnlyCollection<string> hashes, CancellationToken cancel)
    {
        var asked = hashes.ToArray();
        var rows = await (from s in db.AppSessions.FromSql($"""
                              select a.* from portal.app_sessions a where a.hash = any({asked}) and a.expires_at > clock_timestamp()
                                and (a.session_hash is null or exists (select 1 from portal.sessions s where s.hash = a.session_hash and s.person_id = a.person_id and s.expires_at > clock_timestamp()))
                              """)
                          join w in db.Workspaces on s.WorkspaceId equals w.Id
                          join t in db.TemplateVersions on w.TemplateVersionId equals t.Id
                          where w.DeletedAt == null && w.Generation == s.Generation
                          select new { s, w, t.Spec, Run = db.Runs.Where(r => r.WorkspaceId == w.Id).OrderByDescending(r => r.Number).First() }).AsNoTracking().ToListAsync(cancel);
        if (rows.Count == 0) return [];
        var persons = rows.ConvertAll(r => r.s.PersonId);
        var workspaces = rows.ConvertAll(r => r.w.Id);
        var memberships = (await db.Memberships.AsNoTracking().Where(m => persons.Contains(m.PersonId)).ToListAsync(cancel)).ToLookup(m => m.PersonId);
        var nodes = (await db.Nodes.AsNoTracking().Where(n => workspaces.Contains(n.WorkspaceId) && n.Running && n.Address != null).OrderBy(n => n.Name).ToListAsync(cancel)).ToLookup(n => n.WorkspaceId);
        var found = new List<AppAccess>(rows.Count);
        foreach (var r in rows)
        {
            if (r.Spec.AppsOnNodes(r.w.Workers).FirstOrDefault(a => a.Id == r.s.App) is not { } app) continue;
            var may = r.s.SessionHash is null
                ? IsBeingProved(r.Run)
                : r.Run is { Kind: RunKind.Launch or RunKind.Start, Phase: RunPhase.Succeeded }
                  && Permissions.May(Verb.OpenApp, Permissions.StandingOf(r.s.PersonId, memberships[r.s.PersonId], r.w.TenantId, r.w.ClassId, r.w.PersonId));
            if (!may) continue;
            found.Add(new(r.s.Hash, r.w.Id, r.w.Slug, r.w.Generation, app.Id, r.s.SessionHash, app.Spec.Path, AddressOf(nodes[r.w.Id], r.w.Generation, app.Node, app.Spec.Port)));
        }
        return found;
    }

    /// <summary>Jobs proves what is being launched, and may prove again what runs.</summary>
    private static bool IsBeingProved(Run run) => run is { Kind: RunKind.Launch or RunKind.Start, Releasing: false, Phase: not (RunPhase.Failed or RunPhase.Cancelled) };

    private static IPEndPoint? AddressOf(IEnumerable<NodeRow> nodes, int generation, string name, int port) =>
        nodes.FirstOrDefault(n => n.Generation == generation && n.Name == name) is { } node && IPAddress.TryParse(node.Address, out var address) ? new(address, port) : null;
}
