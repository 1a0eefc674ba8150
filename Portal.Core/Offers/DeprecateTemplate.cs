using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;
using Portal.Core.People;
using Portal.Core.Policy;

namespace Portal.Core.Offers;

/// <summary>Stops new launches of a template; existing workspaces keep running and can be started again. Repeating it changes the reason.</summary>
public sealed class DeprecateTemplate(IDbContextFactory<PortalDb> databases)
{
    /// <summary>Maximum length of a reason.</summary>
    public const int LongestReason = 400;

    /// <param name="reason">Why, and what to use instead; shown to students.</param>
    public async Task<TemplateOutcome> RunAsync(Actor actor, string template, string reason, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        return await TemplateDecisions.DecideAsync(db, actor, template, Verb.DeprecateTemplate, async decider =>
        {
            if (!decider.Everywhere) return TemplateRefusal.ConcernsOthers;
            if (reason.Trim() is not { Length: > 0 and <= LongestReason } text || text.Contains('\0', StringComparison.Ordinal))
                return TemplateRefusal.ReasonMissing;
            await TemplateDecisions.SayLockedAsync(db, template, deprecated: true, text, actor, cancel);
            return null;
        }, cancel);
    }
}
