using Npgsql;
using Portal.Jobs.Leases;

namespace Portal.Jobs.Steps;

/// <summary>How long the current step of a run has been in progress, including under earlier holders, and how long to wait because of that.</summary>
public sealed class StepClock(NpgsqlDataSource data)
{
    public async Task<TimeSpan> AgeAsync(HeldRun run, CancellationToken cancel)
    {
        await using var command = data.CreateCommand("select clock_timestamp() - began_at from portal.run_steps where run_id = $1 and key = $2");
        foreach (var value in (object[])[run.Id, run.Next!.Value.ToString()]) command.Parameters.Add(new() { Value = value });
        return await command.ExecuteScalarAsync(cancel) is TimeSpan age ? age : TimeSpan.Zero;
    }

    /// <summary>Wait for something that ends on its own, however long it takes; see <see cref="StepAnswer.Waits"/>.</summary>
    public async Task<StepAnswer> WaitAsync(HeldRun run, string why, CancellationToken cancel) => StepAnswer.Waits(await AgeAsync(run, cancel), why);

    /// <summary>Wait for something that a cloud creates, up to the cloud's own limit.</summary>
    /// <param name="lookAgainIn">Null: as <see cref="WaitAsync"/>.</param>
    public async Task<StepAnswer> WaitAtMostAsync(HeldRun run, string why, TimeSpan? lookAgainIn, TimeSpan most, CancellationToken cancel)
    {
        var age = await AgeAsync(run, cancel);
        return age > most
            ? new StepAnswer.Fail($"The cloud did not finish this within {most.TotalMinutes:0} minutes: {why}",
                "Try again; if it happens again, contact the operator.")
            : lookAgainIn is { } time ? new StepAnswer.LookAgainIn(time, why) : StepAnswer.Waits(age, why);
    }
}
