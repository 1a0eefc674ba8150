using Microsoft.EntityFrameworkCore;
using Npgsql;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Catalog;
using Portal.Core.Classes;
using Portal.Core.Metrics;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.Jobs.Sweeps;
using Portal.Jobs.Watch;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Metrics;

/// <summary>One class with a rule, its people and one process of Jobs, for all tests here.</summary>
public sealed class IdleSite : IAsyncLifetime
{
    public TestDatabase Database { get; private set; } = null!;
    public TestSite Site { get; private set; } = null!;
    public JobsProcess Jobs { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Database = await TestDatabase.CreateAsync(TestContext.Current.CancellationToken);
        Site = await TestSite.CreateAsync(Database, students: 1, new(100, 100_000, 100, 100), TestContext.Current.CancellationToken);
        Jobs = Site.Process(new ScriptedClouds((_, _) => Mood.Well), TimeSpan.FromSeconds(4));
    }

    public async ValueTask DisposeAsync()
    {
        if (Jobs is not null) await Jobs.DisposeAsync();
        if (Site is not null) await Site.DisposeAsync();
        if (Database is not null) await Database.DisposeAsync();
    }
}

/// <summary>From the answers of servers to a workspace that is stopped, or kept. The servers are
/// scripted, everything else is the product as role portal_jobs.</summary>
public sealed class IdleTests(IdleSite fixture) : IClassFixture<IdleSite>, IAsyncLifetime
{
    private readonly List<FakeNotebook> _servers = [];
    private readonly TestDatabase _database = fixture.Database;
    private readonly TestSite _site = fixture.Site;
    private readonly JobsProcess _jobs = fixture.Jobs;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;
    private static DateTimeOffset Now => TimeProvider.System.GetUtcNow();

