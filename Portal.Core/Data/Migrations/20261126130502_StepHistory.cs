using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Portal.Core.Data.Migrations
{
    /// <inheritdoc />
    public partial class StepHistory : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "ix_run_steps_key_ended_at",
                schema: "portal",
                table: "run_steps");

            migrationBuilder.CreateIndex(
                name: "ix_run_steps_ended_at",
                schema: "portal",
                table: "run_steps",
                column: "ended_at");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropIndex(
                name: "ix_run_steps_ended_at",
                schema: "portal",
                table: "run_steps");

            migrationBuilder.CreateIndex(
                name: "ix_run_steps_key_ended_at",
                schema: "portal",
                table: "run_steps",
                columns: new[] { "key", "ended_at" });
        }
    }
}
