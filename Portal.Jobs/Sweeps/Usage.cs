using Npgsql;
using Portal.Core.Clouds;
using Portal.Jobs.Watch;

namespace Portal.Jobs.Sweeps;

/// <summary>Health of the clouds and what folders use, as rows.</summary>
public sealed class Usage(NpgsqlDataSource data, IFilesetCloud filesets, CloudHealth health)
{
    public async Task RunAsync(CancellationToken cancel)
    {
        if (!await health.LookAsync(cancel)) return;
        var usage = (await filesets.UsageAsync(cancel)).Where(u => u.PersonId is not null).ToList();
        await using var write = data.CreateCommand("""
            update portal.work_folders f set used_bytes = u.used, seen_at = clock_timestamp()
            from unnest($1, $2, $3) as u(class_id, person_id, used) where f.class_id = u.class_id and f.person_id = u.person_id
            """);
        write.Parameters.Add(new() { Value = usage.ConvertAll(u => u.ClassId).ToArray() });
        write.Parameters.Add(new() { Value = usage.ConvertAll(u => u.PersonId!.Value).ToArray() });
        write.Parameters.Add(new() { Value = usage.ConvertAll(u => u.UsedBytes).ToArray() });
        await write.ExecuteNonQueryAsync(cancel);
    }
}
