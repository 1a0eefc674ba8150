using Microsoft.EntityFrameworkCore;
using Npgsql;
using Portal.Core.Data;
using Portal.TestKit;

namespace Portal.IntegrationTests.TakenOver;

public sealed class GrantsDatabase : IAsyncLifetime
{
    public TestDatabase It { get; private set; } = null!;

    public async ValueTask InitializeAsync() => It = await TestDatabase.CreateAsync(TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        if (It is not null) await It.DisposeAsync();
    }
}

/// <summary>The database's grants equal those of the one file, to the column; everything else is refused.</summary>
public sealed class GrantsTests(GrantsDatabase database) : IClassFixture<GrantsDatabase>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Database_AgainstTheGrantsFile_IsTheSame()
    {
        var granted = new SortedSet<string>(StringComparer.Ordinal);
        await using (var source = NpgsqlDataSource.Create(database.It.Admin))
        await using (var read = source.CreateCommand("""
            select grantee || ' ' || lower(privilege_type) || ' ' || table_name || '.' || column_name
              from information_schema.column_privileges where table_schema = 'portal' and grantee in ('portal_web', 'portal_jobs', 'PUBLIC')
            union select grantee || ' ' || lower(privilege_type) || ' ' || table_name from information_schema.table_privileges
              where table_schema = 'portal' and grantee in ('portal_web', 'portal_jobs', 'PUBLIC')
                and privilege_type not in ('SELECT', 'INSERT', 'UPDATE', 'REFERENCES')
            """))
        await using (var rows = await read.ExecuteReaderAsync(Cancel))
            while (await rows.ReadAsync(Cancel)) granted.Add(rows.GetString(0));

        var declared = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var g in Grants.Table)
        {
            var columns = await ColumnsAsync(g.Table);
            columns.ShouldNotBeEmpty(g.Table);
            if (g.Select) declared.UnionWith(columns.Select(c => $"{g.Role} select {g.Table}.{c}"));
            declared.UnionWith((g.Insert is ["*"] ? columns : g.Insert).Select(c => $"{g.Role} insert {g.Table}.{c}"));
            declared.UnionWith((g.Update is ["*"] ? columns : g.Update).Select(c => $"{g.Role} update {g.Table}.{c}"));
            if (g.Delete) declared.Add($"{g.Role} delete {g.Table}");
        }
        granted.Except(declared).ShouldBeEmpty("granted, and not in the file");
        declared.Except(granted).ShouldBeEmpty("in the file, and not granted");
    }

    [Theory]
    [InlineData("update portal.runs set phase = 'Active', version = 99, lease_until = now() + interval '1 day'")]
    [InlineData("update portal.runs set due_at = now()")]
    [InlineData("insert into portal.runs (workspace_id, number, kind, phase) select id, 9, 'Launch', 'Active' from portal.workspaces")]
    [InlineData("insert into portal.runs (workspace_id, number, kind, version) select id, 9, 'Launch', 7 from portal.workspaces")]
    [InlineData("update portal.workspaces set generation = 5")]
    [InlineData("update portal.workspaces set subnet = '127.0.0.0/27'")]
    [InlineData("update portal.persons set uid = 0")]
    [InlineData("insert into portal.persons (id, issuer, subject, name, uid) values (gen_random_uuid(), 'demo', 'x', 'x', 0)")]
    [InlineData("insert into portal.memberships (id, person_id, role) select gen_random_uuid(), id, 'Operator' from portal.persons")]
    [InlineData("insert into portal.template_versions (id, template_id, hash, spec) values (gen_random_uuid(), 'evil', 'x', '{}')")]
    [InlineData("update portal.template_versions set spec = '{}'")]
    [InlineData("update portal.images set reference = 'sha256:evil'")]
    [InlineData("insert into portal.nodes (workspace_id, name) select id, 'x' from portal.workspaces")]
    [InlineData("update portal.nodes set address = '127.0.0.1'")]
    [InlineData("update portal.reservations set ended_at = now()")]
    [InlineData("insert into portal.capacity_claims (workspace_id, run_id, vcpu, memory_mib) values (gen_random_uuid(), 1, 0, 0)")]
    [InlineData("update portal.tenants set pool_key = 'other'")]
    [InlineData("update portal.pools set credential = 'other'")]
    [InlineData("update portal.clouds set launches_at_once = 1000")]
    [InlineData("update portal.classes set limits_vcpu = 1000000")]
    [InlineData("update portal.audit set verb = 'nothing'")]
    [InlineData("delete from portal.audit")]
    [InlineData("truncate portal.audit")]
    [InlineData("create table portal.mine (i int)")]
    [InlineData("create table public.mine (i int)")]
    [InlineData("create schema mine")]
    [InlineData("alter table portal.runs disable trigger all")]
    [InlineData("insert into portal.migrations values ('x', 'y')")]
    [InlineData("set role portal_migrator")]
    [InlineData("set role portal_jobs")]
    [InlineData("select * from hangfire.job")]
    [InlineData("insert into hangfire.jobqueue (jobid, queue) values (1, 'runs')")]
    [InlineData("copy portal.sessions to program 'id'")]
    [InlineData("select pg_read_file('/etc/passwd')")]
    public async Task Web_Forbidden_IsRefused(string sql)
    {
        await using var source = NpgsqlDataSource.Create(database.It.Web);
        await using var command = source.CreateCommand(sql);
        var refused = await Should.ThrowAsync<PostgresException>(() => command.ExecuteNonQueryAsync(Cancel));
        refused.SqlState.ShouldBe(PostgresErrorCodes.InsufficientPrivilege, refused.MessageText);
    }

    [Theory]
    [InlineData("delete from portal.audit")]
    [InlineData("update portal.audit set verb = 'nothing'")]
    [InlineData("update portal.persons set uid = 0")]
    [InlineData("update portal.tenants set pool_key = 'other'")]
    [InlineData("update portal.classes set limits_vcpu = 1000000")]
    [InlineData("create table portal.mine (i int)")]
    public async Task Jobs_Forbidden_IsRefused(string sql)
    {
        await using var source = NpgsqlDataSource.Create(database.It.Jobs);
        await using var command = source.CreateCommand(sql);
        (await Should.ThrowAsync<PostgresException>(() => command.ExecuteNonQueryAsync(Cancel))).SqlState.ShouldBe(PostgresErrorCodes.InsufficientPrivilege);
    }

    [Fact]
    public async Task Model_AgainstMigrations_HasNoPendingChanges()
    {
        await using var db = database.It.Open();
        db.Database.HasPendingModelChanges().ShouldBeFalse();
    }

    [Fact]
    public async Task ForeignKeys_Each_HasAnIndex()
    {
        await using var source = NpgsqlDataSource.Create(database.It.Admin);
        await using var read = source.CreateCommand("""
            select c.conrelid::regclass || ' ' || c.conname from pg_constraint c
            where c.contype = 'f' and c.connamespace = 'portal'::regnamespace
              and not exists (select 1 from pg_index i where i.indrelid = c.conrelid and (i.indkey::int2[])[0:0] = c.conkey[1:1])
            """);
        var bare = new List<string>();
        await using var rows = await read.ExecuteReaderAsync(Cancel);
        while (await rows.ReadAsync(Cancel)) bare.Add(rows.GetString(0));
        bare.ShouldBeEmpty();
    }

    private async Task<IReadOnlyList<string>> ColumnsAsync(string table)
    {
        await using var source = NpgsqlDataSource.Create(database.It.Admin);
        await using var read = source.CreateCommand("select column_name from information_schema.columns where table_schema = 'portal' and table_name = $1");
        read.Parameters.Add(new() { Value = table });
        var columns = new List<string>();
        await using var rows = await read.ExecuteReaderAsync(Cancel);
        while (await rows.ReadAsync(Cancel)) columns.Add(rows.GetString(0));
        return columns;
    }
}
