using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;
using Portal.Core.People;
using Portal.Core.Policy;

namespace Portal.Core.Catalog;

/// <summary>Nothing new is launched from a template from now on; what was made from it goes on, and starts again. Done twice it changes the words.</summary>
public sealed class DeprecateTemplate(IDbContextFactory<PortalDb> databases)
{
    /// <summary>Most characters of a reason.</summary>
    public const int LongestReason = 400;

    /// <param name="says">Why, and what to take instead: shown to students.</param>
    public async Task<TemplateOutcome> RunAsync(Actor actor, string template, string says, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        return await TemplateDecisions.DecideAsync(db, actor, template, Verb.DeprecateTemplate, async decider =>
        {
            if (!decider.Everywhere) return TemplateRefusal.ConcernsOthers;
            if (says.Trim() is not { Length: > 0 and <= LongestReason } words || words.Contains('\0', StringComparison.Ordinal)) return TemplateRefusal.ReasonMissing;
            await TemplateDecisions.SayLockedAsync(db, template, deprecated: true, words, actor, cancel);
            return null;
        }, cancel);
    }
}
