using Npgsql;

namespace Portal.Jobs.Sweeps;

/// <summary>Deletes rows past their retention. Runs, reservations and audit entries stay.</summary>
public sealed class Retention(NpgsqlDataSource data)
{
    public async Task RunAsync(CancellationToken cancel)
    {
        await using var batch = data.CreateBatch();
        foreach (var sql in (string[])[
            "delete from portal.sessions where expires_at < clock_timestamp()",
            "delete from portal.app_sessions where expires_at < clock_timestamp()",
            "delete from portal.app_tickets where expires_at < clock_timestamp() - interval '10 minutes'",
            "delete from portal.subnets where released_at < clock_timestamp() - interval '1 hour'",
            "delete from portal.log_lines l using portal.workspaces w where w.id = l.workspace_id and w.deleted_at < clock_timestamp() - interval '30 days'",
            "delete from portal.log_lines where at < clock_timestamp() - interval '180 days'"])
            batch.BatchCommands.Add(new(sql));
        await batch.ExecuteNonQueryAsync(cancel);
    }
}
