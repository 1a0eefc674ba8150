using Npgsql;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds;
using Portal.Jobs.Watch;

namespace Portal.Jobs.Sweeps;

/// <summary>Writes the health of the clouds and the usage of folders as rows.</summary>
public sealed class Usage(NpgsqlDataSource data, CloudHealth health)
{
    /// <summary>Of one pool. In parallel: a container engine that is unavailable, or slow to respond, must not delay the folders' figures.</summary>
    public Task RunAsync(CloudKit kit, CancellationToken cancel) => Task.WhenAll(health.LookAsync(kit, cancel), FoldersAsync(kit, cancel));

    private async Task FoldersAsync(CloudKit kit, CancellationToken cancel)
    {
        IReadOnlyList<FilesetUsage> seen;
        try { seen = await kit.Filesets.UsageAsync(cancel); }
        catch (CloudException) { return; } // its health row says why; the last figures stay
        var work = seen.Where(u => u.Folder is FolderRef.Work).Select(u => (Folder: (FolderRef.Work)u.Folder!, u.UsedBytes)).ToList();
        var scratch = seen.Where(u => u.Folder is FolderRef.Scratch).Select(u => (Folder: (FolderRef.Scratch)u.Folder!, u.UsedBytes)).ToList();
        if (work.Count > 0) await WorkAsync(work, cancel);
        // A share holds the scratch folders of its class too. What is not reported counts as taken, never as unused.
        await WrittenAsync(kit, seen.Where(u => u.IsShare).Sum(u => u.TakenBytes), cancel);
        if (scratch.Count > 0) await ScratchAsync(scratch, cancel);
    }

    private async Task WorkAsync(List<(FolderRef.Work Folder, long? UsedBytes)> work, CancellationToken cancel)
    {
        await using var write = data.CreateCommand("""
            update portal.work_folders f set used_bytes = u.used, seen_at = clock_timestamp()
            from unnest($1, $2, $3) as u(class_id, person_id, used) where f.class_id = u.class_id and f.person_id = u.person_id
            """);
        write.Parameters.Add(new() { Value = work.ConvertAll(u => u.Folder.Class).ToArray() });
        write.Parameters.Add(new() { Value = work.ConvertAll(u => u.Folder.Person).ToArray() });
        write.Parameters.Add(new() { Value = work.ConvertAll(u => u.UsedBytes).ToArray() });
        await write.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Rows locked by others are written next time: waiting for many rows at once could deadlock with a transaction that waits for these.</summary>
    private async Task ScratchAsync(List<(FolderRef.Scratch Folder, long? UsedBytes)> scratch, CancellationToken cancel)
    {
        await using var nodes = data.CreateCommand("""
            with seen as (
              select n.workspace_id, n.name, u.used from portal.nodes n join unnest($1, $2, $3) as u(workspace_id, name, used) using (workspace_id, name)
              where n.scratch_bytes is distinct from u.used for update of n skip locked)
            update portal.nodes n set scratch_bytes = seen.used from seen where n.workspace_id = seen.workspace_id and n.name = seen.name
            """);
        nodes.Parameters.Add(new() { Value = scratch.ConvertAll(u => u.Folder.Workspace).ToArray() });
        nodes.Parameters.Add(new() { Value = scratch.ConvertAll(u => u.Folder.Node).ToArray() });
        nodes.Parameters.Add(new() { Value = scratch.ConvertAll(u => u.UsedBytes).ToArray() });
        await nodes.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Reads it first: an update notifies pages even if it changes no row.</summary>
    private async Task WrittenAsync(CloudKit kit, long bytes, CancellationToken cancel)
    {
        await using var read = data.CreateCommand("select storage_written_bytes from portal.pools where key = $1");
        read.Parameters.Add(new() { Value = kit.Key });
        if (await read.ExecuteScalarAsync(cancel) is not long before || before == bytes) return;
        await using var write = data.CreateCommand("update portal.pools set storage_written_bytes = $1 where key = $2");
        write.Parameters.Add(new() { Value = bytes });
        write.Parameters.Add(new() { Value = kit.Key });
        await write.ExecuteNonQueryAsync(cancel);
    }
}
