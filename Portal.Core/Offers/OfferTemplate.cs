using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;
using Portal.Core.People;
using Portal.Core.Policy;

namespace Portal.Core.Offers;

/// <summary>Allows launches of a deprecated template again.</summary>
public sealed class OfferTemplate(IDbContextFactory<PortalDb> databases)
{
    public async Task<TemplateOutcome> RunAsync(Actor actor, string template, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        return await TemplateDecisions.DecideAsync(db, actor, template, Verb.OfferTemplate, async decider =>
        {
            if (!decider.Everywhere) return TemplateRefusal.ConcernsOthers;
            await TemplateDecisions.SayLockedAsync(db, template, deprecated: false, null, actor, cancel);
            return null;
        }, cancel);
    }
}
