using Microsoft.EntityFrameworkCore;
using Npgsql;
using Portal.Core.Data;
using Portal.Core.Workspaces;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Runs;

/// <summary>
/// A process that froze in the middle of a transaction (stopped, swapped out, network lost) keeps its connection, and with it every lock that
/// it holds. No other process may have to wait for it to wake.
/// </summary>
public sealed class FrozenProcessTests
{
    private static readonly TimeSpan Lease = TimeSpan.FromSeconds(4), Patience = TimeSpan.FromSeconds(30);
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Jobs_FrozenWhileItAdmits_KeepsNobodyFromBeingAdmitted()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        var clouds = new ScriptedClouds((_, _) => Mood.Well);
        await using var frozen = site.Process(clouds, Lease);
        await using var other = site.Process(clouds, Lease);
        (await site.Get<LaunchWorkspace>().RunAsync(site.Order(site.Students[0]), Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        await using var open = await frozen.Get<NpgsqlDataSource>().OpenConnectionAsync(Cancel);
        await using var transaction = await open.BeginTransactionAsync(Cancel);
        await using (var take = new NpgsqlCommand("select pg_advisory_xact_lock(7401)", open, transaction)) await take.ExecuteNonQueryAsync(Cancel);

        await other.UntilSettledAsync(Cancel).WaitAsync(Patience, TimeProvider.System, Cancel);
    }

    [Fact]
    public async Task Web_FrozenWhileItTakesAnOrder_KeepsNobodyFromLaunching()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        await using var frozen = await site.Get<IDbContextFactory<PortalDb>>().CreateDbContextAsync(Cancel);
        await using var transaction = await frozen.Database.BeginTransactionAsync(Cancel);
        await frozen.LockQuotaAsync(site.Tenant, site.Class, Cancel);

        var outcome = await site.Get<LaunchWorkspace>().RunAsync(site.Order(site.Students[0]), Cancel).WaitAsync(Patience, TimeProvider.System, Cancel);

        outcome.ShouldBeOfType<LaunchOutcome.Accepted>();
    }
}
