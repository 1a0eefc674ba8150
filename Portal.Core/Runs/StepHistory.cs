using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;

namespace Portal.Core.Runs;

/// <summary>How long steps usually take here, by template: what a notebook does in a moment takes a cluster longer.</summary>
internal sealed class StepHistory
{
    private const int Newest = 1000;

    private readonly Dictionary<(string Template, RunKind Kind, StepKey Step), TimeSpan> _usual;

    private StepHistory(Dictionary<(string, RunKind, StepKey), TimeSpan> usual) => _usual = usual;

    /// <summary>The median of the newest that were finished; null before the first.</summary>
    public TimeSpan? Of(string template, RunKind kind, StepKey step) => _usual.TryGetValue((template, kind, step), out var usual) ? usual : null;

    /// <summary>From admission to Ready; null before the first launch of the template.</summary>
    public TimeSpan? Launch(string template) => Sum(_usual.Where(u => u.Key.Kind is RunKind.Launch && u.Key.Template == template));

    /// <summary>The same for whatever is launched here, all templates alike; null before the first.</summary>
    public TimeSpan? AnyLaunch() =>
        _usual.Where(u => u.Key.Kind is RunKind.Launch).GroupBy(u => u.Key.Template, StringComparer.Ordinal).Select(g => Sum(g)!.Value.Ticks).ToList() is { Count: > 0 } launches ? new(launches.Sum() / launches.Count) : null;

    public static async Task<StepHistory> ReadAsync(PortalDb db, CancellationToken cancel)
    {
        var rows = await (from s in db.RunSteps
                          join r in db.Runs on s.RunId equals r.Id
                          join w in db.Workspaces on r.WorkspaceId equals w.Id
                          join t in db.TemplateVersions on w.TemplateVersionId equals t.Id
                          where s.EndedAt != null && r.Phase == RunPhase.Succeeded
                          orderby s.EndedAt descending
                          select new { t.TemplateId, r.Kind, s.Key, s.BeganAt, EndedAt = s.EndedAt!.Value }).Take(Newest).ToListAsync(cancel);
        return new(rows.GroupBy(r => (r.TemplateId, r.Kind, r.Key)).ToDictionary(g => g.Key, g => Median([.. g.Select(r => r.EndedAt - r.BeganAt).Order()])));
    }

    private static TimeSpan? Sum(IEnumerable<KeyValuePair<(string, RunKind, StepKey), TimeSpan>> steps) =>
        steps.ToList() is { Count: > 0 } some ? some.Aggregate(TimeSpan.Zero, (sum, u) => sum + u.Value) : null;

    private static TimeSpan Median(TimeSpan[] sorted) => sorted[sorted.Length / 2];
}
