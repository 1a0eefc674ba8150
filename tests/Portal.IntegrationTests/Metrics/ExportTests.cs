using System.Globalization;
using System.Net;
using Npgsql;
using Portal.Core.Metrics;
using Portal.IntegrationTests.Access;
using Portal.Jobs.Watch;

namespace Portal.IntegrationTests.Metrics;

/// <summary>What Prometheus collects: only with the token or as an operator, according to the current rows.</summary>
public sealed class ExportTests(WebFixture web) : IClassFixture<WebFixture>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private async Task<string> ScrapeAsync()
    {
        using var visitor = web.Visit();
        using var answer = await visitor.SendAsync(HttpMethod.Get, "/metrics", null, null, h => h.Add("Authorization", $"Bearer {WebFixture.MetricsToken}"));
        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        answer.Content.Headers.ContentType!.MediaType.ShouldBe("text/plain");
        return await answer.Content.ReadAsStringAsync(Cancel);
    }

    /// <summary>The value of the only line with this name and all of these labels.</summary>
    private static double Value(string text, string name, params string[] labels) => double.Parse(
        text.Split('\n')
            .Single(l => l.StartsWith(name + "{", StringComparison.Ordinal) && labels.All(label => l.Contains(label, StringComparison.Ordinal)))
            .Split("} ")[1].Split(' ')[0], CultureInfo.InvariantCulture);

    [Fact]
    public async Task Scrape_RunningNode_TellsItsNewestFiguresAndNoName()
    {
        var workspace = await web.WorkspaceAsync("Ada");
        await using var jobs = NpgsqlDataSource.Create(web.Database.Jobs);
        await using (var node = jobs.CreateCommand($$"""
            update portal.nodes set cpu_history = '{0.1,0.25}', memory_bytes = 1000, memory_limit_bytes = 4000, throttled = 0.5,
              restarts = 2, out_of_memory_kills = 3, pids = 17
            where workspace_id = '{{workspace.Id}}'
            """))
            (await node.ExecuteNonQueryAsync(Cancel)).ShouldBe(1);
        var now = TimeProvider.System.GetUtcNow();
        var rows = new SampleRows(jobs);
        await rows.WriteAsync(
            [Sample(workspace.Id, Spans.Begin(now, Spans.Raw).AddSeconds(-10), 5000), Sample(workspace.Id, Spans.Begin(now, Spans.Raw), 700)], Cancel);
        await rows.WriteAsync(
            [new Count { WorkspaceId = workspace.Id, Name = "kernels", At = Spans.Begin(now, Spans.RawCounts), Span = 15, Value = 2, Most = 3 }], Cancel);

        await using (var active =
            jobs.CreateCommand($"update portal.workspaces set active_at = '2026-11-26T10:00:00Z', active_by = 'kernels' where id = '{workspace.Id}'"))
            await active.ExecuteNonQueryAsync(Cancel);

        await using (var measured = jobs.CreateCommand("""
            update portal.pools set capacity_vcpu = 48, capacity_memory_mib = 131072, storage_total_bytes = 2199023255552, storage_free_bytes = 1099511627776
            """))
            await measured.ExecuteNonQueryAsync(Cancel);

        var text = await ScrapeAsync();

        string[] labels = [$"workspace=\"{workspace.Slug}\"", "node=\"notebook\"", "template=\"notebook\""];
        Value(text, "portal_node_cpu_ratio", labels).ShouldBe(.25, 1e-9);
        Value(text, "portal_node_throttled_ratio", labels).ShouldBe(.5, 1e-9);
        Value(text, "portal_node_memory_working_set_bytes", labels).ShouldBe(1000);
        Value(text, "portal_node_memory_limit_bytes", labels).ShouldBe(4000);
        Value(text, "portal_node_oom_kills", labels).ShouldBe(3);
        Value(text, "portal_node_restarts", labels).ShouldBe(2);
        Value(text, "portal_node_pids", labels).ShouldBe(17);
        Value(text, "portal_node_network_receive_bytes_per_second", labels).ShouldBe(70);
        Value(text, "portal_node_network_transmit_bytes_per_second", labels).ShouldBe(140);
        Value(text, "portal_node_disk_read_bytes_per_second", labels).ShouldBe(210);
        Value(text, "portal_node_disk_written_bytes_per_second", labels).ShouldBe(280);
        Value(text, "portal_workspace_count", labels[0], "what=\"kernels\"").ShouldBe(2);
        Value(text, "portal_workspace_last_activity_timestamp_seconds", labels[0])
            .ShouldBe(new DateTimeOffset(2026, 11, 26, 10, 0, 0, TimeSpan.Zero).ToUnixTimeSeconds());
        Value(text, "portal_pool_capacity_vcpu", "cloud=\"local\"", "pool=\"local\"").ShouldBe(48);
        Value(text, "portal_pool_claimed_vcpu", "pool=\"local\"").ShouldBe(0);
        Value(text, "portal_pool_storage_free_bytes", "cloud=\"local\"", "pool=\"local\"").ShouldBe(1L << 40);
        text.ShouldContain("# TYPE portal_node_cpu_ratio gauge");
        text.ShouldNotContain("\"Ada");

        // What ends is missing from the next scrape.
        await using (var end = jobs.CreateCommand($"update portal.nodes set running = false where workspace_id = '{workspace.Id}'"))
            await end.ExecuteNonQueryAsync(Cancel);
        (await ScrapeAsync()).Split('\n').ShouldNotContain(l =>
            l.StartsWith("portal_node_", StringComparison.Ordinal) && l.Contains(workspace.Slug, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(null, null, HttpStatusCode.Unauthorized)]
    [InlineData(null, "Bearer ", HttpStatusCode.Unauthorized)]
    [InlineData(null, "Bearer a-token-of-twenty-and-mora", HttpStatusCode.Unauthorized)]
    [InlineData(null, "Basic a-token-of-twenty-and-more", HttpStatusCode.Unauthorized)]
    [InlineData("Ada", null, HttpStatusCode.NotFound)]
    [InlineData("Margaret", null, HttpStatusCode.NotFound)]
    public async Task Scrape_WithoutTokenAndNoOperator_TellsNothing(string? name, string? authorization, HttpStatusCode status)
    {
        using var visitor = web.Visit();
        if (name is not null) await visitor.SignInAsync(name);
        using var answer =
            await visitor.SendAsync(HttpMethod.Get, "/metrics", null, null,
                h => { if (authorization is not null) h.TryAddWithoutValidation("Authorization", authorization); });
        answer.StatusCode.ShouldBe(status);
        (await answer.Content.ReadAsStringAsync(Cancel)).ShouldNotContain("portal_");
    }

    [Fact]
    public async Task Scrape_ByAnOperator_Answers()
    {
        await web.WorkspaceAsync("Ada");
        using var ken = web.Visit();
        await ken.SignInAsync("Ken");
        using var answer = await ken.GetAsync("/metrics");
        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        (await answer.Content.ReadAsStringAsync(Cancel)).ShouldContain("portal_node_cpu_ratio{");
    }

    private static Sample Sample(Guid workspace, DateTimeOffset at, long net) =>
        new()
        {
            WorkspaceId = workspace,
            Node = "notebook",
            At = at,
            Span = 10,
            MemoryLimitBytes = 1,
            NetIn = net,
            NetOut = 2 * net,
            DiskRead = 3 * net,
            DiskWritten = 4 * net
        };
}