    public async ValueTask InitializeAsync()
    {
        await _database.ExecuteAsync($"update portal.workspaces set deleted_at = now() where deleted_at is null", Cancel);
        (await _site.Get<SetIdleRule>().RunAsync(new(_site.Instructor), _site.Class, 60, Cancel)).ShouldBeOfType<SetIdleRuleOutcome.Accepted>();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var server in _servers) await server.DisposeAsync();
    }

    /// <summary>Ready for that long, with a server of its own.</summary>
    private async Task<(Guid Id, FakeNotebook Server)> ReadyAsync(double minutesAgo = 300, double? activeMinutesAgo = 300, double? lookedMinutesAgo = .25)
    {
        var server = await FakeNotebook.StartAsync();
        _servers.Add(server);
        var (id, version) = (TestSite.NewId(), TestSite.NewId());
        (await _site.Get<LaunchWorkspace>().RunAsync(_site.Order(_site.Students[0], id: id), Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        await using var db = _database.Open();
        var spec = TestSite.Spec with
        {
            Apps = [TestSite.Spec.Apps[0] with { Port = server.Port }],
            Counts = [new("tasks", "Running tasks", "notebook", server.Port, "/tasks", "running", Busy: true)],
        };
        await _database.ExecuteAsync($"update portal.template_versions set retired = true where not retired", Cancel);
        db.TemplateVersions.Add(new() { Id = version, TemplateId = "notebook", Hash = id.ToString("n"), Spec = spec });
        db.Nodes.Add(new() { WorkspaceId = id, Name = "notebook", Role = "notebook", Generation = 1, Running = true, Address = "127.0.0.1", SeenAt = Now });
        if (lookedMinutesAgo is { } looked)
            db.Counts.Add(new() { WorkspaceId = id, Name = CountNames.Signals, At = Spans.Begin(Now.AddMinutes(-looked), Spans.RawCounts), Span = 15 });
        await db.SaveChangesAsync(Cancel);
        await _database.ExecuteAsync($"update portal.runs set phase = 'Succeeded', ended_at = {Now.AddMinutes(-minutesAgo)} where workspace_id = {id}", Cancel);
        var (at, by) = activeMinutesAgo is { } active ? (Now.AddMinutes(-active), "kernels") : ((DateTimeOffset?)null, (string?)null);
        await _database.ExecuteAsync($"""
            update portal.workspaces set generation = 1, subnet = '10.213.0.0/27', template_version_id = {version}, active_at = {at}, active_by = {by}
            where id = {id}
            """, Cancel);
        return (id, server);
    }

    private async Task LookAndSweepAsync()
    {
        await _jobs.Get<Signals>().LookAsync(_jobs.Kit, Cancel);
        await _jobs.Get<Idle>().RunAsync(Cancel);
    }

    private async Task<(Workspace Workspace, Run Newest)> RowsAsync(Guid id)
    {
        await using var db = _database.Open();
        return (await db.Workspaces.AsNoTracking().SingleAsync(w => w.Id == id, Cancel),
            await db.Runs.AsNoTracking().Where(r => r.WorkspaceId == id).OrderByDescending(r => r.Number).FirstAsync(Cancel));
    }

    private async Task KeptByAsync(Guid id, string by)
    {
        var (workspace, newest) = await RowsAsync(id);
        newest.Kind.ShouldBe(RunKind.Launch);
        workspace.ActiveBy.ShouldBe(by);
        workspace.ActiveAt!.Value.ShouldBeGreaterThan(Now.AddMinutes(-1));
    }

    [Theory]
    [InlineData(RunPhase.Failed, RunKind.Stop)]
    [InlineData(RunPhase.Cancelled, RunKind.Stop)]
    [InlineData(RunPhase.Queued, RunKind.Resize)]
    public async Task Sweep_AfterAResize_StopsOnceThatHasEnded(RunPhase phase, RunKind newest)
    {
        var (id, server) = await ReadyAsync();
        await using (var db = _database.Open())
        {
            db.Runs.Add(new() { WorkspaceId = id, Number = 2, Kind = RunKind.Resize });
            await db.SaveChangesAsync(Cancel);
        }
        if (phase != RunPhase.Queued)
            await _database.ExecuteAsync(
                $"update portal.runs set phase = {phase.ToString()}, ended_at = {Now.AddMinutes(-200)} where workspace_id = {id} and number = 2", Cancel);

        await LookAndSweepAsync();
        await LookAndSweepAsync();

        (await RowsAsync(id)).Newest.Kind.ShouldBe(newest);
        server.Requests.ShouldBeGreaterThan(0);
    }

    [Theory]
    [InlineData("idle")]
    [InlineData("starting")] // that nobody joined
    public async Task Sweep_NothingWorks_StopsAndSaysWhy(string state)
    {
        var (id, server) = await ReadyAsync(activeMinutesAgo: 90);
        server.Kernels = FakeNotebook.Kernel(Now.AddMinutes(-80), state);
        server.Terminals = FakeNotebook.Terminal(Now.AddMinutes(-100));

        await LookAndSweepAsync();
        await LookAndSweepAsync();

        var (workspace, newest) = await RowsAsync(id);
        (newest.Kind, newest.Number, newest.OrderedBy).ShouldBe((RunKind.Stop, 2, null));
        workspace.DeletedAt.ShouldBeNull();
        server.Token.ShouldBe("token " + _jobs.Get<AppToken>().Of(id, 1, "lab"));
        await using var db = _database.Open();
        var line = (await db.LogLines.AsNoTracking().Where(l => l.WorkspaceId == id).OrderByDescending(l => l.Id).FirstAsync(Cancel)).Text;
        line.ShouldStartWith("It has been idle for 80 minutes (last activity: kernels, at ");
        (await db.Counts.AsNoTracking().Where(c => c.WorkspaceId == id && c.At > Now.AddSeconds(-60)).ToListAsync(Cancel))
            .Select(c => c.Name)
            .Distinct()
            .Order()
            .ShouldContain("terminals");
    }

    /// <summary>Averages of such numbers overflow in the database: one workspace would stop the roll-up of all.</summary>
    [Theory]
    [InlineData("1e308")]
    [InlineData("1e200")]
    [InlineData("-1e308")]
    public async Task Count_NoNumberOfAnything_IsNotStored(string count)
    {
        var (id, server) = await ReadyAsync();
        server.Tasks = $$"""{"running": {{count}}}""";

        await _jobs.Get<Signals>().LookAsync(_jobs.Kit, Cancel);

        await using var db = _database.Open();
        (await db.Counts.AsNoTracking().Where(c => c.WorkspaceId == id).Select(c => c.Name).ToListAsync(Cancel)).ShouldNotContain("tasks");
    }

    [Theory]
    [InlineData("kernels")]
    [InlineData("kernels", "starting")]
    [InlineData("terminals")]
    [InlineData("tasks")]
    public async Task Sweep_OneSignalAlone_KeepsIt(string by, string state = "busy")
    {
        var (id, server) = await ReadyAsync();
        server.Kernels = by == "kernels"
            ? FakeNotebook.Kernel(state == "busy" ? Now.AddMinutes(-200) : Now.AddSeconds(-20), state)
            : FakeNotebook.Kernel(Now.AddMinutes(-200));
        if (by == "terminals") server.Terminals = FakeNotebook.Terminal(Now.AddSeconds(-10));
        if (by == "tasks") server.Tasks = """{"running": 3}""";

        await LookAndSweepAsync();

        await KeptByAsync(id, by);
    }

    [Theory]
    [InlineData(10, "kernels,terminals,tasks")]
    [InlineData(300, "kernels,tasks")]
    public async Task Sweep_SeveralAtOnce_AllAreNamed_ATerminalOnlyWhileItWorks(int terminalSecondsAgo, string by)
    {
        var (id, server) = await ReadyAsync();
        server.Kernels = FakeNotebook.Kernel(Now.AddMinutes(-200), "busy");
        server.Terminals = FakeNotebook.Terminal(Now.AddSeconds(-terminalSecondsAgo));
        server.Tasks = """{"running": 3}""";

        await LookAndSweepAsync();

        await KeptByAsync(id, by);
    }

    [Theory]
    [InlineData("garbage", "?kernels")]
    [InlineData("no time", "?kernels")]
    [InlineData("tasks", "?tasks")]
    [InlineData("half a pair", "?tasks")]
    [InlineData("half a state", "?kernels")]
    [InlineData("hangs", "?kernels")]
    [InlineData("gone", "?kernels")]
    public async Task Sweep_NoAnswer_IsNoEvidence(string how, string by)
    {
        var (id, server) = await ReadyAsync();
        server.Kernels =
            how switch { "garbage" => "<html>", "no time" => """[{"id": "1", "execution_state": "idle"}]""", _ => FakeNotebook.Kernel(Now.AddMinutes(-200)) };
        if (how == "half a pair") server.Tasks = """{"running": "\ud800"}""";
        if (how == "half a state") server.Kernels = """[{"id": "1", "last_activity": "2026-01-01T00:00:00Z", "execution_state": "\ud800"}]""";
        if (how == "tasks") server.Tasks = """{"running": "many"}""";
        server.Hangs = how == "hangs";
        if (how == "gone") await _database.ExecuteAsync($"update portal.nodes set address = null where workspace_id = {id}", Cancel);

        await LookAndSweepAsync();

        await KeptByAsync(id, by);
    }

    [Fact]
    public async Task Sweep_NobodyLookedForAWhile_GivesAllTimeAgain()
    {
        var (id, server) = await ReadyAsync(lookedMinutesAgo: 30);
        server.Kernels = FakeNotebook.Kernel(Now.AddMinutes(-200));
        await _jobs.Get<Idle>().RunAsync(Cancel);
        (await RowsAsync(id)).Newest.Kind.ShouldBe(RunKind.Launch);

        await LookAndSweepAsync();

        await KeptByAsync(id, "?unwatched");
    }

    [Fact]
    public async Task Sweep_RuleOffOrKeptByItsOwner_LetsItRun()
    {
        var (kept, _) = await ReadyAsync();
        (await _site.Get<KeepWorkspace>().RunAsync(new(_site.Students[0]), kept, 2, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await LookAndSweepAsync();
        (await RowsAsync(kept)).Newest.Kind.ShouldBe(RunKind.Launch);
        await _database.ExecuteAsync($"update portal.workspaces set keep_until = null where id = {kept}", Cancel);
        (await _site.Get<SetIdleRule>().RunAsync(new(_site.Instructor), _site.Class, null, Cancel)).ShouldBeOfType<SetIdleRuleOutcome.Accepted>();
        await LookAndSweepAsync();
        (await RowsAsync(kept)).Newest.Kind.ShouldBe(RunKind.Launch);
        (await _site.Get<SetIdleRule>().RunAsync(new(_site.Instructor), _site.Class, 60, Cancel)).ShouldBeOfType<SetIdleRuleOutcome.Accepted>();
        await LookAndSweepAsync();
        (await RowsAsync(kept)).Newest.Kind.ShouldBe(RunKind.Stop);
    }

    [Fact]
    public async Task Verbs_OthersThanWhoMay_AreRefused()
    {
        var (id, _) = await ReadyAsync();
        (await _site.Get<KeepWorkspace>().RunAsync(new(_site.Instructor), id, 2, Cancel)).ShouldBeOfType<ChangeOutcome.NotFound>();
        (await _site.Get<KeepWorkspace>().RunAsync(new(_site.Students[0]), id, 25, Cancel)).ShouldBeOfType<ChangeOutcome.Refused>();
        (await _site.Get<SetIdleRule>().RunAsync(new(_site.Students[0]), _site.Class, null, Cancel)).ShouldBeOfType<SetIdleRuleOutcome.NotFound>();
        (await _site.Get<SetIdleRule>().RunAsync(new(_site.Instructor), _site.Class, 5, Cancel)).ShouldBeOfType<SetIdleRuleOutcome.OutOfRange>();
        await using var db = _database.Open();
        (await db.Classes.SingleAsync(Cancel)).IdleMinutes.ShouldBe(60);
        (await db.Audit.AnyAsync(a => a.Verb == nameof(SetIdleRule) && a.ActorId != _site.Instructor, Cancel)).ShouldBeFalse();
        (await db.Audit.AnyAsync(a => a.Verb == nameof(SetIdleRule) && a.ActorId == _site.Instructor, Cancel)).ShouldBeTrue();
    }

    [Fact]
    public async Task Look_SameAgain_TellsPagesNothing()
    {
        var (id, server) = await ReadyAsync();
        server.Kernels = FakeNotebook.Kernel(Now, "busy");
        await _jobs.Get<Signals>().LookAsync(_jobs.Kit, Cancel);
        var first = (await RowsAsync(id)).Workspace.ActiveAt;
        await _jobs.Get<Signals>().LookAsync(_jobs.Kit, Cancel);
        (await RowsAsync(id)).Workspace.ActiveAt.ShouldBe(first);
    }

    [Fact]
    public async Task Look_ServersThatHang_DelayNobodyElse()
    {
        for (var i = 0; i < 12; i++) (await ReadyAsync()).Server.Hangs = true;
        var well = await ReadyAsync();
        well.Server.Kernels = FakeNotebook.Kernel(Now, "busy");
        await _jobs.Get<Signals>().LookAsync(_jobs.Kit, Cancel); // learns which server is silent, at most one deadline long
        var asked = well.Server.Requests;
        var clock = TimeProvider.System;
        var start = clock.GetTimestamp();

        var look = _jobs.Get<Signals>().LookAsync(_jobs.Kit, Cancel);
        var answered = await Until.TrueAsync("the one that responds received every request", () => well.Server.Requests >= asked + 3, Cancel);
        await look;

        answered.ShouldBeLessThan(TimeSpan.FromSeconds(3));
        clock.GetElapsedTime(start).ShouldBeLessThan(TimeSpan.FromSeconds(12), "all hang in parallel, not one after the other (12 × 3 s)");
        (await RowsAsync(well.Id)).Workspace.ActiveBy.ShouldBe("kernels");
    }
}
