using Npgsql;
using Portal.Core.Data;
using Portal.Core.Foreign;
using Portal.Core.Runs;
using Portal.Core.Workspaces;

namespace Portal.Jobs.Leases;

/// <summary>Every statement that moves a run. Each names the version it expects, so a stale process writes nothing.</summary>
public sealed class RunStore(NpgsqlDataSource data, RunOptions options, Worker worker)
{
    private static readonly bool[] Both = [false, true];
    private const string Back =
        "r.id, r.workspace_id, r.number, r.kind, r.done_step, r.releasing, r.version, r.attempts, w.requested_run, r.releasing and r.cause is null";
    private const string InPool =
        "join portal.workspaces w on w.id = r.workspace_id join portal.tenants t on t.id = w.tenant_id and t.pool_key = p.key";

    /// <summary>
    /// Claims due runs, runs with a requested run, and abandoned runs, in each pool as many as this process can take, and returns when the next is due.
    /// </summary>
    public async Task<(IReadOnlyList<HandedRun> Handed, TimeSpan? NextIn)> HandOverAsync(CancellationToken cancel)
    {
        await using var connection = await data.OpenConnectionAsync(cancel);
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                new($"""
                    with due as (
                      select one.id, p.key from portal.pools p cross join lateral (
                        select r.id from portal.runs r {InPool}
                        where (r.phase = 'Waiting' and (r.due_at <= clock_timestamp() or w.requested_run is not null))
                           or (r.phase in ({In(RunTrigger.HandOver)}) and r.lease_until < clock_timestamp())
                        order by r.due_at
                        limit greatest(0, $3 - (select count(*) from portal.runs r {InPool}
                          where r.phase in ('Handed', 'Active') and r.owner = $1 and r.lease_until >= clock_timestamp()))
                        for update of r skip locked) one)
                    update portal.runs r set phase = 'Handed', version = version + 1, owner = $1, lease_until = clock_timestamp() + $2
                    from due where r.id = due.id returning r.id, due.key
                    """) { Parameters = { P(worker.Name), P(options.Lease), P(options.Most) } },
                new("""
                    select least((select min(due_at) from portal.runs where phase = 'Waiting'),
                      (select min(lease_until) from portal.runs where phase in ('Handed', 'Active'))) - clock_timestamp()
                    """),
            },
        };
        var handed = new List<HandedRun>();
        await using var reader = await batch.ExecuteReaderAsync(cancel);
        while (await reader.ReadAsync(cancel)) handed.Add(new(reader.GetInt64(0), reader.GetString(1)));
        await reader.NextResultAsync(cancel);
        TimeSpan? next = await reader.ReadAsync(cancel) && !await reader.IsDBNullAsync(0, cancel) ? reader.GetTimeSpan(0) : null;
        return (handed, next);
    }

    /// <summary>Takes a run that was handed over. Only one taker wins: a repeated, stale or forged job finds nothing.</summary>
    public Task<HeldRun?> TakeAsync(long id, CancellationToken cancel) => OneAsync($"""
        with r as (update portal.runs set phase = 'Active', version = version + 1, owner = $1, lease_until = clock_timestamp() + $2
                   where id = $3 and phase in ({In(RunTrigger.Take)}) returning *),
             begun as ({Begin})
        select {Back} from r join portal.workspaces w on w.id = r.workspace_id
        """, cancel, worker.Name, options.Lease, id);

    /// <summary>The current row of a run that is still held, including the requested run.</summary>
    public async Task<HeldRun> LookAsync(HeldRun run, CancellationToken cancel) => await OneAsync($"""
        select {Back} from portal.runs r join portal.workspaces w on w.id = r.workspace_id
        where r.id = $1 and r.version = $2 and r.phase = 'Active'
        """, cancel, run.Id, run.Version) ?? throw new LeaseLostException(run.Id);

    /// <summary>Saves a finished step and keeps the lease. Returns the current row, including the requested run.</summary>
    public async Task<HeldRun> SaveStepAsync(HeldRun run, CancellationToken cancel) => await OneAsync($"""
        with r as (update portal.runs set done_step = $4, attempts = 0, message = null, lease_until = clock_timestamp() + $1
                   where id = $2 and version = $3 and phase = 'Active' returning *),
             ended as (update portal.run_steps s set ended_at = clock_timestamp() from r where s.run_id = r.id and s.key = $4),
             told as (insert into portal.log_lines (workspace_id, run_id, severity, text) select workspace_id, id, 'Info', $5 from r),
             begun as ({BeginAgain})
        select {Back} from r join portal.workspaces w on w.id = r.workspace_id
        """, cancel, options.Lease, run.Id, run.Version, run.Next!.Value.ToString(), StepMessages.Done(run.Next!.Value))
            ?? throw new LeaseLostException(run.Id);

    /// <summary>The step had nothing to do: saved like a finished one, but without a log line, and pages omit it.</summary>
    public async Task<HeldRun> PassStepAsync(HeldRun run, CancellationToken cancel) => await OneAsync($"""
        with r as (update portal.runs set done_step = $4, attempts = 0, message = null, lease_until = clock_timestamp() + $1
                   where id = $2 and version = $3 and phase = 'Active' returning *),
             ended as (update portal.run_steps s set ended_at = s.began_at from r where s.run_id = r.id and s.key = $4),
             begun as ({BeginAgain})
        select {Back} from r join portal.workspaces w on w.id = r.workspace_id
        """, cancel, options.Lease, run.Id, run.Version, run.Next!.Value.ToString()) ?? throw new LeaseLostException(run.Id);

    /// <summary>A person wants the previous state back: what the run has made is released next, which fulfils the requested run.</summary>
    public async Task<HeldRun> BeginTakeBackAsync(HeldRun run, CancellationToken cancel) => await OneAsync($"""
        with r as (update portal.runs set releasing = true, done_step = null, attempts = 0, message = null, lease_until = clock_timestamp() + $1
                   where id = $2 and version = $3 and phase = 'Active' returning *),
             requested as (update portal.workspaces w set requested_run = null, requested_by = null
               from r where w.id = r.workspace_id and w.requested_run = 'Resize'),
             told as (insert into portal.log_lines (workspace_id, run_id, severity, text)
               select workspace_id, id, 'Info', 'The change of the number of workers is taken back.' from r),
             begun as ({BeginAgain})
        select {Back} from r join portal.workspaces w on w.id = r.workspace_id
        """, cancel, options.Lease, run.Id, run.Version) ?? throw new LeaseLostException(run.Id);

    /// <summary>The forward steps failed: the same run now releases what was made.</summary>
    public async Task<HeldRun> BeginReleaseAsync(HeldRun run, string cause, string? remedy, CancellationToken cancel) => await OneAsync($"""
        with r as (update portal.runs set releasing = true, done_step = null, attempts = 0, message = null,
                   failed_step = $4, cause = $5, remedy = $6, lease_until = clock_timestamp() + $1
                   where id = $2 and version = $3 and phase = 'Active' returning *),
             ended as (update portal.run_steps s set ended_at = clock_timestamp() from r where s.run_id = r.id and s.key = $4),
             told as (insert into portal.log_lines (workspace_id, run_id, severity, text) select workspace_id, id, 'Fail', $5 from r),
             begun as ({BeginAgain})
        select {Back} from r join portal.workspaces w on w.id = r.workspace_id
        """, cancel, options.Lease, run.Id, run.Version, run.Next!.Value.ToString(), ForeignText.Clean(cause), TextOrNull(remedy))
        ?? throw new LeaseLostException(run.Id);

    /// <summary>Releases the lease until a due time: waiting is a row, not a thread.</summary>
    public async Task WaitAsync(HeldRun run, TimeSpan dueIn, int attempts, string? message, CancellationToken cancel)
    {
        _ = await OneAsync($"""
            with r as (update portal.runs set phase = 'Waiting', due_at = clock_timestamp() + $1, attempts = $2, message = $3, owner = null, lease_until = null
                       where id = $4 and version = $5 and phase in ({In(RunTrigger.Wait)}) returning *)
            select {Back} from r join portal.workspaces w on w.id = r.workspace_id
            """, cancel, dueIn, attempts, TextOrNull(message), run.Id, run.Version) ?? throw new LeaseLostException(run.Id);
    }

    /// <summary>
    /// Ends the run and, in the same transaction, begins the requested run. Under the workspace's lock, which the verbs
    /// take too: a requested run is either seen here, or its verb finds the run ended and orders a new one.
    /// </summary>
    public async Task EndAsync(HeldRun run, RunTrigger end, CancellationToken cancel)
    {
        var phase = RunPhases.Next(RunPhase.Active, end) ?? throw new InvalidOperationException($"{end} does not end a run.");
        await using var connection = await data.OpenConnectionAsync(cancel);
        await using var transaction = await connection.BeginTransactionAsync(cancel);
        await ExecuteAsync(connection, Locks.TakeWorkspace, cancel, run.WorkspaceId);
        var ended = await ExecuteAsync(connection, """
            update portal.runs set phase = $1, message = null, ended_at = clock_timestamp(), owner = null, lease_until = null
            where id = $2 and version = $3 and phase = 'Active'
            """, cancel, phase.ToString(), run.Id, run.Version);
        if (ended == 0) throw new LeaseLostException(run.Id);
        if (end is RunTrigger.Succeed && run.Kind is RunKind.Launch or RunKind.Start)
            await ExecuteAsync(connection, BeginTime, cancel, run.WorkspaceId, run.Id);
        // The web's verbs write no other requested runs, so any other is forged and is dropped.
        await ExecuteAsync(connection, """
            insert into portal.runs (workspace_id, number, kind, ordered_by)
            select w.id, $2 + 1, w.requested_run, w.requested_by from portal.workspaces w
            where w.id = $1 and w.requested_run in ('Stop', 'Delete') and w.deleted_at is null and not (w.requested_run = 'Stop' and $3)
            """, cancel, run.WorkspaceId, run.Number, run.Kind == RunKind.Stop && phase == RunPhase.Succeeded);
        await ExecuteAsync(
            connection, "update portal.workspaces set requested_run = null, requested_by = null where id = $1 and requested_run is not null", cancel,
            run.WorkspaceId);
        // It no longer counts towards the limit on launches at once, so the next one may begin.
        await ExecuteAsync(connection, "select pg_notify('portal_runs', '')", cancel);
        await transaction.CommitAsync(cancel);
    }

    /// <summary>Its running time starts now, set once in the transaction that makes it ready. The class's rule applies whatever the order said.</summary>
    private const string BeginTime = """
        with begun as (
          update portal.workspaces w set end_at = clock_timestamp() + least(w.run_for, make_interval(hours => c.longest_hours)), run_for = null
          from portal.classes c where c.id = w.class_id and w.id = $1 and w.run_for is not null returning w.id, w.end_at)
        insert into portal.log_lines (workspace_id, run_id, severity, text)
        select id, $2, 'Info', 'Runs until ' || to_char(end_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC.' from begun
        """;

    /// <summary>Drops a requested run that this run fulfils or that is not possible: otherwise it would wake the run again and again.</summary>
    public async Task DropRequestedRunAsync(HeldRun run, CancellationToken cancel)
    {
        await using var command =
            data.CreateCommand("update portal.workspaces set requested_run = null, requested_by = null where id = $1 and requested_run = $2");
        command.Parameters.Add(P(run.WorkspaceId));
        command.Parameters.Add(P(run.RequestedRun!.Value.ToString()));
        await command.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Renews all leases of this process in one statement; returns the ids that are still ours.</summary>
    public async Task<IReadOnlySet<long>> RenewAsync(IReadOnlyCollection<HeldRun> held, CancellationToken cancel)
    {
        await using var command = data.CreateCommand("""
            update portal.runs set lease_until = clock_timestamp() + $1 from unnest($2, $3) as h(id, version)
            where runs.id = h.id and runs.version = h.version and runs.phase = 'Active' returning runs.id
            """);
        foreach (var value in (object[])[options.Lease, held.Select(h => h.Id).ToArray(), held.Select(h => h.Version).ToArray()])
            command.Parameters.Add(P(value));
        var ours = new HashSet<long>();
        await using var reader = await command.ExecuteReaderAsync(cancel);
        while (await reader.ReadAsync(cancel)) ours.Add(reader.GetInt64(0));
        return ours;
    }

    /// <summary>Wakes the dispatchers of all processes.</summary>
    public async Task WakeDispatcherAsync(CancellationToken cancel)
    {
        await using var command = data.CreateCommand("select pg_notify('portal_runs', '')");
        await command.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>A line for the workspace's owner, unless the run is no longer ours.</summary>
    public async Task TellAsync(HeldRun run, LogLineSeverity severity, string text, CancellationToken cancel)
    {
        await using var command = data.CreateCommand("""
            insert into portal.log_lines (workspace_id, run_id, severity, text)
            select workspace_id, id, $1, $2 from portal.runs where id = $3 and version = $4 and phase = 'Active'
            """);
        foreach (var value in (object[])[severity.ToString(), ForeignText.Clean(text), run.Id, run.Version]) command.Parameters.Add(P(value));
        if (await command.ExecuteNonQueryAsync(cancel) == 0) throw new LeaseLostException(run.Id);
    }

    /// <summary>When the next step began; kept when another process takes over, so that times on the page are what the person waited.</summary>
    private static readonly string Begin = $"""
        insert into portal.run_steps (run_id, key, began_at)
        select r.id, n.next, clock_timestamp() from r cross join lateral (
          select k.next from (values {NextSteps()}) k(kind, releasing, done, next)
          where k.kind = r.kind and k.releasing = r.releasing and k.done in (r.done_step, '') order by k.done desc limit 1) n
        where n.next <> ''
        on conflict do nothing
        """;

    /// <summary>
    /// The same where a step begins for certain: the plan may have had it before, in its forward part or before it began again, and that time
    /// does not count.
    /// </summary>
    private static readonly string BeginAgain =
        Begin.Replace("on conflict do nothing", "on conflict (run_id, key) do update set began_at = excluded.began_at, ended_at = null",
            StringComparison.Ordinal);

    /// <summary><see cref="PlanSteps.Next"/> as rows: "" for no step. A step that is in none of them begins the plan again.</summary>
    private static string NextSteps() => string.Join(", ", from kind in Enum.GetValues<RunKind>()
                                                           from releasing in Both
                                                           from done in PlanSteps.Of(kind, releasing).Select(s => (StepKey?)s).Prepend(null)
                                                           let next = PlanSteps.Next(kind, releasing, done)
                                                           select $"('{kind}', {(releasing ? "true" : "false")}, '{done}', '{next}')");

    private static string In(RunTrigger trigger) =>
        string.Join(", ", RunPhases.From(trigger).Where(p => trigger != RunTrigger.HandOver || p != RunPhase.Waiting).Select(p => $"'{p}'"));

    private async Task<HeldRun?> OneAsync(string sql, CancellationToken cancel, params object[] values)
    {
        await using var command = data.CreateCommand(sql);
        foreach (var value in values) command.Parameters.Add(P(value));
        await using var reader = await command.ExecuteReaderAsync(cancel);
        return await reader.ReadAsync(cancel)
            ? new(reader.GetInt64(0), reader.GetGuid(1), reader.GetInt32(2), Enum.Parse<RunKind>(reader.GetString(3)),
                await reader.IsDBNullAsync(4, cancel) ? null : PlanSteps.Parse(reader.GetString(4)),
                reader.GetBoolean(5), reader.GetInt64(6), reader.GetInt32(7),
                await reader.IsDBNullAsync(8, cancel) ? null : Enum.Parse<RunKind>(reader.GetString(8)), reader.GetBoolean(9))
            : null;
    }

    private static async Task<int> ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancel, params object[] values)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        foreach (var value in values) command.Parameters.Add(P(value));
        return await command.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Cleans text from a workspace or cloud, so that the row accepts it.</summary>
    private static object TextOrNull(string? text) => text is null ? DBNull.Value : ForeignText.Clean(text);

    private static NpgsqlParameter P(object value) => new() { Value = value };
}
