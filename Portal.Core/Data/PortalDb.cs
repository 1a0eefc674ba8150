using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Audit;
using Portal.Core.Catalog;
using Portal.Core.Classes;
using Portal.Core.Clouds;
using Portal.Core.Data.Maps;
using Portal.Core.Metrics;
using Portal.Core.People;
using Portal.Core.Quotas;
using Portal.Core.Runs;
using Portal.Core.Workspaces;

namespace Portal.Core.Data;

/// <summary>The portal's rows. The migrator owns them; what web and jobs may do with each column is in <see cref="Grants"/>.</summary>
public sealed class PortalDb(DbContextOptions<PortalDb> options) : DbContext(options)
{
    public const string Schema = "portal";

    public DbSet<Tenant> Tenants => Set<Tenant>();
    public DbSet<Class> Classes => Set<Class>();
    public DbSet<Person> Persons => Set<Person>();
    public DbSet<Membership> Memberships => Set<Membership>();
    public DbSet<TemplateVersion> TemplateVersions => Set<TemplateVersion>();
    public DbSet<TemplateOffer> TemplateOffers => Set<TemplateOffer>();
    public DbSet<TemplateClass> TemplateClasses => Set<TemplateClass>();
    public DbSet<TemplateFaultRow> TemplateFaults => Set<TemplateFaultRow>();
    public DbSet<ImageRow> Images => Set<ImageRow>();
    public DbSet<Workspace> Workspaces => Set<Workspace>();
    public DbSet<NodeRow> Nodes => Set<NodeRow>();
    public DbSet<LogLine> LogLines => Set<LogLine>();
    public DbSet<SubnetHold> Subnets => Set<SubnetHold>();
    public DbSet<Run> Runs => Set<Run>();
    public DbSet<RunStep> RunSteps => Set<RunStep>();
    public DbSet<Reservation> Reservations => Set<Reservation>();
    public DbSet<CapacityClaim> CapacityClaims => Set<CapacityClaim>();
    public DbSet<WorkFolder> WorkFolders => Set<WorkFolder>();
    public DbSet<Cloud> Clouds => Set<Cloud>();
    public DbSet<Pool> Pools => Set<Pool>();
    public DbSet<Sample> Samples => Set<Sample>();
    public DbSet<Count> Counts => Set<Count>();
    public DbSet<AuditEntry> Audit => Set<AuditEntry>();
    public DbSet<Session> Sessions => Set<Session>();
    public DbSet<AppTicket> AppTickets => Set<AppTicket>();
    public DbSet<AppSession> AppSessions => Set<AppSession>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.HasDefaultSchema(Schema);
        modelBuilder.HasSequence<int>("person_uid").StartsAt(Person.FirstUid).HasMin(Person.FirstUid).HasMax(Person.LastUid);
        modelBuilder.ApplyConfigurationsFromAssembly(typeof(PortalDb).Assembly);
    }

    protected override void ConfigureConventions(ModelConfigurationBuilder configurationBuilder)
    {
        configurationBuilder.Properties<Enum>().HaveConversion<string>().HaveMaxLength(40);
        configurationBuilder.Properties<StepKey>().HaveConversion<StepNames>().HaveMaxLength(40);
        configurationBuilder.Properties<string>().HaveMaxLength(4000);
    }
}
