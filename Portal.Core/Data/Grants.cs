using System.Globalization;
using System.Text;

namespace Portal.Core.Data;

/// <summary>
/// Table × column × role: everything that the roles of web and Jobs may do. Nothing else is granted, and a test compares this with the database.
/// The web may insert orders and requested runs; it may never write a run's phase, lease or version, a person's uid, a template's text or an address.
/// </summary>
public static class Grants
{
    public const string Web = "portal_web", Jobs = "portal_jobs", Migrator = "portal_migrator";

    /// <param name="Insert">Columns; empty for none, "*" for all.</param>
    /// <param name="Update">Columns; empty for none, "*" for all.</param>
    public sealed record Grant(string Table, string Role, bool Select, string[] Insert, string[] Update, bool Delete);

    private static readonly string[] None = [], All = ["*"];

    public static readonly IReadOnlyList<Grant> Table =
    [
        Reads("tenants", Web), Reads("tenants", Jobs),
        new("classes", Web, true, None, ["idle_minutes"], false), Reads("classes", Jobs),
        Reads("persons", Web), Reads("persons", Jobs),
        Reads("memberships", Web), Reads("memberships", Jobs),
        Reads("template_versions", Web), new("template_versions", Jobs, true, All, ["retired"], false),
        Reads("images", Web), new("images", Jobs, true, All, All, true),
        new("workspaces", Web, true,
            ["id", "slug", "tenant_id", "class_id", "person_id", "template_version_id", "work_folder_id", "name", "size_id", "workers", "parameters",
                "end_at", "run_for", "requested_run", "requested_by", "keep_until"],
            ["requested_run", "requested_by", "end_at", "run_for", "keep_until"], false),
        new("workspaces", Jobs, true, None,
            ["requested_run", "requested_by", "generation", "subnet", "deleted_at", "size_id", "workers", "template_version_id", "without_settings",
                "active_at", "active_by",
                "keep_until", "end_at", "run_for"],
            false),
        Reads("nodes", Web), new("nodes", Jobs, true, All, All, true),
        new("log_lines", Web, true, ["workspace_id", "run_id", "severity", "text"], None, false),
        new("log_lines", Jobs, true, ["workspace_id", "run_id", "severity", "text"], None, true),
        Reads("subnets", Web), new("subnets", Jobs, true, ["block", "workspace_id"], ["released_at"], true),
        new("runs", Web, true, ["workspace_id", "number", "kind", "ordered_by", "size_id", "workers", "template_version_id", "without_settings"], None, false),
        new("runs", Jobs, true, ["workspace_id", "number", "kind", "ordered_by"],
            ["phase", "done_step", "releasing", "version", "due_at", "lease_until", "owner", "attempts", "message", "cause", "remedy", "failed_step",
                "admitted_at", "ended_at"], false),
        Reads("run_steps", Web), new("run_steps", Jobs, true, All, All, false),
        new("reservations", Web, true, ["tenant_id", "class_id", "person_id", "workspace_id", "work_folder_id", "kind", "node", "vcpu", "memory_mib",
            "storage_gib", "workspaces"], None, false),
        new("reservations", Jobs, true, None, ["ended_at"], false),
        Reads("capacity_claims", Web),
        new("capacity_claims", Jobs, true, ["pool_key", "workspace_id", "run_id", "node", "vcpu", "memory_mib"], ["ended_at"], false),
        new("work_folders", Web, true, ["id", "tenant_id", "class_id", "person_id", "limit_gib"], None, false),
        new("work_folders", Jobs, true, None, ["used_bytes", "seen_at"], false),
        Reads("clouds", Web), new("clouds", Jobs, true, All, All, false),
        Reads("pools", Web), new("pools", Jobs, true, All, All, false),
        new("audit", Web, true, ["tenant_id", "actor_id", "verb", "workspace_id", "outcome"], None, false),
        new("audit", Jobs, true, ["tenant_id", "actor_id", "verb", "workspace_id", "outcome"], None, false),
        new("sessions", Web, true, ["hash", "person_id", "expires_at"], ["expires_at"], true),
        new("sessions", Jobs, true, None, None, true),
        new("app_tickets", Web, true, All, ["spent_at"], true),
        new("app_tickets", Jobs, true, All, None, true),
        new("app_sessions", Web, true, All, None, true),
        new("app_sessions", Jobs, true, None, None, true),
        Reads("samples", Web), new("samples", Jobs, true, All, None, true),
        Reads("counts", Web), new("counts", Jobs, true, All, None, true),
        new("template_offers", Web, true, All, ["deprecated", "reason", "changed_by", "changed_at"], false), Reads("template_offers", Jobs),
        new("template_classes", Web, true, All, None, true), Reads("template_classes", Jobs),
        Reads("template_faults", Web), new("template_faults", Jobs, true, All, All, true),
        Reads("migrations", Web), Reads("migrations", Jobs),
    ];

    /// <summary>What the migrator runs after every migration: revokes everything, then grants exactly this.</summary>
    public static string Sql()
    {
        var sql = new StringBuilder();
        foreach (var role in (string[])[Web, Jobs])
        {
            sql.AppendLine(CultureInfo.InvariantCulture, $"revoke all on all tables in schema {PortalDb.Schema} from {role};");
            sql.AppendLine(CultureInfo.InvariantCulture, $"revoke all on all sequences in schema {PortalDb.Schema} from {role};");
            sql.AppendLine(CultureInfo.InvariantCulture, $"grant usage on schema {PortalDb.Schema} to {role};");
        }
        foreach (var g in Table)
        {
            if (g.Select) sql.AppendLine(CultureInfo.InvariantCulture, $"grant select on {PortalDb.Schema}.{g.Table} to {g.Role};");
            if (g.Insert.Length > 0)
                sql.AppendLine(CultureInfo.InvariantCulture, $"grant insert{Columns(g.Insert)} on {PortalDb.Schema}.{g.Table} to {g.Role};");
            if (g.Update.Length > 0)
                sql.AppendLine(CultureInfo.InvariantCulture, $"grant update{Columns(g.Update)} on {PortalDb.Schema}.{g.Table} to {g.Role};");
            if (g.Delete) sql.AppendLine(CultureInfo.InvariantCulture, $"grant delete on {PortalDb.Schema}.{g.Table} to {g.Role};");
        }
        return sql.ToString();
    }

    private static string Columns(string[] columns) => columns is ["*"] ? "" : $" ({string.Join(", ", columns)})";

    private static Grant Reads(string table, string role) => new(table, role, true, None, None, false);
}
