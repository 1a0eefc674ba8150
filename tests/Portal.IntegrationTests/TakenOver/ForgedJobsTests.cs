using Hangfire;
using Hangfire.Common;
using Npgsql;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.TakenOver;

/// <summary>
/// Rows in Hangfire's own tables, written with rights that the web process does not even have: a job and a recurring entry of types that are not
/// ours. They would run as root; the allow-list of job types lets neither load.
/// </summary>
public sealed class ForgedJobsTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Hangfire_ForgedJobAndRecurringEntry_RunNothing()
    {
        await using var it = await Installation.StartAsync(students: 1, Cancel);
        var folder = Directory.CreateTempSubdirectory("portal-forged-").FullName;
        await using var source = NpgsqlDataSource.Create(it.Database.Admin);
        try
        {
            var job = await ForgeJobAsync(source, Path.Combine(folder, "job"));
            await ForgeRecurringAsync(source, Path.Combine(folder, "recurring"));
            // Hangfire retries it later, like every failed job; it fails to load each time.
            await Until.TrueAsync("the forged job was fetched and did not load",
                () => TrueAsync(source, $"""
                    select exists (select from hangfire.job where id = {job} and statename in ('Failed', 'Scheduled'))
                      and exists (select from hangfire.state
                        where jobid = {job} and (reason like '%not a job type%' or data::text like '%not a job type%'))
                    """), Cancel, TimeSpan.FromMinutes(1));
            // It is due each second; our own entries, which the scheduler reads after it, fall due every minute.
            await using var newest = source.CreateCommand("select max(id) from hangfire.job");
            var before = (long)(await newest.ExecuteScalarAsync(Cancel))!;
            await Until.TrueAsync("the schedule continued",
                () => TrueAsync(source, $"select count(*) >= 2 from hangfire.job where id > {before} and statename = 'Succeeded'"), Cancel,
                TimeSpan.FromMinutes(2));
            Directory.EnumerateFileSystemEntries(folder).ShouldBeEmpty();
            it.Jobs.MustRun();

            // And our own job with forged ids finds no row that was handed to it.
            var order = it.Site.Order(it.Site.Students[0]);
            await it.Site.Get<Core.Workspaces.LaunchWorkspace>().RunAsync(order, Cancel);
            await Until.TrueAsync("a real order still runs",
                () => TrueAsync(source, "select exists (select from portal.runs where phase = 'Succeeded')"), Cancel, TimeSpan.FromMinutes(2));
            await using var highest = source.CreateCommand("select max(version) from portal.runs");
            var version = await highest.ExecuteScalarAsync(Cancel);
            var stale = await ForgeAsync(source, """{"Type":"AdvanceRun","Method":"AdvanceAsync","ParameterTypes":"[\"ids\",\"cancellation\"]"}""",
                """["[1,2,3]",null]""");
            await Until.TrueAsync("the forged ticket has ended",
                () => TrueAsync(source, $"select exists (select from hangfire.job where id = {stale} and statename in ('Succeeded', 'Failed'))"),
                Cancel, TimeSpan.FromMinutes(1));
            (await highest.ExecuteScalarAsync(Cancel)).ShouldBe(version);
            await it.Site.Get<Core.Workspaces.DeleteWorkspace>().RunAsync(new(it.Site.Students[0]), order.Id, Cancel);
            await Until.TrueAsync("the workspace is gone",
                () => TrueAsync(source, "select not exists (select from portal.workspaces where deleted_at is null)"), Cancel, TimeSpan.FromMinutes(2));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>
    /// Without the guard: the same rows in the same storage under Hangfire's own rules for jobs. If this ever fails, the forged
    /// rows above do nothing for a reason other than the allow-list.
    /// </summary>
    [Fact]
    public async Task WithoutTheAllowList_ForgedJobAndRecurringEntryRun_WhichIsWhyThereIsOne()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, students: 1, new(4, 4096, 4, 4), Cancel);
        await using var jobs = site.Process(new ScriptedClouds((_, _) => Mood.Well), TimeSpan.FromSeconds(4));
        var folder = Directory.CreateTempSubdirectory("portal-forged-").FullName;
        await using var source = NpgsqlDataSource.Create(database.Admin);
        var storage = jobs.Get<JobStorage>();
        var (resolver, serializer) = (TypeHelper.CurrentTypeResolver, TypeHelper.CurrentTypeSerializer);
        try
        {
            (TypeHelper.CurrentTypeResolver, TypeHelper.CurrentTypeSerializer) = (TypeHelper.DefaultTypeResolver, TypeHelper.DefaultTypeSerializer);
            using var server =
                new BackgroundJobServer(
                    new BackgroundJobServerOptions
                    {
                        Queues = [Jobs.Sweeps.Sweeps.Queue],
                        WorkerCount = 1,
                        SchedulePollingInterval = TimeSpan.FromSeconds(1)
                    }, storage);
            await ForgeJobAsync(source, Path.Combine(folder, "job"));
            await ForgeRecurringAsync(source, Path.Combine(folder, "recurring"));

            await Until.TrueAsync("both forged rows were executed",
                () => File.Exists(Path.Combine(folder, "job")) && File.Exists(Path.Combine(folder, "recurring")), Cancel, TimeSpan.FromMinutes(1));
        }
        finally
        {
            (TypeHelper.CurrentTypeResolver, TypeHelper.CurrentTypeSerializer) = (resolver, serializer);
            Directory.Delete(folder, recursive: true);
        }
    }

    private static Task<long> ForgeJobAsync(NpgsqlDataSource source, string file) =>
        ForgeAsync(source,
            """{"Type":"System.IO.File, mscorlib","Method":"WriteAllText","ParameterTypes":"[\"System.String, mscorlib\",\"System.String, mscorlib\"]"}""",
            $"""["\"{file}\"","\"run\""]""");

    private static async Task<long> ForgeAsync(NpgsqlDataSource source, string invocation, string arguments)
    {
        await using var command =
            source.CreateCommand(
                "insert into hangfire.job (invocationdata, arguments, createdat, statename) values ($1::jsonb, $2::jsonb, now(), 'Enqueued') returning id");
        command.Parameters.Add(new() { Value = invocation });
        command.Parameters.Add(new() { Value = arguments });
        var id = (long)(await command.ExecuteScalarAsync(Cancel))!;
        await using var state = source.CreateCommand($$"""
            with s as (insert into hangfire.state (jobid, name, createdat, data)
              values ({{id}}, 'Enqueued', now(), '{"Queue":"sweeps"}'::jsonb) returning id)
            update hangfire.job set stateid = (select id from s) where id = {{id}}
            """);
        await state.ExecuteNonQueryAsync(Cancel);
        await using var queue = source.CreateCommand($"insert into hangfire.jobqueue (jobid, queue) values ({id}, 'sweeps')");
        await queue.ExecuteNonQueryAsync(Cancel);
        return id;
    }

    private static async Task ForgeRecurringAsync(NpgsqlDataSource source, string file)
    {
        await using var command = source.CreateCommand("""
            insert into hangfire.hash (key, field, value) select 'recurring-job:evil', f, v from unnest($1, $2) as x(f, v);
            """);
        command.Parameters.Add(new() { Value = new[] { "Queue", "Cron", "TimeZoneId", "Job", "CreatedAt", "NextExecution", "V" } });
        command.Parameters.Add(new()
        {
            Value = new[] { "sweeps", "* * * * * *", "UTC",
                """{"t":"System.IO.File, mscorlib","m":"WriteAllText","p":["System.String, mscorlib","System.String, mscorlib"],"a":"""
                + $$"""["\"{{file}}\"","\"run\""]}""",
                "2026-01-01T00:00:00.0000000Z", "2026-01-01T00:00:00.0000000Z", "2" },
        });
        await command.ExecuteNonQueryAsync(Cancel);
        await using var entry = source.CreateCommand("insert into hangfire.set (key, score, value) values ('recurring-jobs', 1, 'evil')");
        await entry.ExecuteNonQueryAsync(Cancel);
    }

    private static async Task<bool> TrueAsync(NpgsqlDataSource source, string sql)
    {
        await using var command = source.CreateCommand(sql);
        return await command.ExecuteScalarAsync(Cancel) is true;
    }
}
