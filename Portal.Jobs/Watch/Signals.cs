using System.Collections.Concurrent;
using Microsoft.EntityFrameworkCore;
using Npgsql;
using NpgsqlTypes;
using Portal.Core.Access;
using Portal.Core.Catalog;
using Portal.Core.Classes;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.Core.Metrics;
using Portal.Core.Policy;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.Jobs.Clouds;
using Portal.Jobs.Proofs;

namespace Portal.Jobs.Watch;

/// <summary>
/// Asks every ready workspace of a pool about its activity, and writes the counts and the time of the last activity. In parallel, with a bounded
/// number at once and a deadline for each question; workspaces that did not answer last time come last, so that they do not delay others.
/// </summary>
public sealed class Signals(IDbContextFactory<PortalDb> databases, NpgsqlDataSource data, EngineCounts engines, NotebookStates notebooks,
    AppToken tokens, SampleRows rows, TimeProvider clock, ILogger<Signals> log)
{
    /// <summary>A larger count is ignored: averages of such numbers overflow in the database, and would stop the roll-up of all counts.</summary>
    private const double MostCounted = 1e12;

    private const int AtOnce = 32, Most = 2000;

    /// <summary>A terminal with activity within this time counts as working now: the server checks its programs every 10 s.</summary>
    private static readonly TimeSpan TerminalWorks = TimeSpan.FromSeconds(30);

    /// <summary>Those that did not answer last time, by pool.</summary>
    private readonly ConcurrentDictionary<string, HashSet<Guid>> _silent = new(StringComparer.Ordinal);

    private sealed record Watched(Guid Id, int Generation, int Workers, TemplateSpec Spec, Activity? Activity, DateTimeOffset? LookedAt)
    {
        public IReadOnlyList<NodeStatus> Nodes { get; init; } = [];
    }

    private sealed record Answer(Watched Of, IReadOnlyList<Signal> Signals, IReadOnlyList<(string Name, double Value)> Counts);

    /// <summary>One check of all workspaces of a pool.</summary>
    public async Task LookAsync(CloudKit kit, CancellationToken cancel)
    {
        var watched = await WatchedAsync(kit.Key, cancel);
        var silent = _silent.GetValueOrDefault(kit.Key) ?? [];
        var answers = new Answer[watched.Count];
        await Parallel.ForEachAsync(watched.OrderBy(w => silent.Contains(w.Id)).Select((w, i) => (w, i)),
            new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancel },
            async (one, token) => answers[one.i] = await ReadOrSilentAsync(one.w, token));
        _silent[kit.Key] = [.. answers.Where(a => a.Signals.Any(s => !s.Answered)).Select(a => a.Of.Id)];
        var now = clock.GetUtcNow();
        await rows.WriteAsync([.. answers.SelectMany(a => a.Counts.Select(c => Count(a.Of.Id, c.Name, c.Value, now)))], cancel);
        await WriteAsync([.. answers.Select(a => (a.Of.Id, IdlePolicy.Seen(a.Signals, a.Of.Activity, a.Of.LookedAt, now)))], cancel);
    }

    private static Count Count(Guid workspace, string name, double value, DateTimeOffset now) =>
        new()
        {
            WorkspaceId = workspace,
            Name = name,
            At = Spans.Begin(now, Spans.RawCounts),
            Span = (int)Spans.RawCounts.TotalSeconds,
            Value = value,
            Most = value
        };

    /// <summary>Ready workspaces with the nodes of their current generation: from rows, without calls to the container engine.</summary>
    private async Task<IReadOnlyList<Watched>> WatchedAsync(string pool, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        var found = await (from w in db.Workspaces.AsNoTracking()
                           join tenant in db.Tenants on w.TenantId equals tenant.Id
                           join t in db.TemplateVersions on w.TemplateVersionId equals t.Id
                           from r in db.Set<Run>().Where(r => r.WorkspaceId == w.Id && r.Kind != RunKind.Resize).OrderByDescending(r => r.Number).Take(1)
                           where tenant.PoolKey == pool
                               && w.DeletedAt == null
                               && r.Phase == RunPhase.Succeeded
                               && r.EndedAt != null
                               && (r.Kind == RunKind.Launch || r.Kind == RunKind.Start)
                           orderby w.CreatedAt
                           select new
                           {
                               w,
                               t.Spec,
                               r.EndedAt,
                               LookedAt = db.Set<Count>().Where(c =>
                                   c.WorkspaceId == w.Id && c.Span == (int)Spans.RawCounts.TotalSeconds && c.Name == CountNames.Signals)
                                   .Max(c => (DateTimeOffset?)c.At)
                           })
            .Take(Most).ToListAsync(cancel);
        var ids = found.ConvertAll(f => f.w.Id);
        var nodes = (await db.Nodes.AsNoTracking().Where(n => ids.Contains(n.WorkspaceId) && n.Running).ToListAsync(cancel)).ToLookup(n => n.WorkspaceId);
        return [.. found.Select(f => new Watched(f.w.Id, f.w.Generation, f.w.Workers, f.Spec,
            f.w.ActiveAt >= f.EndedAt ? new(f.w.ActiveAt.Value, f.w.ActiveBy) : null, f.LookedAt >= f.EndedAt ? f.LookedAt : null)
        {
            Nodes = [.. nodes[f.w.Id]
                .Where(n => n.Generation == f.w.Generation)
                .Select(n => new NodeStatus(n.Name, n.Role, n.Generation, NodeState.Running, null, false, n.Address, "")
                { MappedPorts = [.. n.MappedPorts.Select(MappedPort.Parse)] })],
        })];
    }

    /// <summary>Whatever one workspace answers, the others are still queried.</summary>
    private async Task<Answer> ReadOrSilentAsync(Watched of, CancellationToken cancel)
    {
        try { return await ReadAsync(of, cancel); }
        catch (Exception e) when (e is not OperationCanceledException || !cancel.IsCancellationRequested)
        {
            log.LogWarning("The activity reported by workspace {Workspace} could not be read: {Error}", of.Id, e.Message);
            return new(of, [new(CountNames.Kernels, Answered: false)], [(CountNames.Signals, 0)]);
        }
    }

    private async Task<Answer> ReadAsync(Watched of, CancellationToken cancel)
    {
        var apps = Task.WhenAll(
            of.Spec.AppsOnNodes(of.Workers)
                .Where(a => a.Spec.Kernels)
                .Select(a => notebooks.ReadAsync(of.Nodes, a, tokens.Of(of.Id, of.Generation, a.Id), cancel)));
        var counted = Task.WhenAll(of.Spec.Counts.Select(async c => (Spec: c, Value: await engines.CountAsync(of.Nodes, c, cancel))));
        List<Signal> signals = [];
        List<(string, double)> counts = [];
        foreach (var app in await apps)
        {
            signals.Add(new(CountNames.Kernels, app is not null, app?.Busy > 0, app?.KernelsAt));
            signals.Add(new(CountNames.Terminals, app is not null, app?.TerminalsAt > clock.GetUtcNow() - TerminalWorks, app?.TerminalsAt));
        }
        var known = (await apps).OfType<NotebookState>().ToList();
        if (known.Count > 0)
            counts.AddRange([(CountNames.Kernels, known.Sum(k => k.Kernels)), (CountNames.BusyKernels, known.Sum(k => k.Busy)),
                (CountNames.Terminals, known.Sum(k => k.Terminals))]);
        foreach (var (spec, value) in await counted)
        {
            if (spec.Busy) signals.Add(new(spec.Id, value is not null, value > 0));
            if (value is >= 0 and <= MostCounted) counts.Add((spec.Id, value.Value));
        }
        counts.Add((CountNames.Signals, signals.Count(s => s.Answered)));
        return new(of, signals, counts);
    }

    /// <summary>Only if newer by a minute, or from another signal, because each write notifies pages.</summary>
    private async Task WriteAsync(IReadOnlyList<(Guid Id, Activity Activity)> seen, CancellationToken cancel)
    {
        if (seen.Count == 0) return;
        await using var write = data.CreateCommand("""
            update portal.workspaces w set active_at = a.at, active_by = a.by from unnest($1, $2, $3) as a(id, at, by)
            where w.id = a.id and w.deleted_at is null and (w.active_at is null or w.active_by is distinct from a.by or a.at >= w.active_at + $4)
            """);
        write.Parameters.Add(new() { Value = seen.Select(s => s.Id).ToArray() });
        write.Parameters.Add(
            new() { Value = seen.Select(s => s.Activity.At.UtcDateTime).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.TimestampTz });
        write.Parameters.Add(new() { Value = seen.Select(s => s.Activity.By).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text });
        write.Parameters.Add(new() { Value = IdlePolicy.Precision });
        await write.ExecuteNonQueryAsync(cancel);
    }
}

/// <summary>Checks every fifteen seconds, each pool on its own: workspaces that do not answer delay no other pool's.</summary>
public sealed class SignalWatch(Signals signals, CloudKits kits, TimeProvider clock, ILogger<SignalWatch> log) : BackgroundService
{
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => kits.EachAsync(kit => RepeatAsync(kit, stoppingToken));

    private async Task RepeatAsync(CloudKit kit, CancellationToken stopping)
    {
        using var tick = new PeriodicTimer(Spans.RawCounts, clock);
        try
        {
            while (await tick.WaitForNextTickAsync(stopping))
            {
                try { await signals.LookAsync(kit, stopping); }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    log.LogWarning("Reading the activity of workspaces in pool {Pool} failed: {Error}", kit.Key, e.Message);
                }
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested) { }
    }
}
