using Microsoft.EntityFrameworkCore;
using Npgsql;
using Portal.Core.Access;
using Portal.Core.Catalog;
using Portal.Core.People;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.Jobs.Proofs;
using Portal.TestKit;

namespace Portal.Benchmarks;

/// <summary>Shared by all figures: one installation as a site runs it, a signed-in student, and a cheap way to read rows.</summary>
internal sealed class Bench : IAsyncDisposable
{
    /// <summary>Number of workspaces for figures that need many.</summary>
    public const int Many = 20;

    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(20), Settles = TimeSpan.FromMinutes(5);
    private readonly PublicSite _site;
    private Series? _burst;
    private int _names;

    private Bench(Installation it, bool quick, Report report)
    {
        (It, Quick, Report) = (it, quick, report);
        Rows = NpgsqlDataSource.Create(it.Database.Admin);
        _site = new(it.Address.AbsoluteUri, "apps.localhost", $"127.0.0.1:{it.Port}");
        Portal = new(_site, new(TimeProvider.System));
    }

    public Installation It { get; }

    /// <summary>Its database, as role postgres.</summary>
    public NpgsqlDataSource Rows { get; }

    public bool Quick { get; }
    public Report Report { get; }

    /// <summary>The student's browser, limited to the API.</summary>
    public PortalVisit Portal { get; }
    public Guid Student => It.Site.Students[0];
    public static DateTimeOffset Now => TimeProvider.System.GetUtcNow();

    /// <summary>Enough samples for percentiles, or a few to see whether it works at all.</summary>
    public int Times(int full, int quick) => Quick ? quick : full;

    public static Task<Bench> StartAsync(bool quick, Report report, CancellationToken cancel, params (string Key, string Value)[] more) =>
        StartOnAsync(null, quick, report, _ => { }, cancel, more);

    /// <param name="pool">Pool of the student's tenant, which the settings name; null for this host's.</param>
    /// <param name="began">Gets the installation's id before anything is launched, so that what is in a cloud can be removed however this ends.</param>
    /// <param name="more">Settings of both processes.</param>
    public static async Task<Bench> StartOnAsync(
        string? pool, bool quick, Report report, Action<string> began, CancellationToken cancel, params (string Key, string Value)[] more)
    {
        // As infra/run starts the programs. Capacity for what is launched together; the product still decides how many start at once.
        var it = await Installation.StartAsync(Many, cancel,
            [("Site:Capacity:Vcpu", "400"), ("Site:Capacity:MemoryMib", "4000000"), ("DOTNET_gcServer", "0"),
            ("Logging:LogLevel:Microsoft", "Warning"), ("Logging:LogLevel:Npgsql", "Warning"), ("Logging:LogLevel:Yarp", "Warning"),
                ("Logging:LogLevel:Hangfire", "Warning"), .. more]);
        began(it.Lab.Id);
        var bench = new Bench(it, quick, report);
        try
        {
            await it.Database.ExecuteAsync(
                $"update portal.persons set issuer = {DemoPeople.Issuer}, name = 'Bench Student' where id = {bench.Student}", cancel);
            if (pool is not null) await bench.MoveToAsync(pool, cancel);
            await bench.Portal.SignInAsync(cancel);
            // The first run of everything is slower: compiled code, the student's work folder, the image's files.
            await bench.ServesAsync(cancel);
            return bench;
        }
        catch
        {
            await bench.DisposeAsync();
            throw;
        }
    }

    /// <summary>The tenant's workspaces run in another pool from now on; it has none yet.</summary>
    private async Task MoveToAsync(string pool, CancellationToken cancel)
    {
        await Until.TrueAsync($"the pool {pool} is healthy and has the image", async () => await ScalarAsync<bool>("""
            select exists (select from portal.pools p join portal.images i on i.pool_key = p.key
            where p.key = $1 and p.clusters_ok and p.storage_ok and i.name = 'python' and i.state = 'Ready')
            """, cancel, pool), cancel, Settles);
        await It.Database.ExecuteAsync($"update portal.tenants set pool_key = {pool}", cancel);
    }

    /// <summary>Orders a notebook over the API; returns when the order was accepted.</summary>
    public Task<Guid> OrderAsync(CancellationToken cancel) => OrderAsync("notebook", null, cancel);

    /// <param name="workers">Null for the template's default.</param>
    public async Task<Guid> OrderAsync(string templateId, int? workers, CancellationToken cancel)
    {
        var id = Guid.CreateVersion7(Now);
        await Portal.PostAsync("/workspaces",
            new { id, classId = It.Site.Class, templateId, workers, size = "s", name = NewName(), endAt = Now.AddHours(8) }, cancel);
        return id;
    }

    /// <summary>Names that a student gives workspaces; no two are the same.</summary>
    public string NewName() => $"bench {++_names}";

    /// <summary>Orders one and waits until it is Ready.</summary>
    public async Task<Guid> ReadyAsync(CancellationToken cancel)
    {
        var id = await OrderAsync(cancel);
        await EndedAsync(id, cancel);
        return id;
    }

    /// <summary>Deletes it and waits until everything is released.</summary>
    public async Task DeleteAsync(Guid id, CancellationToken cancel)
    {
        var owner = await ScalarAsync<Guid>("select person_id from portal.workspaces where id = $1", cancel, id);
        await It.Site.Get<DeleteWorkspace>().RunAsync(new(owner), id, cancel);
        await Until.TrueAsync("it is deleted",
            async () => await ScalarAsync<bool>(
                "select exists (select from portal.runs where workspace_id = $1 and kind = 'Delete' and phase = 'Succeeded')", cancel, id), cancel, Settles);
    }

