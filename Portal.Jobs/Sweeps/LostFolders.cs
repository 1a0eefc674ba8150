using Microsoft.EntityFrameworkCore;
using Npgsql;
using Portal.Core.Classes;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.Jobs.Clouds;

namespace Portal.Jobs.Sweeps;

/// <summary>A workspace that is up, by the run that brought it up.</summary>
public sealed record UpWorkspace(long Run, ShareAccess Access);

/// <summary>
/// Says of workspaces that are up that somebody took their work folder, or their access to it, away in the cloud: their nodes run on, and only what uses
/// files fails. Nothing is restored here, because it may have been taken on purpose; a start grants access again.
/// </summary>
public sealed class LostFolders(IDbContextFactory<PortalDb> databases, NpgsqlDataSource data)
{
    private const string NoAccess = "Somebody removed this workspace's access to its work folder in the cloud, so programs that use files there fail or wait.",
        NoAccessRemedy = "The files themselves are still there. Stop the workspace and start it again.",
        NoFolder = "Somebody deleted the work folder of this workspace in the cloud, with the files in it.",
        NoFolderRemedy = "Ask the operator whether the files can be restored before you start the workspace again: then it gets a new, empty work folder.";

    /// <summary>Those in one pool. Read before the cloud is looked at: what is up and was not seen has lost something.</summary>
    public async Task<IReadOnlyList<UpWorkspace>> UpAsync(CloudKit kit, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        return await (from w in db.Workspaces
                      join t in db.Tenants on w.TenantId equals t.Id
                      from r in db.Set<Run>().Where(r => r.WorkspaceId == w.Id && r.Kind != RunKind.Resize).OrderByDescending(r => r.Number).Take(1)
                      where t.PoolKey == kit.Key && (r.Kind == RunKind.Launch || r.Kind == RunKind.Start) && r.Phase == RunPhase.Succeeded
                          // Where no node runs, that is what its owner should know first.
                          && db.Set<NodeRow>().Any(n => n.WorkspaceId == w.Id && n.Running)
                      select new UpWorkspace(r.Id, new(w.Id, w.Generation, new FolderRef.Work(w.ClassId, w.PersonId)))).ToListAsync(cancel);
    }

    /// <param name="seen">What has access now.</param>
    public async Task TellAsync(CloudKit kit, IReadOnlyList<UpWorkspace> up, IReadOnlyList<ShareAccess> seen, CancellationToken cancel)
    {
        var lost = up.Where(w => !seen.Contains(w.Access)).ToList();
        var folders = lost.Count == 0 ? [] : (await kit.Filesets.UsageAsync(cancel)).Select(u => u.Folder).OfType<FolderRef>().ToHashSet();
        foreach (var workspace in lost)
        {
            var (cause, remedy) = folders.Contains(workspace.Access.Folder) ? (NoAccess, NoAccessRemedy) : (NoFolder, NoFolderRemedy);
            await WriteAsync(workspace, cause, remedy, cancel);
        }
        // Whoever took it may have given it back.
        foreach (var workspace in up.Except(lost)) await WriteAsync(workspace, null, null, cancel);
    }

    /// <summary>Unless that is known, or the workspace has been ordered to change since: then its access may be gone because of that.</summary>
    private async Task WriteAsync(UpWorkspace workspace, string? cause, string? remedy, CancellationToken cancel)
    {
        await using var write = data.CreateCommand("""
            with told as (
              update portal.runs r set cause = $2, remedy = $3 where r.id = $1 and r.cause is distinct from $2
                and not exists (select 1 from portal.runs o where o.workspace_id = r.workspace_id and o.number > r.number and o.kind <> 'Resize')
              returning r.workspace_id)
            insert into portal.log_lines (workspace_id, severity, text) select workspace_id, 'Fail', $2 || ' ' || $3 from told where $2 is not null
            """);
        write.Parameters.Add(new() { Value = workspace.Run });
        foreach (var text in (string?[])[cause, remedy])
            write.Parameters.Add(new() { Value = (object?)text ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Text });
        await write.ExecuteNonQueryAsync(cancel);
    }
}
