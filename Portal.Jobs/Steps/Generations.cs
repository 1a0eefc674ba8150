using System.Net;
using Npgsql;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds;
using Portal.Jobs.Leases;

namespace Portal.Jobs.Steps;

/// <summary>Begins generations of workspaces and takes an address block for each; all writes are fenced by the run's version.</summary>
public sealed class Generations(NpgsqlDataSource data)
{
    private const long OneChooser = 7403;

    /// <summary>Raises the generation and takes a block of addresses. Repeated after a crash it raises
    /// it once more; EnsureAccess clears what an earlier one left.</summary>
    /// <remarks>The same statement writes what the run ordered to the workspace.</remarks>
    public async Task BeginAsync(HeldRun run, RunFacts ordered, CancellationToken cancel)
    {
        var foreign = await ForeignAsync(ordered.Kit, cancel);
        await using var connection = await data.OpenConnectionAsync(cancel);
        await using var transaction = await connection.BeginTransactionAsync(cancel);
        await FenceAsync(connection, run, cancel);
        var (mine, taken) = await HeldAsync(connection, run.WorkspaceId, cancel);
        var block = mine ?? Choose(ordered.Kit, taken, foreign);
        await using var hold = new NpgsqlCommand("""
            with held as (insert into portal.subnets (block, workspace_id) select $1, $2
              where not exists (select 1 from portal.subnets where workspace_id = $2 and released_at is null))
            update portal.workspaces set generation = generation + 1, subnet = $1, size_id = $3, workers = $4, template_version_id = $5, without_settings = $6,
              active_at = null, active_by = null, keep_until = null where id = $2
            """, connection);
        object[] values = [block, run.WorkspaceId, ordered.SizeId, ordered.Workers, ordered.Version.Id, ordered.WithoutSettings];
        foreach (var value in values) hold.Parameters.Add(new() { Value = value });
        await hold.ExecuteNonQueryAsync(cancel);
        await transaction.CommitAsync(cancel);
    }

    /// <summary>
    /// Gives the current generation another block after something else on the host took the one it had: two installations choose from
    /// one pool, and neither sees the other's choice before its network exists. Only once nothing trusts or uses the block that is given up.
    /// </summary>
    public async Task TakeOtherAddressesAsync(HeldRun run, CloudKit kit, CancellationToken cancel)
    {
        var foreign = await ForeignAsync(kit, cancel);
        await using var connection = await data.OpenConnectionAsync(cancel);
        await using var transaction = await connection.BeginTransactionAsync(cancel);
        await FenceAsync(connection, run, cancel);
        var (_, taken) = await HeldAsync(connection, run.WorkspaceId, cancel);
        await using var change = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                new("update portal.subnets set released_at = clock_timestamp() where workspace_id = $1 and released_at is null")
                {
                    Parameters = { new() { Value = run.WorkspaceId } }
                },
                new("with held as (insert into portal.subnets (block, workspace_id) values ($1, $2)) update portal.workspaces set subnet = $1 where id = $2")
                {
                    Parameters = { new() { Value = Choose(kit, taken, foreign) }, new() { Value = run.WorkspaceId } }
                },
            },
        };
        await change.ExecuteNonQueryAsync(cancel);
        await transaction.CommitAsync(cancel);
    }

    /// <summary>The workspace is without addresses until it takes others; the block it had stays held until then.</summary>
    public async Task GiveUpAddressesAsync(HeldRun run, CancellationToken cancel)
    {
        await using var connection = await data.OpenConnectionAsync(cancel);
        await using var transaction = await connection.BeginTransactionAsync(cancel);
        await FenceAsync(connection, run, cancel);
        await using var change = new NpgsqlCommand("update portal.workspaces set subnet = null where id = $1", connection)
        { Parameters = { new() { Value = run.WorkspaceId } } };
        await change.ExecuteNonQueryAsync(cancel);
        await transaction.CommitAsync(cancel);
    }

    private static string Choose(CloudKit kit, IReadOnlySet<string> taken, IReadOnlyList<IPNetwork> foreign) => kit.Addresses.Choose(taken, foreign)
        ?? throw new CloudException("address pool", CloudFault.Full, "every address block is in use",
            $"Configure a larger range ({kit.Addresses.Setting}), or stop workspaces.");

    private static async Task<IReadOnlyList<IPNetwork>> ForeignAsync(CloudKit kit, CancellationToken cancel) =>
        [.. (await kit.Clusters.ForeignRangesAsync(cancel)).Select(IPNetwork.Parse)];

    /// <summary>Until the transaction ends the run stays ours, and no other process chooses a block.</summary>
    private static async Task FenceAsync(NpgsqlConnection connection, HeldRun run, CancellationToken cancel)
    {
        await using (var fence =
            new NpgsqlCommand("select 1 from portal.runs where id = $1 and version = $2 and phase = 'Active' for update", connection)
            {
                Parameters = { new() { Value = run.Id }, new() { Value = run.Version } }
            })
            if (await fence.ExecuteScalarAsync(cancel) is null) throw new LeaseLostException(run.Id);
        await using var one = new NpgsqlCommand("select pg_advisory_xact_lock($1)", connection) { Parameters = { new() { Value = OneChooser } } };
        await one.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>The workspace's block, and all blocks that are in use or held back.</summary>
    private static async Task<(string? Mine, HashSet<string> Taken)> HeldAsync(NpgsqlConnection connection, Guid workspace, CancellationToken cancel)
    {
        await using var read = new NpgsqlCommand("""
            select block, workspace_id, released_at is null from portal.subnets
            where released_at is null or released_at > clock_timestamp() - $1
            """, connection)
        { Parameters = { new() { Value = AddressPool.Rest } } };
        var taken = new HashSet<string>(StringComparer.Ordinal);
        string? mine = null;
        await using var reader = await read.ExecuteReaderAsync(cancel);
        while (await reader.ReadAsync(cancel))
        {
            taken.Add(reader.GetString(0));
            if (reader.GetGuid(1) == workspace && reader.GetBoolean(2)) mine = reader.GetString(0);
        }
        return (mine, taken);
    }
}
