using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Portal.Core.Data.Migrations
{
    /// <inheritdoc />
    public partial class Clusters : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "ix_reservations_workspace_id_kind",
                schema: "portal",
                table: "reservations");

            migrationBuilder.DropIndex(
                name: "ix_capacity_claims_workspace_id",
                schema: "portal",
                table: "capacity_claims");

            migrationBuilder.AddColumn<DateTimeOffset>(
                name: "active_at",
                schema: "portal",
                table: "workspaces",
                type: "timestamp with time zone",
                nullable: true);

            migrationBuilder.AddColumn<string>(
                name: "active_by",
                schema: "portal",
                table: "workspaces",
                type: "character varying(4000)",
                maxLength: 4000,
                nullable: true);

            migrationBuilder.AddColumn<DateTimeOffset>(
                name: "keep_until",
                schema: "portal",
                table: "workspaces",
                type: "timestamp with time zone",
                nullable: true);

            migrationBuilder.AddColumn<string>(
                name: "parameters",
                schema: "portal",
                table: "workspaces",
                type: "jsonb",
                nullable: false,
                defaultValueSql: "'{}'");

            migrationBuilder.AddColumn<int>(
                name: "workers",
                schema: "portal",
                table: "workspaces",
                type: "integer",
                nullable: false,
                defaultValue: 0);

            migrationBuilder.AddColumn<string>(
                name: "guide",
                schema: "portal",
                table: "template_versions",
                type: "text",
                nullable: false,
                defaultValue: "");

            migrationBuilder.AddColumn<string>(
                name: "size_id",
                schema: "portal",
                table: "runs",
                type: "character varying(20)",
                maxLength: 20,
                nullable: true);

            migrationBuilder.AddColumn<Guid>(
                name: "template_version_id",
                schema: "portal",
                table: "runs",
                type: "uuid",
                nullable: true);

            migrationBuilder.AddColumn<int>(
                name: "workers",
                schema: "portal",
                table: "runs",
                type: "integer",
                nullable: true);

            migrationBuilder.AddColumn<string>(
                name: "node",
                schema: "portal",
                table: "reservations",
                type: "character varying(40)",
                maxLength: 40,
                nullable: false,
                defaultValue: "");

            migrationBuilder.AddColumn<int>(
                name: "restarts",
                schema: "portal",
                table: "nodes",
                type: "integer",
                nullable: false,
                defaultValue: 0);

            migrationBuilder.AddColumn<int>(
                name: "idle_minutes",
                schema: "portal",
                table: "classes",
                type: "integer",
                nullable: true);

            migrationBuilder.AddColumn<string>(
                name: "node",
                schema: "portal",
                table: "capacity_claims",
                type: "character varying(40)",
                maxLength: 40,
                nullable: false,
                defaultValue: "");

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
                    says = table.Column<string>(type: "character varying(4000)", maxLength: 4000, nullable: true),
                    changed_by = table.Column<Guid>(type: "uuid", nullable: true),
                    changed_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_template_offers", x => x.template_id);
                });

            migrationBuilder.CreateIndex(
                name: "ix_runs_template_version_id",
                schema: "portal",
                table: "runs",
                column: "template_version_id");

            migrationBuilder.CreateIndex(
                name: "ix_reservations_workspace_id_kind_node",
                schema: "portal",
                table: "reservations",
                columns: new[] { "workspace_id", "kind", "node" },
                unique: true,
                filter: "ended_at is null");

            migrationBuilder.CreateIndex(
                name: "ix_capacity_claims_workspace_id_node",
                schema: "portal",
                table: "capacity_claims",
                columns: new[] { "workspace_id", "node" },
                unique: true,
                filter: "ended_at is null");

            migrationBuilder.CreateIndex(
                name: "ix_counts_span_at",
                schema: "portal",
                table: "counts",
                columns: new[] { "span", "at" });

            migrationBuilder.CreateIndex(
                name: "ix_samples_span_at",
                schema: "portal",
                table: "samples",
                columns: new[] { "span", "at" });

            migrationBuilder.CreateIndex(
                name: "ix_template_classes_class_id",
                schema: "portal",
                table: "template_classes",
                column: "class_id");

            migrationBuilder.AddForeignKey(
                name: "fk_runs_template_versions_template_version_id",
                schema: "portal",
                table: "runs",
                column: "template_version_id",
                principalSchema: "portal",
                principalTable: "template_versions",
                principalColumn: "id",
                onDelete: ReferentialAction.Restrict);

            // Until now every workspace was one node of this name.
            migrationBuilder.Sql("update portal.reservations set node = 'notebook' where kind = 'Compute'; update portal.capacity_claims set node = 'notebook';");
            migrationBuilder.Sql(Triggers.Offers);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropForeignKey(
                name: "fk_runs_template_versions_template_version_id",
                schema: "portal",
                table: "runs");

            migrationBuilder.DropTable(
                name: "counts",
                schema: "portal");

            migrationBuilder.DropTable(
                name: "samples",
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

            migrationBuilder.DropIndex(
                name: "ix_runs_template_version_id",
                schema: "portal",
                table: "runs");

            migrationBuilder.DropIndex(
                name: "ix_reservations_workspace_id_kind_node",
                schema: "portal",
                table: "reservations");

            migrationBuilder.DropIndex(
                name: "ix_capacity_claims_workspace_id_node",
                schema: "portal",
                table: "capacity_claims");

            migrationBuilder.DropColumn(
                name: "active_at",
                schema: "portal",
                table: "workspaces");

            migrationBuilder.DropColumn(
                name: "active_by",
                schema: "portal",
                table: "workspaces");

            migrationBuilder.DropColumn(
                name: "keep_until",
                schema: "portal",
                table: "workspaces");

            migrationBuilder.DropColumn(
                name: "parameters",
                schema: "portal",
                table: "workspaces");

            migrationBuilder.DropColumn(
                name: "workers",
                schema: "portal",
                table: "workspaces");

            migrationBuilder.DropColumn(
                name: "guide",
                schema: "portal",
                table: "template_versions");

            migrationBuilder.DropColumn(
                name: "size_id",
                schema: "portal",
                table: "runs");

            migrationBuilder.DropColumn(
                name: "template_version_id",
                schema: "portal",
                table: "runs");

            migrationBuilder.DropColumn(
                name: "workers",
                schema: "portal",
                table: "runs");

            migrationBuilder.DropColumn(
                name: "node",
                schema: "portal",
                table: "reservations");

            migrationBuilder.DropColumn(
                name: "restarts",
                schema: "portal",
                table: "nodes");

            migrationBuilder.DropColumn(
                name: "idle_minutes",
                schema: "portal",
                table: "classes");

            migrationBuilder.DropColumn(
                name: "node",
                schema: "portal",
                table: "capacity_claims");

            migrationBuilder.CreateIndex(
                name: "ix_reservations_workspace_id_kind",
                schema: "portal",
                table: "reservations",
                columns: new[] { "workspace_id", "kind" },
                unique: true,
                filter: "ended_at is null");

            migrationBuilder.CreateIndex(
                name: "ix_capacity_claims_workspace_id",
                schema: "portal",
                table: "capacity_claims",
                column: "workspace_id",
                unique: true,
                filter: "ended_at is null");
        }
    }
}