    /// <summary>When the newest run of a workspace ended, by the database's clock, which is this machine's. Throws if it failed.</summary>
    public async Task<DateTimeOffset> EndedAsync(Guid workspace, CancellationToken cancel)
    {
        for (var start = TimeProvider.System.GetTimestamp(); ; await Task.Delay(Look, TimeProvider.System, cancel))
        {
            await using var ask = Command("select phase, ended_at, cause from portal.runs where workspace_id = $1 order by number desc limit 1", workspace);
            await using var row = await ask.ExecuteReaderAsync(cancel);
            if (await row.ReadAsync(cancel) && !await row.IsDBNullAsync(1, cancel))
                return row.GetString(0) == nameof(RunPhase.Succeeded)
                    ? row.GetFieldValue<DateTimeOffset>(1)
                    : throw new InvalidOperationException($"A run ended as {row.GetString(0)}: {(await row.IsDBNullAsync(2, cancel) ? "" : row.GetString(2))}");
            if (TimeProvider.System.GetElapsedTime(start) > Settles)
                throw new TimeoutException($"A run did not end within {Settles.TotalMinutes} minutes. Jobs said: {It.Jobs.LastOutput}");
        }
    }

    /// <summary>Waits until a new process of Jobs has settled, so that its startup work is not measured.</summary>
    public async Task ServesAsync(CancellationToken cancel) => await DeleteAsync(await ReadyAsync(cancel), cancel);

    /// <summary>Waits until no run is unfinished.</summary>
    public Task SettledAsync(CancellationToken cancel) => Until.TrueAsync("every run has ended",
        async () => !await ScalarAsync<bool>("select exists (select from portal.runs where phase in ('Queued', 'Waiting', 'Handed', 'Active'))",
            cancel), cancel, Settles);

    /// <summary>Orders <see cref="Many"/> notebooks together, each of another student, once, and keeps
    /// them; returns the seconds that each took until it was Ready.</summary>
    public async Task<Series> TogetherAsync(CancellationToken cancel)
    {
        if (_burst is not null) return _burst;
        var orders = It.Site.Students.Select(s => It.Site.Order(s, NewName())).ToList();
        var began = Now;
        foreach (var outcome in await Task.WhenAll(orders.Select(o => It.Site.Get<LaunchWorkspace>().RunAsync(o, cancel))))
            if (outcome is not LaunchOutcome.Accepted) throw new InvalidOperationException($"An order was not accepted: {outcome}");
        var took = new Series();
        foreach (var order in orders) took.Add((await EndedAsync(order.Id, cancel) - began).TotalSeconds);
        return _burst = took;
    }

    /// <summary>Duration of each step of a template's launches; medians of those ordered since.</summary>
    public async Task SayStepsAsync(string template, DateTimeOffset since, CancellationToken cancel)
    {
        var parts = new List<string>();
        await using var ask = Command("""
            select s.key, percentile_cont(0.5) within group (order by 1000 * extract(epoch from s.ended_at - s.began_at))
            from portal.run_steps s join portal.runs r on r.id = s.run_id
            join portal.workspaces w on w.id = r.workspace_id join portal.template_versions t on t.id = w.template_version_id
            where r.kind = 'Launch' and t.template_id = $1 and r.created_at >= $2 and s.ended_at is not null group by s.key order by min(s.began_at)
            """, template, since);
        await using var rows = await ask.ExecuteReaderAsync(cancel);
        while (await rows.ReadAsync(cancel)) parts.Add($"{rows.GetString(0)} {Report.N(rows.GetDouble(1))}");
        Report.Say($"steps of a launch of {template}, medians", string.Join("  ", parts) + " ms");
    }

    /// <summary>Image and roles of the published notebook template.</summary>
    public async Task<(TemplateSpec Spec, string Image)> NotebookAsync(CancellationToken cancel)
    {
        await using var db = It.Database.Open();
        var spec = await SpecAsync("notebook", cancel);
        return (spec, (await db.Images.AsNoTracking().SingleAsync(i => i.Name == spec.Roles[0].Image, cancel)).Reference!);
    }

    /// <summary>A published template.</summary>
    public async Task<TemplateSpec> SpecAsync(string template, CancellationToken cancel)
    {
        await using var db = It.Database.Open();
        return (await db.TemplateVersions.AsNoTracking().SingleAsync(t => t.TemplateId == template && !t.Retired, cancel)).Spec;
    }

    public NpgsqlCommand Command(string sql, params object[] values)
    {
        var command = Rows.CreateCommand(sql);
        foreach (var value in values) command.Parameters.Add(new() { Value = value });
        return command;
    }

    public async Task<T> ScalarAsync<T>(string sql, CancellationToken cancel, params object[] values)
    {
        await using var command = Command(sql, values);
        return (T)(await command.ExecuteScalarAsync(cancel))!;
    }

    /// <summary>One column of numbers, as a series.</summary>
    public async Task<Series> SeriesAsync(string sql, CancellationToken cancel, params object[] values)
    {
        await using var command = Command(sql, values);
        await using var rows = await command.ExecuteReaderAsync(cancel);
        var series = new Series();
        while (await rows.ReadAsync(cancel)) series.Add(rows.GetDouble(0));
        return series;
    }

    public async ValueTask DisposeAsync()
    {
        _site.Dispose();
        await Rows.DisposeAsync();
        await It.DisposeAsync();
    }
}
