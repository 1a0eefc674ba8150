using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Portal.Jobs.Runs;
using Portal.TestKit;

namespace Portal.IntegrationTests.Runs;

/// <summary>What wakes the dispatcher, with a real database that loses its connections.</summary>
public sealed class RunListenerTests
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(20), Never = TimeSpan.FromSeconds(1);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Orders_AfterTheConnectionWasLost_WakeTheDispatcher()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var data = NpgsqlDataSource.Create(database.Jobs);
        using var signal = new DispatchSignal();
        using var listener = new RunListener(data, signal, TimeProvider.System, NullLogger<RunListener>.Instance);
        await listener.StartAsync(Cancel);
        (await signal.WaitAsync(Soon, Cancel)).ShouldBeTrue("it listens");
        (await signal.WaitAsync(Never, Cancel)).ShouldBeFalse("nothing was ordered");

        await database.ExecuteAsync($"""
            select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query = 'listen portal_runs'
            """, Cancel);

        (await signal.WaitAsync(Soon, Cancel)).ShouldBeTrue("something may have been ordered while it was not listening");
        await database.ExecuteAsync($"select pg_notify('portal_runs', '')", Cancel);
        (await signal.WaitAsync(Soon, Cancel)).ShouldBeTrue("it listens again");
        await listener.StopAsync(Cancel);
    }
}
