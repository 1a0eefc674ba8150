using Npgsql;
using Portal.Core.Runs;
using Portal.Jobs.Runs;

namespace Portal.Jobs.Steps;

/// <summary>How long a step has been in progress, including under earlier holders of the run.</summary>
internal static class StepAge
{
    public static async Task<TimeSpan> OfAsync(NpgsqlDataSource data, HeldRun run, StepKey key, CancellationToken cancel)
    {
        await using var command = data.CreateCommand("select clock_timestamp() - began_at from portal.run_steps where run_id = $1 and key = $2");
        foreach (var value in (object[])[run.Id, key.ToString()]) command.Parameters.Add(new() { Value = value });
        return await command.ExecuteScalarAsync(cancel) is TimeSpan age ? age : TimeSpan.Zero;
    }
}
