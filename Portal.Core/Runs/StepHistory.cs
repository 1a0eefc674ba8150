using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;

namespace Portal.Core.Runs;

/// <summary>How long steps usually take here.</summary>
internal static class StepHistory
{
    private const int Newest = 400;

    /// <summary>Median by kind and step over the newest finished steps.</summary>
    public static async Task<IReadOnlyDictionary<(RunKind, StepKey), TimeSpan>> UsualAsync(PortalDb db, CancellationToken cancel)
    {
        var rows = await (from s in db.RunSteps
                          join r in db.Runs on s.RunId equals r.Id
                          where s.EndedAt != null && r.Phase == RunPhase.Succeeded
                          orderby s.EndedAt descending
                          select new { r.Kind, s.Key, s.BeganAt, EndedAt = s.EndedAt!.Value }).Take(Newest).ToListAsync(cancel);
        return rows.GroupBy(r => (r.Kind, r.Key)).ToDictionary(g => g.Key, g => Median([.. g.Select(r => r.EndedAt - r.BeganAt).Order()]));
    }

    private static TimeSpan Median(TimeSpan[] sorted) => sorted[sorted.Length / 2];
}
