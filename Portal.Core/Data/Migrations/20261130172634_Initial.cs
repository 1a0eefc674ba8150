using System;
using Microsoft.EntityFrameworkCore.Migrations;
using Npgsql.EntityFrameworkCore.PostgreSQL.Metadata;

#nullable disable

namespace Portal.Core.Data.Migrations
{
    /// <inheritdoc />
    public partial class Initial : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.EnsureSchema(
                name: "portal");

            migrationBuilder.CreateSequence<int>(
                name: "person_uid",
                schema: "portal",
                startValue: 2000000L,
                minValue: 2000000L,
                maxValue: 2999999L);

            migrationBuilder.CreateTable(
                name: "audit",
                schema: "portal",
                columns: table => new
                {
                    id = table.Column<long>(type: "bigint", nullable: false)
                        .Annotation("Npgsql:ValueGenerationStrategy", NpgsqlValueGenerationStrategy.IdentityAlwaysColumn),
                    at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false, defaultValueSql: "clock_timestamp()"),
                    tenant_id = table.Column<Guid>(type: "uuid", nullable: true),
                    actor_id = table.Column<Guid>(type: "uuid", nullable: true),
                    verb = table.Column<string>(type: "character varying(60)", maxLength: 60, nullable: false),
                    workspace_id = table.Column<Guid>(type: "uuid", nullable: true),
                    outcome = table.Column<string>(type: "character varying(4000)", maxLength: 4000, nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_audit", x => x.id);
                });

            migrationBuilder.CreateTable(
                name: "clouds",
                schema: "portal",
                columns: table => new
                {
                    key = table.Column<string>(type: "character varying(40)", maxLength: 40, nullable: false),
                    kind = table.Column<string>(type: "character varying(40)", maxLength: 40, nullable: false),
                    title = table.Column<string>(type: "character varying(100)", maxLength: 100, nullable: false),
                    launches_at_once = table.Column<int>(type: "integer", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_clouds", x => x.key);
                });

            migrationBuilder.CreateTable(
                name: "images",
                schema: "portal",
                columns: table => new
                {
                    pool_key = table.Column<string>(type: "character varying(100)", maxLength: 100, nullable: false),
                    name = table.Column<string>(type: "character varying(40)", maxLength: 40, nullable: false),
                    state = table.Column<string>(type: "character varying(40)", maxLength: 40, nullable: false),
                    tag = table.Column<string>(type: "character varying(4000)", maxLength: 4000, nullable: true),
                    reference = table.Column<string>(type: "character varying(4000)", maxLength: 4000, nullable: true),
                    percent = table.Column<int>(type: "integer", nullable: false),
                    message = table.Column<string>(type: "character varying(4000)", maxLength: 4000, nullable: true),
                    remedy = table.Column<string>(type: "character varying(4000)", maxLength: 4000, nullable: true),
                    updated_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_images", x => new { x.pool_key, x.name });
                });

            migrationBuilder.CreateTable(
                name: "persons",
                schema: "portal",
                columns: table => new
                {
                    id = table.Column<Guid>(type: "uuid", nullable: false),
                    issuer = table.Column<string>(type: "character varying(200)", maxLength: 200, nullable: false),
                    subject = table.Column<string>(type: "character varying(200)", maxLength: 200, nullable: false),
                    name = table.Column<string>(type: "character varying(200)", maxLength: 200, nullable: false),
                    uid = table.Column<int>(type: "integer", nullable: false, defaultValueSql: "nextval('portal.person_uid')::int"),
                    created_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false, defaultValueSql: "clock_timestamp()")
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_persons", x => x.id);
                    table.CheckConstraint("uid_range", "uid between 2000000 and 2999999");
                });

            migrationBuilder.CreateTable(
                name: "template_faults",
                schema: "portal",
                columns: table => new
                {
                    file = table.Column<string>(type: "character varying(400)", maxLength: 400, nullable: false),
                    line = table.Column<long>(type: "bigint", nullable: false),
                    field = table.Column<string>(type: "character varying(4000)", maxLength: 4000, nullable: false),
                    reason = table.Column<string>(type: "character varying(4000)", maxLength: 4000, nullable: false),
                    seen_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_template_faults", x => x.file);
                });

            migrationBuilder.CreateTable(
                name: "template_offers",
                schema: "portal",
                columns: table => new
                {
                    template_id = table.Column<string>(type: "character varying(40)", maxLength: 40, nullable: false),
                    deprecated = table.Column<bool>(type: "boolean", nullable: false),
                    reason = table.Column<string>(type: "character varying(4000)", maxLength: 4000, nullable: true),
                    changed_by = table.Column<Guid>(type: "uuid", nullable: true),
                    changed_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_template_offers", x => x.template_id);
                });

