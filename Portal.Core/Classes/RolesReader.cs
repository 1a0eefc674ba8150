using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;
using Portal.Core.People;
using Portal.Core.Policy;

namespace Portal.Core.Classes;

public static class RolesReader
{
    /// <summary>The actor's roles for a thing of this tenant, class and owner, from current memberships.</summary>
    public static async Task<Roles> RolesAsync(this PortalDb db, Actor actor, Guid? tenant, Guid? @class, Guid? owner, CancellationToken cancel)
    {
        var memberships = await db.Memberships.AsNoTracking().Where(m => m.PersonId == actor.PersonId).ToListAsync(cancel);
        return Permissions.RolesOf(actor.PersonId, memberships, tenant, @class, owner);
    }
}
