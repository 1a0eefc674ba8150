using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Portal.Core.Data.Migrations
{
    /// <inheritdoc />
    public partial class Limits : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<int>(
                name: "node_memory_mib",
                schema: "portal",
                table: "site",
                type: "integer",
                nullable: false,
                defaultValue: 0);

            migrationBuilder.AddColumn<int>(
                name: "node_vcpu",
                schema: "portal",
                table: "site",
                type: "integer",
                nullable: false,
                defaultValue: 0);

            migrationBuilder.AddColumn<long>(
                name: "storage_written_bytes",
                schema: "portal",
                table: "site",
                type: "bigint",
                nullable: false,
                defaultValue: 0L);

            migrationBuilder.AddCheckConstraint(
                name: "requested_run_known",
                schema: "portal",
                table: "workspaces",
                sql: "requested_run in ('Launch', 'Start', 'Stop', 'Delete', 'Resize')");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropCheckConstraint(
                name: "requested_run_known",
                schema: "portal",
                table: "workspaces");

            migrationBuilder.DropColumn(
                name: "node_memory_mib",
                schema: "portal",
                table: "site");

            migrationBuilder.DropColumn(
                name: "node_vcpu",
                schema: "portal",
                table: "site");

            migrationBuilder.DropColumn(
                name: "storage_written_bytes",
                schema: "portal",
                table: "site");
        }
    }
}
