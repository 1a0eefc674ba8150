using System.Globalization;
using System.Net;
using System.Text.Json;
using Portal.IntegrationTests.Access;
using Portal.IntegrationTests.Proxy;

namespace Portal.IntegrationTests.Api;

/// <summary>How full scratch folders are, for programs and for a monitoring system.</summary>
public sealed class ScratchApiTests(ClusterFixture fixture) : IClassFixture<ClusterFixture>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private WebFixture Web => fixture.Web;

    [Fact]
    public async Task Workspace_WithAFullScratchFolder_SaysWhichCauseAndRemedy()
    {
        var (workspace, _) = await fixture.ClusterAsync("Ada");
        await Web.Database.ExecuteAsync($"update portal.nodes set scratch_bytes = 1073000000 where workspace_id = {workspace.Id} and name = 'worker1'", Cancel);
        using var ada = Web.Visit();
        await ada.SignInAsync("Ada");

        using var answer = await ada.GetAsync($"/api/v1/workspaces/{workspace.Id}");

        using var seen = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(Cancel));
        var scratch = seen.RootElement.GetProperty("scratch").EnumerateArray().ToList();
        string[] fields = ["node", "usedBytes", "limitBytes", "state"];
        scratch.ConvertAll(s => string.Join(' ', fields.Select(f => s.GetProperty(f).ToString())))
            .ShouldBe(["worker0  1073741824 Normal", "worker1 1073000000 1073741824 Full"]);
        scratch[0].GetProperty("usedBytes").ValueKind.ShouldBe(JsonValueKind.Null, "nobody has measured it");
        scratch[0].GetProperty("cause").ValueKind.ShouldBe(JsonValueKind.Null);
        scratch[1].GetProperty("cause").GetString().ShouldBe(
            "The scratch folder of worker1 is full: anything that needs to write there waits or fails until there is space.");
        scratch[1]
            .GetProperty("remedy")
            .GetString()
            .ShouldBe("Delete what is no longer needed in /scratch on that node. Stopping the workspace does not empty it.");
    }

    [Fact]
    public async Task Metrics_OfNodesWithScratchFolders_TellUseAndLimit()
    {
        var (workspace, _) = await fixture.ClusterAsync("Ada");
        await Web.Database.ExecuteAsync($"update portal.nodes set scratch_bytes = 5000 where workspace_id = {workspace.Id} and name = 'worker0'", Cancel);
        using var visitor = Web.Visit();
        using var answer = await visitor.SendAsync(HttpMethod.Get, "/metrics", null, null, h => h.Add("Authorization", $"Bearer {WebFixture.MetricsToken}"));
        answer.StatusCode.ShouldBe(HttpStatusCode.OK);

        var lines = (await answer.Content.ReadAsStringAsync(Cancel)).Split('\n')
            .Where(l => l.StartsWith("portal_node_scratch_", StringComparison.Ordinal) && l.Contains(workspace.Slug, StringComparison.Ordinal)).ToList();

        lines.Count.ShouldBe(3, "of two workers, none of nodes without such a folder, and none that is not known");
        double Of(string name, string node) => double.Parse(
            lines.Single(l => l.StartsWith(name + "{", StringComparison.Ordinal) && l.Contains($"node=\"{node}\"", StringComparison.Ordinal))
                .Split("} ")[1].Split(' ')[0], CultureInfo.InvariantCulture);
        Of("portal_node_scratch_bytes", "worker0").ShouldBe(5000);
        Of("portal_node_scratch_limit_bytes", "worker1").ShouldBe(1 << 30);
    }
}
