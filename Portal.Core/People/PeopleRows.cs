using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;

namespace Portal.Core.People;

/// <summary>The rows of people and their memberships.</summary>
public static class PeopleRows
{
    extension(PortalDb db)
    {
        public DbSet<Person> Persons => db.Set<Person>();
        public DbSet<Membership> Memberships => db.Set<Membership>();
    }
}
