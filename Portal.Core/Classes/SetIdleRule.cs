using Microsoft.EntityFrameworkCore;
using Portal.Core.Audit;
using Portal.Core.Data;
using Portal.Core.People;
using Portal.Core.Policy;

namespace Portal.Core.Classes;

public abstract record SetIdleRuleOutcome
{
    private SetIdleRuleOutcome() { }

    public sealed record Accepted : SetIdleRuleOutcome;

    /// <summary>No such class, or none that this actor may set rules for; the caller cannot tell which.</summary>
    public sealed record NotFound : SetIdleRuleOutcome;

    /// <summary>Not between <see cref="IdlePolicy.Shortest"/> and <see cref="IdlePolicy.Longest"/> minutes.</summary>
    public sealed record OutOfRange : SetIdleRuleOutcome;
}

/// <summary>Sets after how many idle minutes the workspaces of a class are stopped, or never. Takes effect immediately, including for running ones.</summary>
public sealed class SetIdleRule(IDbContextFactory<PortalDb> databases)
{
    /// <param name="minutes">Null switches it off.</param>
    public async Task<SetIdleRuleOutcome> RunAsync(Actor actor, Guid classId, int? minutes, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        await using var transaction = await db.Database.BeginTransactionAsync(cancel);
        if (await db.Classes.SingleOrDefaultAsync(c => c.Id == classId, cancel) is not { } @class) return new SetIdleRuleOutcome.NotFound();
        if (!Permissions.May(Verb.SetIdleRule, await db.RolesAsync(actor, @class.TenantId, @class.Id, owner: null, cancel)))
            return new SetIdleRuleOutcome.NotFound();
        if (minutes is < IdlePolicy.Shortest or > IdlePolicy.Longest) return new SetIdleRuleOutcome.OutOfRange();
        @class.IdleMinutes = minutes;
        db.Audit.Add(new() { TenantId = @class.TenantId, ActorId = actor.PersonId, Verb = nameof(SetIdleRule), Outcome = "accepted" });
        await db.SaveChangesAsync(cancel);
        await transaction.CommitAsync(cancel);
        return new SetIdleRuleOutcome.Accepted();
    }
}
