using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;

namespace Portal.Core.Runs;

/// <summary>How long steps usually take here, by template, because a cluster takes longer than a notebook.</summary>
internal sealed class StepHistory
{
    private const int Newest = 1000;

    private readonly Dictionary<(string Template, RunKind Kind, StepKey Step), TimeSpan> _usual;

    private StepHistory(Dictionary<(string, RunKind, StepKey), TimeSpan> usual) => _usual = usual;

    /// <summary>The median of the most recent finished ones; null before the first.</summary>
    public TimeSpan? Of(string template, RunKind kind, StepKey step) => _usual.TryGetValue((template, kind, step), out var usual) ? usual : null;

    /// <summary>The median time from admission to Ready; null before the first launch of the template.</summary>
    public TimeSpan? Launch(string template) => Sum(_usual.Where(u => u.Key.Kind is RunKind.Launch && u.Key.Template == template));

    /// <summary>The same over launches of all templates; null before the first.</summary>
    public TimeSpan? AnyLaunch() =>
        _usual.Where(u => u.Key.Kind is RunKind.Launch)
            .GroupBy(u => u.Key.Template, StringComparer.Ordinal)
            .Select(g => Sum(g)!.Value.Ticks)
            .ToList() is { Count: > 0 } launches ? new(launches.Sum() / launches.Count) : null;

    public static async Task<StepHistory> ReadAsync(PortalDb db, CancellationToken cancel)
    {
        var steps = await db.Database.SqlQuery<UsualStep>($"""
            select template_id, kind, key, percentile_disc(0.5) within group (order by took) as took from (
              select t.template_id, r.kind, s.key, s.ended_at - s.began_at as took
              from portal.run_steps s join portal.runs r on r.id = s.run_id
              join portal.workspaces w on w.id = r.workspace_id join portal.template_versions t on t.id = w.template_version_id
              where s.ended_at is not null and r.phase = 'Succeeded' order by s.ended_at desc limit {Newest}) newest
            group by template_id, kind, key
            """).ToListAsync(cancel);
        return new(steps.Select(s => (s.TemplateId, Kind: Enum.Parse<RunKind>(s.Kind), Step: PlanSteps.Parse(s.Key), s.Took))
            .Where(s => s.Step != StepKey.Unknown)
            .ToDictionary(s => (s.TemplateId, s.Kind, s.Step), s => s.Took));
    }

    private static TimeSpan? Sum(IEnumerable<KeyValuePair<(string, RunKind, StepKey), TimeSpan>> steps) =>
        steps.ToList() is { Count: > 0 } some ? some.Aggregate(TimeSpan.Zero, (sum, u) => sum + u.Value) : null;

    private sealed record UsualStep(string TemplateId, string Kind, string Key, TimeSpan Took);
}
