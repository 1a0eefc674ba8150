using Microsoft.EntityFrameworkCore;
using Npgsql;
using Portal.Core.People;
using Portal.Core.Quotas;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.TakenOver;

/// <summary>What a compromised web process can still write with its own role, as rows; Jobs refuses each order before anything is made.</summary>
public sealed class ForgedOrdersTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("a size that the version does not have", "size_id = 'enormous'", "", "no size")]
    [InlineData("no quota reserved", "", "skip", "never reserved")]
    [InlineData("less quota reserved than the size needs", "", "small", "never reserved")]
    [InlineData("someone else's quota", "", "other", "never reserved")]
    [InlineData("a work folder larger than the class allows", "folder = 500", "", "larger than the class allows")]
    [InlineData("someone else's work folder", "folder = other", "", "do not belong together")]
    [InlineData("a person outside the class", "person = stranger", "", "no longer belongs")]
    public async Task Order_Forged_IsRefusedBeforeAnythingIsMade(string what, string workspace, string reservation, string cause)
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 2, new(8, 8192, 10, 10), Cancel);
        var id = await ForgeAsync(site, workspace, reservation);
        var acts = 0;
        await using var jobs = site.Process(new ScriptedClouds((_, _) => { Interlocked.Increment(ref acts); return Mood.Well; }), TimeSpan.FromSeconds(4));
        await jobs.UntilSettledAsync(Cancel);
        await using var db = database.Open();
        var run = await db.Runs.SingleAsync(r => r.WorkspaceId == id, Cancel);
        run.Phase.ShouldBe(RunPhase.Failed, what);
        run.FailedStep.ShouldBe(StepKey.CheckOrder);
        run.Cause!.ShouldContain(cause);
        run.Remedy.ShouldNotBeNullOrEmpty();
        (await db.Workspaces.SingleAsync(w => w.Id == id, Cancel)).Generation.ShouldBe(0);
        (await db.CapacityClaims.AnyAsync(c => c.EndedAt == null, Cancel)).ShouldBeFalse();
    }

    [Theory]
    [InlineData("../../etc")]
    [InlineData("UPPERCASE0")]
    [InlineData("a.b.c.d.e.")]
    public async Task Slug_NotOfItsForm_IsRefusedByTheDatabase(string slug)
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        (await Should.ThrowAsync<PostgresException>(() => ForgeAsync(site, $"slug = {slug}", ""))).SqlState.ShouldBe(PostgresErrorCodes.CheckViolation);
    }

    [Fact]
    public async Task Reservation_Negative_IsRefusedByTheDatabase()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        (await Should.ThrowAsync<PostgresException>(() => ForgeAsync(site, "", "negative"))).SqlState.ShouldBe(PostgresErrorCodes.CheckViolation);
    }

    [Fact]
    public async Task RequestedRun_ThatNobodyCanHave_IsDroppedAndDisturbsNothing()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        var order = site.Order(site.Students[0]);
        await site.Get<LaunchWorkspace>().RunAsync(order, Cancel);
        await using (var web = NpgsqlDataSource.Create(database.Web))
        await using (var forge = web.CreateCommand("update portal.workspaces set requested_run = 'Launch'")) await forge.ExecuteNonQueryAsync(Cancel);
        await using var jobs = site.Process(new ScriptedClouds((_, _) => Mood.Well), TimeSpan.FromSeconds(4));
        await jobs.UntilSettledAsync(Cancel);
        await using var db = database.Open();
        (await db.Runs.SingleAsync(Cancel)).Phase.ShouldBe(RunPhase.Succeeded);
        (await db.Workspaces.SingleAsync(Cancel)).RequestedRun.ShouldBeNull();
        // It was admitted like every launch, with its own claim on capacity.
        (await db.CapacityClaims.CountAsync(c => c.EndedAt == null, Cancel)).ShouldBe(1);
    }

    [Fact]
    public async Task RequestedRun_ThatIsNone_IsRefusedByTheDatabase()
    {
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await using var site = await TestSite.CreateAsync(database, 1, new(8, 8192, 10, 10), Cancel);
        await site.Get<LaunchWorkspace>().RunAsync(site.Order(site.Students[0]), Cancel);
        await using var web = NpgsqlDataSource.Create(database.Web);
        await using var forge = web.CreateCommand("update portal.workspaces set requested_run = 'x'");
        (await Should.ThrowAsync<PostgresException>(() => forge.ExecuteNonQueryAsync(Cancel))).SqlState.ShouldBe(PostgresErrorCodes.CheckViolation);
    }

    /// <summary>An order inserted directly as role portal_web: correct except for the given values.</summary>
    private static async Task<Guid> ForgeAsync(TestSite site, string workspace, string reservation)
    {
        var (id, folder) = (TestSite.NewId(), TestSite.NewId());
        var (owner, other) = (site.Students[0], site.Students[^1]);
        var stranger = TestSite.NewId();
        if (workspace == "person = stranger")
        {
            await using var db = site.Database.Open();
            db.Persons.Add(new() { Id = stranger, Issuer = "test", Subject = "stranger", Name = "Stranger" });
            await db.SaveChangesAsync(Cancel);
            owner = stranger;
        }
        await using var web = NpgsqlDataSource.Create(site.Database.Web);
        var folderOwner = workspace == "folder = other" ? other : owner;
        var gib = workspace == "folder = 500" ? 500 : 1;
        var vcpu = reservation switch { "small" => 0, "negative" => -4, _ => 1 };
        var quotaOwner = reservation == "other" ? other : owner;
        await RunAsync("insert into portal.work_folders (id, tenant_id, class_id, person_id, limit_gib) values ($1, $2, $3, $4, $5)", folder,
            site.Tenant, site.Class, folderOwner, gib);
        await RunAsync("""
            insert into portal.workspaces
              (id, slug, tenant_id, class_id, person_id, template_version_id, work_folder_id, name, size_id, end_at)
            values ($1, $2, $3, $4, $5, $6, $7, 'forged', $8, clock_timestamp() + interval '2 hours')
            """,
            id, workspace.StartsWith("slug = ", StringComparison.Ordinal) ? workspace[7..] : WorkspaceName.NewSlug(), site.Tenant, site.Class, owner,
            site.TemplateVersion, folder, workspace.StartsWith("size_id", StringComparison.Ordinal) ? "enormous" : "s");
        if (reservation != "skip")
        {
            await ReserveAsync(ReservationKind.Compute, id, null, vcpu, 1024, 0, 0);
            await ReserveAsync(ReservationKind.Workspace, id, null, 0, 0, 0, 1);
            await ReserveAsync(ReservationKind.Storage, null, folder, 0, 0, gib, 0);
        }
        await RunAsync("insert into portal.runs (workspace_id, number, kind, ordered_by) values ($1, 1, 'Launch', $2)", id, owner);
        return id;

        Task ReserveAsync(ReservationKind kind, Guid? ofWorkspace, Guid? ofFolder, int cpu, int memory, int storage, int workspaces) => RunAsync("""
            insert into portal.reservations
              (tenant_id, class_id, person_id, workspace_id, work_folder_id, kind, vcpu, memory_mib, storage_gib, workspaces, node)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
            """,
            site.Tenant, site.Class, quotaOwner, (object?)ofWorkspace ?? DBNull.Value, (object?)ofFolder ?? DBNull.Value, kind.ToString(), cpu,
            memory, storage, workspaces, kind == ReservationKind.Compute ? "notebook" : "");

        async Task RunAsync(string sql, params object[] values)
        {
            await using var command = web.CreateCommand(sql);
            foreach (var value in values)
                command.Parameters.Add(
                    value is DBNull
                        ? new NpgsqlParameter { Value = value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Uuid }
                        : new NpgsqlParameter { Value = value });
            await command.ExecuteNonQueryAsync(Cancel);
        }
    }
}
