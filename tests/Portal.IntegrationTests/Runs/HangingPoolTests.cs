using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Npgsql;
using Portal.Core;
using Portal.Core.Access;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Core.Quotas;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.Jobs;
using Portal.Jobs.Clouds;
using Portal.Jobs.Proofs;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Runs;

/// <summary>The whole of Jobs, with its dispatcher and Hangfire's servers: runs whose calls hang in one pool hold up no run in another.</summary>
public sealed class HangingPoolTests
{
    private const int Hanging = 25;
    private static readonly Amounts Members = new(100, 100_000, 100, 100), Much = new(1000, 1_000_000, 0, 0);
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <param name="most">How many runs a process holds in a pool: more than these leaves only Hangfire's workers as a limit.</param>
    [Theory]
    [InlineData(true, 20)]
    [InlineData(false, 1000)]
    public async Task Runs_ThatHangInOnePool_LeaveThoseOfTheOtherAlone(bool oneCloud, int most)
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, Members, Cancel);
        var physicist = TestSite.NewId();
        var physics = oneCloud
            ? await site.OtherPoolAsync("physics", Much, Cancel, physicist)
            : await site.OtherCloudAsync("physics", Much, Cancel, physicist);
        var (hangs, hung) = (true, 0);
        var (here, there) = (Well(), new ScriptedClouds((what, _) =>
        {
            if (!Volatile.Read(ref hangs) || what != "ensure") return Mood.Well;
            Interlocked.Increment(ref hung);
            return Mood.CallerDiesDone;
        }));
        using var jobs = await StartAsync(database, here, [oneCloud ? there.PoolKit("physics") : there.Kit("physics")], ("Runs:Most", $"{most}"));

        // One after the other at first, so that each is in a job of its own.
        for (var i = 1; i <= 6; i++)
        {
            await LaunchAsync(site, physicist, physics);
            await Until.TrueAsync("it hangs", () => Volatile.Read(ref hung) >= Math.Min(i, 5), Cancel);
        }
        for (var i = 7; i <= Hanging; i++) await LaunchAsync(site, physicist, physics);
        await using var db = database.Open();
        await Until.TrueAsync("as many hang as may", async () => await UnfinishedAsync(db, RunPhase.Queued) == 0
            && await UnfinishedAsync(db, RunPhase.Waiting) <= Math.Max(0, Hanging - most), Cancel);
        var mine = await LaunchAsync(site, site.Students[0], site.Class);

        await Until.TrueAsync("the launch here is ready", () => db.Runs.AnyAsync(r => r.WorkspaceId == mine && r.Phase == RunPhase.Succeeded, Cancel), Cancel);

        (await db.Runs.CountAsync(r => !RunPhases.Finished.Contains(r.Phase), Cancel)).ShouldBe(Hanging);
        Volatile.Write(ref hangs, false);
        there.Bury();
        await Until.TrueAsync("those there go on once their calls end", () =>
        {
            there.Bury();
            return db.Runs.AllAsync(r => r.Phase == RunPhase.Succeeded, Cancel);
        }, Cancel, TimeSpan.FromMinutes(1));
        (await QueuesAsync(database)).ShouldBe(["runs-local,runs", "runs-physics,runs", "sweeps"]);
        await jobs.StopAsync(Cancel);
        here.Broken.Concat(there.Broken).ShouldBeEmpty();
    }

    /// <summary>Jobs asks for their health before it does anything else, but for ten seconds only.</summary>
    [Fact]
    public async Task Start_WhileAPoolDoesNotAnswer_LaunchesInTheOther()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, Members, Cancel);
        await site.OtherPoolAsync("physics", Much, Cancel);
        var there = Well();
        there.IsSilent = true;
        using var jobs = await StartAsync(database, Well(), [there.PoolKit("physics")]).WaitAsync(TimeSpan.FromSeconds(60), TimeProvider.System, Cancel);

        var mine = await LaunchAsync(site, site.Students[0], site.Class);

        await using var db = database.Open();
        await Until.TrueAsync("the launch is ready", () => db.Runs.AnyAsync(r => r.WorkspaceId == mine && r.Phase == RunPhase.Succeeded, Cancel), Cancel);
        await jobs.StopAsync(Cancel);
    }

    [Fact]
    public async Task Run_InAPoolThatThisProcessDoesNotKnow_IsClaimedAndSaysSo_ByTheOnlyServerForRuns()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, Members, Cancel);
        var physicist = TestSite.NewId();
        var physics = await site.OtherCloudAsync("physics", Much, Cancel, physicist);
        using var jobs = await StartAsync(database, Well(), []);

        var id = await LaunchAsync(site, physicist, physics);

        await using var db = database.Open();
        await Until.TrueAsync("it says why it waits", () => db.Runs.AnyAsync(
            r => r.WorkspaceId == id && EF.Functions.Like(r.Message!, "physics: the background worker does not know this pool.%"), Cancel), Cancel);
        (await QueuesAsync(database)).ShouldBe(["runs-local,runs", "sweeps"]);
        await jobs.StopAsync(Cancel);
    }

    [Fact]
    public async Task Runs_WhenTheProcessStops_AreHandedBackAtOnce()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, Members, Cancel);
        var clouds = Well();
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        clouds.Proof = _ =>
        {
            asked.TrySetResult();
            return new ProofOutcome.NotYet("It starts.", WebUnavailable: false);
        };
        using var jobs = await StartAsync(database, clouds, []);
        await using var db = database.Open();
        await LaunchAsync(site, site.Students[0], site.Class);
        await asked.Task.WaitAsync(TimeSpan.FromMinutes(1), TimeProvider.System, Cancel); // short waits stay with the worker, so it holds the run for a while

        await jobs.StopAsync(Cancel).WaitAsync(TimeSpan.FromSeconds(15), TimeProvider.System, Cancel);

        var run = await db.Runs.AsNoTracking().SingleAsync(Cancel);
        (run.Phase, run.Message).ShouldBe((RunPhase.Waiting, "The background worker stopped; another one will take over."));
    }

    private static ScriptedClouds Well() => new((_, _) => Mood.Well);

    private static Task<int> UnfinishedAsync(PortalDb db, RunPhase phase) => db.Runs.CountAsync(r => r.Phase == phase, Cancel);

    private static async Task<Guid> LaunchAsync(TestSite site, Guid person, Guid @class)
    {
        var order = site.Order(person) with { ClassId = @class };
        (await site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        return order.Id;
    }

    /// <summary>The queues of each of Hangfire's servers.</summary>
    private static async Task<IReadOnlyList<string>> QueuesAsync(TestDatabase database)
    {
        await using var admin = NpgsqlDataSource.Create(database.Admin);
        await using var read = admin.CreateCommand("select data ->> 'Queues' from hangfire.server");
        await using var rows = await read.ExecuteReaderAsync(Cancel);
        var queues = new List<string>();
        while (await rows.ReadAsync(Cancel)) queues.Add(string.Join(',', JsonSerializer.Deserialize<string[]>(rows.GetString(0))!));
        return [.. queues.Order(StringComparer.Ordinal)];
    }

    /// <summary>Without template folders, so that the site's own template stays.</summary>
    private static async Task<IHost> StartAsync(TestDatabase database, ScriptedClouds clouds, IReadOnlyList<CloudKit> others,
        params (string Key, string Value)[] settings)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new());
        builder.Configuration.AddInMemoryCollection(settings.Append(("ConnectionStrings:portal", database.Jobs))
            .Append(("Catalog:Templates", Path.Combine(Path.GetTempPath(), "portal-without-templates")))
            .Append(("Site:Capacity:Vcpu", "1000")).Append(("Site:Capacity:MemoryMib", "1000000"))
            .Select(s => KeyValuePair.Create(s.Item1, (string?)s.Item2)));
        builder.Services.AddSingleton(TimeProvider.System).AddPortalData(builder.Configuration).AddPortalCore()
            .AddSingleton(new AppToken(new byte[32]))
            .AddSingleton<IClusterCloud>(clouds).AddSingleton<IShareCloud>(clouds).AddSingleton<IFilesetCloud>(clouds).AddSingleton<IImageCloud>(clouds)
            .AddSingleton<INotebookProof>(clouds)
            .AddPortalJobs(builder.Configuration);
        foreach (var kit in others) builder.Services.AddSingleton(kit);
        var jobs = builder.Build();
        await jobs.StartAsync(Cancel);
        return jobs;
    }
}