            migrationBuilder.CreateTable(
                name: "template_versions",
                schema: "portal",
                columns: table => new
                {
                    id = table.Column<Guid>(type: "uuid", nullable: false),
                    template_id = table.Column<string>(type: "character varying(40)", maxLength: 40, nullable: false),
                    hash = table.Column<string>(type: "character varying(64)", maxLength: 64, nullable: false),
                    spec = table.Column<string>(type: "jsonb", nullable: false),
                    guide = table.Column<string>(type: "text", nullable: false, defaultValue: ""),
                    published_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false, defaultValueSql: "clock_timestamp()"),
                    retired = table.Column<bool>(type: "boolean", nullable: false, defaultValueSql: "false")
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_template_versions", x => x.id);
                });

            migrationBuilder.CreateTable(
                name: "pools",
                schema: "portal",
                columns: table => new
                {
                    key = table.Column<string>(type: "character varying(100)", maxLength: 100, nullable: false),
                    cloud_key = table.Column<string>(type: "character varying(40)", maxLength: 40, nullable: false),
                    credential = table.Column<string>(type: "character varying(40)", maxLength: 40, nullable: true),
                    title = table.Column<string>(type: "character varying(100)", maxLength: 100, nullable: false),
                    egress = table.Column<string>(type: "character varying(4000)", maxLength: 4000, nullable: false),
                    seen_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                    capacity_vcpu = table.Column<int>(type: "integer", nullable: false),
                    capacity_memory_mib = table.Column<int>(type: "integer", nullable: false),
                    node_vcpu = table.Column<int>(type: "integer", nullable: false),
                    node_memory_mib = table.Column<int>(type: "integer", nullable: false),
                    machines = table.Column<string>(type: "jsonb", nullable: false, defaultValueSql: "'{\"flavors\":[],\"overheadMib\":0}'"),
                    storage_total_bytes = table.Column<long>(type: "bigint", nullable: false),
                    storage_free_bytes = table.Column<long>(type: "bigint", nullable: false),
                    storage_written_bytes = table.Column<long>(type: "bigint", nullable: false),
                    blocks_enforced = table.Column<bool>(type: "boolean", nullable: false),
                    storage_reserve_bytes = table.Column<long>(type: "bigint", nullable: false),
                    clusters_message = table.Column<string>(type: "character varying(4000)", maxLength: 4000, nullable: false),
                    clusters_ok = table.Column<bool>(type: "boolean", nullable: false),
                    clusters_remedy = table.Column<string>(type: "character varying(4000)", maxLength: 4000, nullable: true),
                    storage_message = table.Column<string>(type: "character varying(4000)", maxLength: 4000, nullable: false),
                    storage_ok = table.Column<bool>(type: "boolean", nullable: false),
                    storage_remedy = table.Column<string>(type: "character varying(4000)", maxLength: 4000, nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_pools", x => x.key);
                    table.ForeignKey(
                        name: "fk_pools_clouds_cloud_key",
                        column: x => x.cloud_key,
                        principalSchema: "portal",
                        principalTable: "clouds",
                        principalColumn: "key",
                        onDelete: ReferentialAction.Restrict);
                });

            migrationBuilder.CreateTable(
                name: "sessions",
                schema: "portal",
                columns: table => new
                {
                    hash = table.Column<string>(type: "character varying(64)", maxLength: 64, nullable: false),
                    person_id = table.Column<Guid>(type: "uuid", nullable: false),
                    created_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false, defaultValueSql: "clock_timestamp()"),
                    expires_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_sessions", x => x.hash);
                    table.ForeignKey(
                        name: "fk_sessions_persons_person_id",
                        column: x => x.person_id,
                        principalSchema: "portal",
                        principalTable: "persons",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Cascade);
                });

            migrationBuilder.CreateTable(
                name: "tenants",
                schema: "portal",
                columns: table => new
                {
                    id = table.Column<Guid>(type: "uuid", nullable: false),
                    slug = table.Column<string>(type: "character varying(40)", maxLength: 40, nullable: false),
                    name = table.Column<string>(type: "character varying(200)", maxLength: 200, nullable: false),
                    pool_key = table.Column<string>(type: "character varying(100)", maxLength: 100, nullable: false),
                    limits_memory_mib = table.Column<int>(type: "integer", nullable: false),
                    limits_storage_gib = table.Column<int>(type: "integer", nullable: false),
                    limits_vcpu = table.Column<int>(type: "integer", nullable: false),
                    limits_workspaces = table.Column<int>(type: "integer", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_tenants", x => x.id);
                    table.ForeignKey(
                        name: "fk_tenants_pools_pool_key",
                        column: x => x.pool_key,
                        principalSchema: "portal",
                        principalTable: "pools",
                        principalColumn: "key",
                        onDelete: ReferentialAction.Restrict);
                });

            migrationBuilder.CreateTable(
                name: "classes",
                schema: "portal",
                columns: table => new
                {
                    id = table.Column<Guid>(type: "uuid", nullable: false),
                    tenant_id = table.Column<Guid>(type: "uuid", nullable: false),
                    slug = table.Column<string>(type: "character varying(40)", maxLength: 40, nullable: false),
                    title = table.Column<string>(type: "character varying(200)", maxLength: 200, nullable: false),
                    work_folder_gib = table.Column<int>(type: "integer", nullable: false),
                    idle_minutes = table.Column<int>(type: "integer", nullable: true),
                    longest_hours = table.Column<int>(type: "integer", nullable: false),
                    limits_memory_mib = table.Column<int>(type: "integer", nullable: false),
                    limits_storage_gib = table.Column<int>(type: "integer", nullable: false),
                    limits_vcpu = table.Column<int>(type: "integer", nullable: false),
                    limits_workspaces = table.Column<int>(type: "integer", nullable: false),
                    member_limits_memory_mib = table.Column<int>(type: "integer", nullable: false),
                    member_limits_storage_gib = table.Column<int>(type: "integer", nullable: false),
                    member_limits_vcpu = table.Column<int>(type: "integer", nullable: false),
                    member_limits_workspaces = table.Column<int>(type: "integer", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_classes", x => x.id);
                    table.ForeignKey(
                        name: "fk_classes_tenants_tenant_id",
                        column: x => x.tenant_id,
                        principalSchema: "portal",
                        principalTable: "tenants",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Restrict);
                });

            migrationBuilder.CreateTable(
                name: "memberships",
                schema: "portal",
                columns: table => new
                {
                    id = table.Column<Guid>(type: "uuid", nullable: false),
                    person_id = table.Column<Guid>(type: "uuid", nullable: false),
                    tenant_id = table.Column<Guid>(type: "uuid", nullable: true),
                    class_id = table.Column<Guid>(type: "uuid", nullable: true),
                    role = table.Column<string>(type: "character varying(40)", maxLength: 40, nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_memberships", x => x.id);
                    table.CheckConstraint("role_place", "(role = 'Operator') = (tenant_id is null) and (role in ('Operator', 'TenantAdmin')) = (class_id is null)");
                    table.ForeignKey(
                        name: "fk_memberships_classes_class_id",
                        column: x => x.class_id,
                        principalSchema: "portal",
                        principalTable: "classes",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Restrict);
                    table.ForeignKey(
                        name: "fk_memberships_persons_person_id",
                        column: x => x.person_id,
                        principalSchema: "portal",
                        principalTable: "persons",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Restrict);
                    table.ForeignKey(
                        name: "fk_memberships_tenants_tenant_id",
                        column: x => x.tenant_id,
                        principalSchema: "portal",
                        principalTable: "tenants",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Restrict);
                });

            migrationBuilder.CreateTable(
                name: "template_classes",
                schema: "portal",
                columns: table => new
                {
                    template_id = table.Column<string>(type: "character varying(40)", maxLength: 40, nullable: false),
                    class_id = table.Column<Guid>(type: "uuid", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_template_classes", x => new { x.template_id, x.class_id });
                    table.ForeignKey(
                        name: "fk_template_classes_classes_class_id",
                        column: x => x.class_id,
                        principalSchema: "portal",
                        principalTable: "classes",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Cascade);
                });

            migrationBuilder.CreateTable(
                name: "work_folders",
                schema: "portal",
                columns: table => new
                {
                    id = table.Column<Guid>(type: "uuid", nullable: false),
                    tenant_id = table.Column<Guid>(type: "uuid", nullable: false),
                    class_id = table.Column<Guid>(type: "uuid", nullable: false),
                    person_id = table.Column<Guid>(type: "uuid", nullable: false),
                    limit_gib = table.Column<int>(type: "integer", nullable: false),
                    used_bytes = table.Column<long>(type: "bigint", nullable: true, defaultValueSql: "null"),
                    seen_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_work_folders", x => x.id);
                    table.CheckConstraint("limit_range", "limit_gib between 1 and 100000");
                    table.ForeignKey(
                        name: "fk_work_folders_classes_class_id",
                        column: x => x.class_id,
                        principalSchema: "portal",
                        principalTable: "classes",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Restrict);
                    table.ForeignKey(
                        name: "fk_work_folders_persons_person_id",
                        column: x => x.person_id,
                        principalSchema: "portal",
                        principalTable: "persons",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Restrict);
                    table.ForeignKey(
                        name: "fk_work_folders_tenants_tenant_id",
                        column: x => x.tenant_id,
                        principalSchema: "portal",
                        principalTable: "tenants",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Restrict);
                });

            migrationBuilder.CreateTable(
                name: "workspaces",
                schema: "portal",
                columns: table => new
                {
                    id = table.Column<Guid>(type: "uuid", nullable: false),
                    slug = table.Column<string>(type: "character varying(10)", maxLength: 10, nullable: false),
                    tenant_id = table.Column<Guid>(type: "uuid", nullable: false),
                    class_id = table.Column<Guid>(type: "uuid", nullable: false),
                    person_id = table.Column<Guid>(type: "uuid", nullable: false),
                    template_version_id = table.Column<Guid>(type: "uuid", nullable: false),
                    work_folder_id = table.Column<Guid>(type: "uuid", nullable: false),
                    name = table.Column<string>(type: "character varying(40)", maxLength: 40, nullable: false),
                    size_id = table.Column<string>(type: "character varying(20)", maxLength: 20, nullable: false),
                    workers = table.Column<int>(type: "integer", nullable: false, defaultValue: 0),
                    parameters = table.Column<string>(type: "jsonb", nullable: false, defaultValueSql: "'{}'"),
                    created_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false, defaultValueSql: "clock_timestamp()"),
                    end_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    run_for = table.Column<TimeSpan>(type: "interval", nullable: true),
                    requested_run = table.Column<string>(type: "character varying(40)", maxLength: 40, nullable: true),
                    requested_by = table.Column<Guid>(type: "uuid", nullable: true),
                    keep_until = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                    generation = table.Column<int>(type: "integer", nullable: false, defaultValueSql: "0"),
                    without_settings = table.Column<bool>(type: "boolean", nullable: false, defaultValueSql: "false"),
                    subnet = table.Column<string>(type: "character varying(4000)", maxLength: 4000, nullable: true),
                    active_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                    active_by = table.Column<string>(type: "character varying(4000)", maxLength: 4000, nullable: true),
                    deleted_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_workspaces", x => x.id);
                    table.CheckConstraint("requested_run_known", "requested_run in ('Launch', 'Start', 'Stop', 'Delete', 'Resize')");
                    table.CheckConstraint("slug_form", "slug ~ '^[a-z][a-z0-9]{9}$'");
                    table.ForeignKey(
                        name: "fk_workspaces_classes_class_id",
                        column: x => x.class_id,
                        principalSchema: "portal",
                        principalTable: "classes",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Restrict);
                    table.ForeignKey(
                        name: "fk_workspaces_persons_person_id",
                        column: x => x.person_id,
                        principalSchema: "portal",
                        principalTable: "persons",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Restrict);
                    table.ForeignKey(
                        name: "fk_workspaces_template_versions_template_version_id",
                        column: x => x.template_version_id,
                        principalSchema: "portal",
                        principalTable: "template_versions",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Restrict);
                    table.ForeignKey(
                        name: "fk_workspaces_tenants_tenant_id",
                        column: x => x.tenant_id,
                        principalSchema: "portal",
                        principalTable: "tenants",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Restrict);
                    table.ForeignKey(
                        name: "fk_workspaces_work_folders_work_folder_id",
                        column: x => x.work_folder_id,
                        principalSchema: "portal",
                        principalTable: "work_folders",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Restrict);
                });

            migrationBuilder.CreateTable(
                name: "app_sessions",
                schema: "portal",
                columns: table => new
                {
                    hash = table.Column<string>(type: "character varying(64)", maxLength: 64, nullable: false),
                    workspace_id = table.Column<Guid>(type: "uuid", nullable: false),
                    generation = table.Column<int>(type: "integer", nullable: false),
                    app = table.Column<string>(type: "character varying(40)", maxLength: 40, nullable: false),
                    person_id = table.Column<Guid>(type: "uuid", nullable: false),
                    session_hash = table.Column<string>(type: "character varying(64)", maxLength: 64, nullable: true),
                    expires_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_app_sessions", x => x.hash);
                    table.ForeignKey(
                        name: "fk_app_sessions_persons_person_id",
                        column: x => x.person_id,
                        principalSchema: "portal",
                        principalTable: "persons",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Cascade);
                    table.ForeignKey(
                        name: "fk_app_sessions_workspaces_workspace_id",
                        column: x => x.workspace_id,
                        principalSchema: "portal",
                        principalTable: "workspaces",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Cascade);
                });

            migrationBuilder.CreateTable(
                name: "app_tickets",
                schema: "portal",
                columns: table => new
                {
                    hash = table.Column<string>(type: "character varying(64)", maxLength: 64, nullable: false),
                    workspace_id = table.Column<Guid>(type: "uuid", nullable: false),
                    app = table.Column<string>(type: "character varying(40)", maxLength: 40, nullable: false),
                    person_id = table.Column<Guid>(type: "uuid", nullable: false),
                    session_hash = table.Column<string>(type: "character varying(64)", maxLength: 64, nullable: true),
                    expires_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    spent_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_app_tickets", x => x.hash);
                    table.ForeignKey(
                        name: "fk_app_tickets_persons_person_id",
                        column: x => x.person_id,
                        principalSchema: "portal",
                        principalTable: "persons",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Cascade);
                    table.ForeignKey(
                        name: "fk_app_tickets_workspaces_workspace_id",
                        column: x => x.workspace_id,
                        principalSchema: "portal",
                        principalTable: "workspaces",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Cascade);
                });

            migrationBuilder.CreateTable(
                name: "counts",
                schema: "portal",
                columns: table => new
                {
                    workspace_id = table.Column<Guid>(type: "uuid", nullable: false),
                    name = table.Column<string>(type: "character varying(40)", maxLength: 40, nullable: false),
                    at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    span = table.Column<int>(type: "integer", nullable: false),
                    value = table.Column<double>(type: "double precision", nullable: false),
                    most = table.Column<double>(type: "double precision", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_counts", x => new { x.workspace_id, x.span, x.at, x.name });
                    table.ForeignKey(
                        name: "fk_counts_workspaces_workspace_id",
                        column: x => x.workspace_id,
                        principalSchema: "portal",
                        principalTable: "workspaces",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Cascade);
                });

            migrationBuilder.CreateTable(
                name: "nodes",
                schema: "portal",
                columns: table => new
                {
                    workspace_id = table.Column<Guid>(type: "uuid", nullable: false),
                    name = table.Column<string>(type: "character varying(40)", maxLength: 40, nullable: false),
                    role = table.Column<string>(type: "character varying(4000)", maxLength: 4000, nullable: false),
                    generation = table.Column<int>(type: "integer", nullable: false),
                    running = table.Column<bool>(type: "boolean", nullable: false),
                    address = table.Column<string>(type: "character varying(4000)", maxLength: 4000, nullable: true),
                    mapped_ports = table.Column<string[]>(type: "text[]", nullable: false),
                    exit_code = table.Column<int>(type: "integer", nullable: true),
                    out_of_memory_kills = table.Column<long>(type: "bigint", nullable: false),
                    cpu_history = table.Column<double[]>(type: "double precision[]", nullable: false),
                    memory_bytes = table.Column<long>(type: "bigint", nullable: false),
                    memory_limit_bytes = table.Column<long>(type: "bigint", nullable: false),
                    throttled = table.Column<double>(type: "double precision", nullable: false),
                    pids = table.Column<int>(type: "integer", nullable: false),
                    restarts = table.Column<int>(type: "integer", nullable: false, defaultValue: 0),
                    scratch_bytes = table.Column<long>(type: "bigint", nullable: true),
                    seen_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_nodes", x => new { x.workspace_id, x.name });
                    table.ForeignKey(
                        name: "fk_nodes_workspaces_workspace_id",
                        column: x => x.workspace_id,
                        principalSchema: "portal",
                        principalTable: "workspaces",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Cascade);
                });

            migrationBuilder.CreateTable(
                name: "reservations",
                schema: "portal",
                columns: table => new
                {
                    id = table.Column<long>(type: "bigint", nullable: false)
                        .Annotation("Npgsql:ValueGenerationStrategy", NpgsqlValueGenerationStrategy.IdentityAlwaysColumn),
                    tenant_id = table.Column<Guid>(type: "uuid", nullable: false),
                    class_id = table.Column<Guid>(type: "uuid", nullable: false),
                    person_id = table.Column<Guid>(type: "uuid", nullable: false),
                    workspace_id = table.Column<Guid>(type: "uuid", nullable: true),
                    work_folder_id = table.Column<Guid>(type: "uuid", nullable: true),
                    kind = table.Column<string>(type: "character varying(40)", maxLength: 40, nullable: false),
                    node = table.Column<string>(type: "character varying(40)", maxLength: 40, nullable: false, defaultValue: ""),
                    vcpu = table.Column<int>(type: "integer", nullable: false),
                    memory_mib = table.Column<int>(type: "integer", nullable: false),
                    storage_gib = table.Column<int>(type: "integer", nullable: false),
                    workspaces = table.Column<int>(type: "integer", nullable: false),
                    created_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false, defaultValueSql: "clock_timestamp()"),
                    ended_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_reservations", x => x.id);
                    table.CheckConstraint("amounts", "vcpu >= 0 and memory_mib >= 0 and storage_gib >= 0 and workspaces >= 0");
                    table.ForeignKey(
                        name: "fk_reservations_classes_class_id",
                        column: x => x.class_id,
                        principalSchema: "portal",
                        principalTable: "classes",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Restrict);
                    table.ForeignKey(
                        name: "fk_reservations_persons_person_id",
                        column: x => x.person_id,
                        principalSchema: "portal",
                        principalTable: "persons",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Restrict);
                    table.ForeignKey(
                        name: "fk_reservations_tenants_tenant_id",
                        column: x => x.tenant_id,
                        principalSchema: "portal",
                        principalTable: "tenants",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Restrict);
                    table.ForeignKey(
                        name: "fk_reservations_work_folders_work_folder_id",
                        column: x => x.work_folder_id,
                        principalSchema: "portal",
                        principalTable: "work_folders",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Restrict);
                    table.ForeignKey(
                        name: "fk_reservations_workspaces_workspace_id",
                        column: x => x.workspace_id,
                        principalSchema: "portal",
                        principalTable: "workspaces",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Restrict);
                });

            migrationBuilder.CreateTable(
                name: "runs",
                schema: "portal",
                columns: table => new
                {
                    id = table.Column<long>(type: "bigint", nullable: false)
                        .Annotation("Npgsql:ValueGenerationStrategy", NpgsqlValueGenerationStrategy.IdentityAlwaysColumn),
                    workspace_id = table.Column<Guid>(type: "uuid", nullable: false),
                    number = table.Column<int>(type: "integer", nullable: false),
                    kind = table.Column<string>(type: "character varying(40)", maxLength: 40, nullable: false),
                    ordered_by = table.Column<Guid>(type: "uuid", nullable: true),
                    size_id = table.Column<string>(type: "character varying(20)", maxLength: 20, nullable: true),
                    workers = table.Column<int>(type: "integer", nullable: true),
                    template_version_id = table.Column<Guid>(type: "uuid", nullable: true),
                    without_settings = table.Column<bool>(type: "boolean", nullable: false, defaultValue: false),
                    phase = table.Column<string>(type: "character varying(40)", maxLength: 40, nullable: false, defaultValueSql: "'Queued'"),
                    done_step = table.Column<string>(type: "character varying(40)", maxLength: 40, nullable: true),
                    releasing = table.Column<bool>(type: "boolean", nullable: false, defaultValueSql: "false"),
                    version = table.Column<long>(type: "bigint", nullable: false, defaultValueSql: "0"),
                    due_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false, defaultValueSql: "clock_timestamp()"),
                    lease_until = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                    owner = table.Column<string>(type: "character varying(4000)", maxLength: 4000, nullable: true),
                    attempts = table.Column<int>(type: "integer", nullable: false, defaultValueSql: "0"),
                    message = table.Column<string>(type: "character varying(4000)", maxLength: 4000, nullable: true),
                    cause = table.Column<string>(type: "character varying(4000)", maxLength: 4000, nullable: true),
                    remedy = table.Column<string>(type: "character varying(4000)", maxLength: 4000, nullable: true),
                    failed_step = table.Column<string>(type: "character varying(40)", maxLength: 40, nullable: true),
                    created_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false, defaultValueSql: "clock_timestamp()"),
                    admitted_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                    ended_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_runs", x => x.id);
                    table.ForeignKey(
                        name: "fk_runs_template_versions_template_version_id",
                        column: x => x.template_version_id,
                        principalSchema: "portal",
                        principalTable: "template_versions",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Restrict);
                    table.ForeignKey(
                        name: "fk_runs_workspaces_workspace_id",
                        column: x => x.workspace_id,
                        principalSchema: "portal",
                        principalTable: "workspaces",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Cascade);
                });

            migrationBuilder.CreateTable(
                name: "samples",
                schema: "portal",
                columns: table => new
                {
                    workspace_id = table.Column<Guid>(type: "uuid", nullable: false),
                    node = table.Column<string>(type: "character varying(40)", maxLength: 40, nullable: false),
                    at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    span = table.Column<int>(type: "integer", nullable: false),
                    cpu = table.Column<double>(type: "double precision", nullable: false),
                    cpu_most = table.Column<double>(type: "double precision", nullable: false),
                    throttled = table.Column<double>(type: "double precision", nullable: false),
                    memory_bytes = table.Column<long>(type: "bigint", nullable: false),
                    memory_most = table.Column<long>(type: "bigint", nullable: false),
                    memory_limit_bytes = table.Column<long>(type: "bigint", nullable: false),
                    out_of_memory_kills = table.Column<long>(type: "bigint", nullable: false),
                    restarts = table.Column<int>(type: "integer", nullable: false),
                    pids = table.Column<int>(type: "integer", nullable: false),
                    net_in = table.Column<long>(type: "bigint", nullable: false),
                    net_out = table.Column<long>(type: "bigint", nullable: false),
                    disk_read = table.Column<long>(type: "bigint", nullable: false),
                    disk_written = table.Column<long>(type: "bigint", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_samples", x => new { x.workspace_id, x.span, x.at, x.node });
                    table.ForeignKey(
                        name: "fk_samples_workspaces_workspace_id",
                        column: x => x.workspace_id,
                        principalSchema: "portal",
                        principalTable: "workspaces",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Cascade);
                });

            migrationBuilder.CreateTable(
                name: "subnets",
                schema: "portal",
                columns: table => new
                {
                    id = table.Column<long>(type: "bigint", nullable: false)
                        .Annotation("Npgsql:ValueGenerationStrategy", NpgsqlValueGenerationStrategy.IdentityAlwaysColumn),
                    block = table.Column<string>(type: "character varying(20)", maxLength: 20, nullable: false),
                    workspace_id = table.Column<Guid>(type: "uuid", nullable: false),
                    released_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_subnets", x => x.id);
                    table.ForeignKey(
                        name: "fk_subnets_workspaces_workspace_id",
                        column: x => x.workspace_id,
                        principalSchema: "portal",
                        principalTable: "workspaces",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Cascade);
                });

            migrationBuilder.CreateTable(
                name: "capacity_claims",
                schema: "portal",
                columns: table => new
                {
                    id = table.Column<long>(type: "bigint", nullable: false)
                        .Annotation("Npgsql:ValueGenerationStrategy", NpgsqlValueGenerationStrategy.IdentityAlwaysColumn),
                    pool_key = table.Column<string>(type: "character varying(100)", maxLength: 100, nullable: false),
                    workspace_id = table.Column<Guid>(type: "uuid", nullable: false),
                    node = table.Column<string>(type: "character varying(40)", maxLength: 40, nullable: false, defaultValue: ""),
                    run_id = table.Column<long>(type: "bigint", nullable: false),
                    vcpu = table.Column<int>(type: "integer", nullable: false),
                    memory_mib = table.Column<int>(type: "integer", nullable: false),
                    created_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false, defaultValueSql: "clock_timestamp()"),
                    ended_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_capacity_claims", x => x.id);
                    table.ForeignKey(
                        name: "fk_capacity_claims_pools_pool_key",
                        column: x => x.pool_key,
                        principalSchema: "portal",
                        principalTable: "pools",
                        principalColumn: "key",
                        onDelete: ReferentialAction.Restrict);
                    table.ForeignKey(
                        name: "fk_capacity_claims_runs_run_id",
                        column: x => x.run_id,
                        principalSchema: "portal",
                        principalTable: "runs",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Restrict);
                    table.ForeignKey(
                        name: "fk_capacity_claims_workspaces_workspace_id",
                        column: x => x.workspace_id,
                        principalSchema: "portal",
                        principalTable: "workspaces",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Restrict);
                });

            migrationBuilder.CreateTable(
                name: "log_lines",
                schema: "portal",
                columns: table => new
                {
                    id = table.Column<long>(type: "bigint", nullable: false)
                        .Annotation("Npgsql:ValueGenerationStrategy", NpgsqlValueGenerationStrategy.IdentityAlwaysColumn),
                    workspace_id = table.Column<Guid>(type: "uuid", nullable: false),
                    run_id = table.Column<long>(type: "bigint", nullable: true),
                    at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false, defaultValueSql: "clock_timestamp()"),
                    severity = table.Column<string>(type: "character varying(40)", maxLength: 40, nullable: false),
                    text = table.Column<string>(type: "character varying(4000)", maxLength: 4000, nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_log_lines", x => x.id);
                    table.ForeignKey(
                        name: "fk_log_lines_runs_run_id",
                        column: x => x.run_id,
                        principalSchema: "portal",
                        principalTable: "runs",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Cascade);
                    table.ForeignKey(
                        name: "fk_log_lines_workspaces_workspace_id",
                        column: x => x.workspace_id,
                        principalSchema: "portal",
                        principalTable: "workspaces",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Cascade);
                });

            migrationBuilder.CreateTable(
                name: "run_steps",
                schema: "portal",
                columns: table => new
                {
                    run_id = table.Column<long>(type: "bigint", nullable: false),
                    key = table.Column<string>(type: "character varying(40)", maxLength: 40, nullable: false),
                    began_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    ended_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_run_steps", x => new { x.run_id, x.key });
                    table.ForeignKey(
                        name: "fk_run_steps_runs_run_id",
                        column: x => x.run_id,
                        principalSchema: "portal",
                        principalTable: "runs",
                        principalColumn: "id",
                        onDelete: ReferentialAction.Cascade);
                });

            migrationBuilder.CreateIndex(
                name: "ix_app_sessions_expires_at",
                schema: "portal",
                table: "app_sessions",
                column: "expires_at");

            migrationBuilder.CreateIndex(
                name: "ix_app_sessions_person_id",
                schema: "portal",
                table: "app_sessions",
                column: "person_id");

            migrationBuilder.CreateIndex(
                name: "ix_app_sessions_session_hash",
                schema: "portal",
                table: "app_sessions",
                column: "session_hash");

            migrationBuilder.CreateIndex(
                name: "ix_app_sessions_workspace_id",
                schema: "portal",
                table: "app_sessions",
                column: "workspace_id");

            migrationBuilder.CreateIndex(
                name: "ix_app_tickets_expires_at",
                schema: "portal",
                table: "app_tickets",
                column: "expires_at");

            migrationBuilder.CreateIndex(
                name: "ix_app_tickets_person_id",
                schema: "portal",
                table: "app_tickets",
                column: "person_id");

            migrationBuilder.CreateIndex(
                name: "ix_app_tickets_workspace_id",
                schema: "portal",
                table: "app_tickets",
                column: "workspace_id");

            migrationBuilder.CreateIndex(
                name: "ix_audit_at",
                schema: "portal",
                table: "audit",
                column: "at");

            migrationBuilder.CreateIndex(
                name: "ix_audit_workspace_id",
                schema: "portal",
                table: "audit",
                column: "workspace_id");

            migrationBuilder.CreateIndex(
                name: "ix_capacity_claims_pool_key",
                schema: "portal",
                table: "capacity_claims",
                column: "pool_key",
                filter: "ended_at is null");

            migrationBuilder.CreateIndex(
                name: "ix_capacity_claims_run_id",
                schema: "portal",
                table: "capacity_claims",
                column: "run_id");

            migrationBuilder.CreateIndex(
                name: "ix_capacity_claims_workspace_id_node",
                schema: "portal",
                table: "capacity_claims",
                columns: new[] { "workspace_id", "node" },
                unique: true,
                filter: "ended_at is null");

            migrationBuilder.CreateIndex(
                name: "ix_classes_tenant_id_slug",
                schema: "portal",
                table: "classes",
                columns: new[] { "tenant_id", "slug" },
                unique: true);

            migrationBuilder.CreateIndex(
                name: "ix_counts_span_at",
                schema: "portal",
                table: "counts",
                columns: new[] { "span", "at" });

            migrationBuilder.CreateIndex(
                name: "ix_log_lines_run_id",
                schema: "portal",
                table: "log_lines",
                column: "run_id");

            migrationBuilder.CreateIndex(
                name: "ix_log_lines_workspace_id_id",
                schema: "portal",
                table: "log_lines",
                columns: new[] { "workspace_id", "id" });

            migrationBuilder.CreateIndex(
                name: "ix_memberships_class_id",
                schema: "portal",
                table: "memberships",
                column: "class_id");

            migrationBuilder.CreateIndex(
                name: "ix_memberships_person_id_class_id_tenant_id_role",
                schema: "portal",
                table: "memberships",
                columns: new[] { "person_id", "class_id", "tenant_id", "role" },
                unique: true)
                .Annotation("Npgsql:NullsDistinct", false);

            migrationBuilder.CreateIndex(
                name: "ix_memberships_tenant_id",
                schema: "portal",
                table: "memberships",
                column: "tenant_id");

            migrationBuilder.CreateIndex(
                name: "ix_persons_issuer_subject",
                schema: "portal",
                table: "persons",
                columns: new[] { "issuer", "subject" },
                unique: true);

            migrationBuilder.CreateIndex(
                name: "ix_persons_uid",
                schema: "portal",
                table: "persons",
                column: "uid",
                unique: true);

            migrationBuilder.CreateIndex(
                name: "ix_pools_cloud_key_credential",
                schema: "portal",
                table: "pools",
                columns: new[] { "cloud_key", "credential" },
                unique: true)
                .Annotation("Npgsql:NullsDistinct", false);

            migrationBuilder.CreateIndex(
                name: "ix_reservations_class_id",
                schema: "portal",
                table: "reservations",
                column: "class_id",
                filter: "ended_at is null");

            migrationBuilder.CreateIndex(
                name: "ix_reservations_person_id",
                schema: "portal",
                table: "reservations",
                column: "person_id",
                filter: "ended_at is null");

            migrationBuilder.CreateIndex(
                name: "ix_reservations_tenant_id",
                schema: "portal",
                table: "reservations",
                column: "tenant_id",
                filter: "ended_at is null");

            migrationBuilder.CreateIndex(
                name: "ix_reservations_work_folder_id",
                schema: "portal",
                table: "reservations",
                column: "work_folder_id",
                unique: true,
                filter: "ended_at is null");

            migrationBuilder.CreateIndex(
                name: "ix_reservations_workspace_id_kind_node",
                schema: "portal",
                table: "reservations",
                columns: new[] { "workspace_id", "kind", "node" },
                unique: true,
                filter: "ended_at is null");

            migrationBuilder.CreateIndex(
                name: "ix_run_steps_ended_at",
                schema: "portal",
                table: "run_steps",
                column: "ended_at");

            migrationBuilder.CreateIndex(
                name: "ix_runs_template_version_id",
                schema: "portal",
                table: "runs",
                column: "template_version_id");

            migrationBuilder.CreateIndex(
                name: "ix_runs_workspace_id_number",
                schema: "portal",
                table: "runs",
                columns: new[] { "workspace_id", "number" },
                unique: true);

            migrationBuilder.CreateIndex(
                name: "one_unfinished_run",
                schema: "portal",
                table: "runs",
                column: "workspace_id",
                unique: true,
                filter: "phase not in ('Succeeded', 'Failed', 'Cancelled')");

            migrationBuilder.CreateIndex(
                name: "runs_due",
                schema: "portal",
                table: "runs",
                column: "due_at",
                filter: "phase = 'Waiting'");

            migrationBuilder.CreateIndex(
                name: "runs_lease",
                schema: "portal",
                table: "runs",
                column: "lease_until",
                filter: "phase in ('Handed', 'Active')");

            migrationBuilder.CreateIndex(
                name: "runs_queue",
                schema: "portal",
                table: "runs",
                column: "id",
                filter: "phase = 'Queued'");

            migrationBuilder.CreateIndex(
                name: "ix_samples_span_at",
                schema: "portal",
                table: "samples",
                columns: new[] { "span", "at" });

            migrationBuilder.CreateIndex(
                name: "ix_sessions_expires_at",
                schema: "portal",
                table: "sessions",
                column: "expires_at");

            migrationBuilder.CreateIndex(
                name: "ix_sessions_person_id",
                schema: "portal",
                table: "sessions",
                column: "person_id");

            migrationBuilder.CreateIndex(
                name: "ix_subnets_block",
                schema: "portal",
                table: "subnets",
                column: "block",
                unique: true,
                filter: "released_at is null");

            migrationBuilder.CreateIndex(
                name: "ix_subnets_workspace_id",
                schema: "portal",
                table: "subnets",
                column: "workspace_id");

            migrationBuilder.CreateIndex(
                name: "ix_template_classes_class_id",
                schema: "portal",
                table: "template_classes",
                column: "class_id");

            migrationBuilder.CreateIndex(
                name: "ix_template_versions_template_id_hash",
                schema: "portal",
                table: "template_versions",
                columns: new[] { "template_id", "hash" },
                unique: true);

            migrationBuilder.CreateIndex(
                name: "one_offered_version",
                schema: "portal",
                table: "template_versions",
                column: "template_id",
                unique: true,
                filter: "not retired");

            migrationBuilder.CreateIndex(
                name: "ix_tenants_pool_key",
                schema: "portal",
                table: "tenants",
                column: "pool_key");

            migrationBuilder.CreateIndex(
                name: "ix_tenants_slug",
                schema: "portal",
                table: "tenants",
                column: "slug",
                unique: true);

            migrationBuilder.CreateIndex(
                name: "ix_work_folders_class_id_person_id",
                schema: "portal",
                table: "work_folders",
                columns: new[] { "class_id", "person_id" },
                unique: true);

            migrationBuilder.CreateIndex(
                name: "ix_work_folders_person_id",
                schema: "portal",
                table: "work_folders",
                column: "person_id");

            migrationBuilder.CreateIndex(
                name: "ix_work_folders_tenant_id",
                schema: "portal",
                table: "work_folders",
                column: "tenant_id");

            migrationBuilder.CreateIndex(
                name: "ix_workspaces_class_id",
                schema: "portal",
                table: "workspaces",
                column: "class_id");

            migrationBuilder.CreateIndex(
                name: "ix_workspaces_end_at",
                schema: "portal",
                table: "workspaces",
                column: "end_at",
                filter: "deleted_at is null");

            migrationBuilder.CreateIndex(
                name: "ix_workspaces_person_id_name",
                schema: "portal",
                table: "workspaces",
                columns: new[] { "person_id", "name" },
                unique: true,
                filter: "deleted_at is null");

            migrationBuilder.CreateIndex(
                name: "ix_workspaces_slug",
                schema: "portal",
                table: "workspaces",
                column: "slug",
                unique: true);

            migrationBuilder.CreateIndex(
                name: "ix_workspaces_template_version_id",
                schema: "portal",
                table: "workspaces",
                column: "template_version_id");

            migrationBuilder.CreateIndex(
                name: "ix_workspaces_tenant_id",
                schema: "portal",
                table: "workspaces",
                column: "tenant_id");

            migrationBuilder.CreateIndex(
                name: "ix_workspaces_work_folder_id",
                schema: "portal",
                table: "workspaces",
                column: "work_folder_id");
            migrationBuilder.Sql(Triggers.Create);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.Sql("drop function portal.notify_workspace() cascade; drop function portal.notify_class() cascade; drop function portal.notify_channel() cascade;");
            migrationBuilder.DropTable(
                name: "app_sessions",
                schema: "portal");

            migrationBuilder.DropTable(
                name: "app_tickets",
                schema: "portal");

            migrationBuilder.DropTable(
                name: "audit",
                schema: "portal");

            migrationBuilder.DropTable(
                name: "capacity_claims",
                schema: "portal");

            migrationBuilder.DropTable(
                name: "counts",
                schema: "portal");

            migrationBuilder.DropTable(
                name: "images",
                schema: "portal");

            migrationBuilder.DropTable(
                name: "log_lines",
                schema: "portal");

            migrationBuilder.DropTable(
                name: "memberships",
                schema: "portal");

            migrationBuilder.DropTable(
                name: "nodes",
                schema: "portal");

            migrationBuilder.DropTable(
                name: "reservations",
                schema: "portal");

            migrationBuilder.DropTable(
                name: "run_steps",
                schema: "portal");

            migrationBuilder.DropTable(
                name: "samples",
                schema: "portal");

            migrationBuilder.DropTable(
                name: "sessions",
                schema: "portal");

            migrationBuilder.DropTable(
                name: "subnets",
                schema: "portal");

            migrationBuilder.DropTable(
                name: "template_classes",
                schema: "portal");

            migrationBuilder.DropTable(
                name: "template_faults",
                schema: "portal");

            migrationBuilder.DropTable(
                name: "template_offers",
                schema: "portal");

            migrationBuilder.DropTable(
                name: "runs",
                schema: "portal");

            migrationBuilder.DropTable(
                name: "workspaces",
                schema: "portal");

            migrationBuilder.DropTable(
                name: "template_versions",
                schema: "portal");

            migrationBuilder.DropTable(
                name: "work_folders",
                schema: "portal");

            migrationBuilder.DropTable(
                name: "classes",
                schema: "portal");

            migrationBuilder.DropTable(
                name: "persons",
                schema: "portal");

            migrationBuilder.DropTable(
                name: "tenants",
                schema: "portal");

            migrationBuilder.DropTable(
                name: "pools",
                schema: "portal");

            migrationBuilder.DropTable(
                name: "clouds",
                schema: "portal");

            migrationBuilder.DropSequence(
                name: "person_uid",
                schema: "portal");
        }
    }
}
