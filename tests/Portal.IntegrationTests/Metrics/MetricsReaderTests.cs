using System.Net;
using System.Text.Json;
using Npgsql;
using Portal.Core.Metrics;
using Portal.IntegrationTests.Access;
using Portal.Jobs.Watch;

namespace Portal.IntegrationTests.Metrics;

/// <summary>People who may see a workspace see its history; others see nothing. Over HTTP, as role portal_web.</summary>
public sealed class MetricsReaderTests(WebFixture web) : IClassFixture<WebFixture>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static Sample Sample(Guid workspace, DateTimeOffset at, int span, double cpu, long net = 0, string node = "notebook") => new()
    {
        WorkspaceId = workspace,
        Node = node,
        At = at,
        Span = span,
        Cpu = cpu,
        CpuMost = cpu,
        MemoryBytes = 100,
        MemoryMost = 200,
        MemoryLimitBytes = 400,
        OutOfMemoryKills = 1,
        NetIn = net,
    };

    private async Task<JsonElement> ReadAsync(Visitor visitor, Guid id, string window)
    {
        using var answer = await visitor.GetAsync($"/api/v1/workspaces/{id}/metrics?window={window}");
        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        return JsonDocument.Parse(await answer.Content.ReadAsStringAsync(Cancel)).RootElement;
    }

    [Fact]
    public async Task Read_EachWindow_HasItsOwnSpansAndABound()
    {
        var workspace = await web.WorkspaceAsync("Ada");
        var other = await web.WorkspaceAsync("Alan");
        var now = TimeProvider.System.GetUtcNow();
        await using var jobs = NpgsqlDataSource.Create(web.Database.Jobs);
        var rows = new SampleRows(jobs);
        var begin = Spans.Begin(now.AddMinutes(-10), TimeSpan.FromSeconds(20));
        await rows.WriteAsync([.. Enumerable.Range(0, 700).Select(i => Sample(workspace.Id, Spans.Begin(now, Spans.Raw).AddSeconds(-10 * i), 10, .5))], Cancel);
        await rows.WriteAsync(
            [Sample(workspace.Id, begin, 10, .2, net: 100, node: "worker0"),
                Sample(workspace.Id, begin.AddSeconds(10), 10, .4, net: 300, node: "worker0")], Cancel);
        await rows.WriteAsync([.. Enumerable.Range(0, 1440).Select(i => Sample(workspace.Id, Spans.Begin(now, Spans.Minute).AddMinutes(-i), 60, .6))], Cancel);
        await rows.WriteAsync(
            [Sample(workspace.Id, Spans.Begin(now.AddDays(-20), Spans.TenMinutes), 600, .7),
                Sample(other.Id, Spans.Begin(now, Spans.Raw), 10, 1, node: "alans")], Cancel);
        await rows.WriteAsync(
            [new Count { WorkspaceId = workspace.Id, Name = "kernels", At = Spans.Begin(now, Spans.RawCounts), Span = 15, Value = 2, Most = 3 },
                new Count
                {
                    WorkspaceId = workspace.Id,
                    Name = CountNames.Signals,
                    At = Spans.Begin(now, Spans.RawCounts),
                    Span = 15,
                    Value = 2,
                    Most = 2
                }], Cancel);
        using var ada = web.Visit();
        await ada.SignInAsync("Ada");

        var hour = await ReadAsync(ada, workspace.Id, "1h");
        var day = await ReadAsync(ada, workspace.Id, "1d");
        var month = await ReadAsync(ada, workspace.Id, "30d");

        hour.GetProperty("nodes").EnumerateArray().Select(n => n.GetProperty("node").GetString()).ShouldBe(["notebook", "worker0"]);
        hour.GetProperty("nodes")[0].GetProperty("points").GetArrayLength().ShouldBeInRange(180, MetricsReader.MostPoints);
        var point = hour.GetProperty("nodes")[1].GetProperty("points").EnumerateArray().Single();
        point.GetProperty("at").GetDateTimeOffset().ShouldBe(begin);
        point.GetProperty("cpu").GetDouble().ShouldBe(.3, 1e-9);
        point.GetProperty("cpuMost").GetDouble().ShouldBe(.4);
        point.GetProperty("netIn").GetDouble().ShouldBe(20); // 400 bytes in twenty seconds
        point.GetProperty("outOfMemoryKills").GetInt64().ShouldBe(2);
        hour.GetProperty("counts").EnumerateArray().Single().GetProperty("id").GetString().ShouldBe("kernels");
        day.GetProperty("nodes")[0].GetProperty("points").GetArrayLength().ShouldBeInRange(178, MetricsReader.MostPoints);
        day.GetProperty("nodes")[0].GetProperty("points")[3].GetProperty("cpu").GetDouble().ShouldBe(.6, 1e-9);
        month.GetProperty("nodes")[0].GetProperty("points").EnumerateArray().Single().GetProperty("cpu").GetDouble().ShouldBe(.7);
        using var wrong = await ada.GetAsync($"/api/v1/workspaces/{workspace.Id}/metrics?window=1y");
        wrong.StatusCode.ShouldBe(HttpStatusCode.UnprocessableEntity);
    }

    [Fact]
    public async Task Read_SomebodyElses_OnlyStaffSees()
    {
        var workspace = await web.WorkspaceAsync("Ada");
        foreach (var (name, status) in ((string, HttpStatusCode)[])[("Ada", HttpStatusCode.OK), ("Alan", HttpStatusCode.NotFound),
            ("Barbara", HttpStatusCode.OK), ("Edsger", HttpStatusCode.OK), ("Margaret", HttpStatusCode.OK), ("Ken", HttpStatusCode.OK)])
        {
            using var visitor = web.Visit();
            await visitor.SignInAsync(name);
            using var answer = await visitor.GetAsync($"/api/v1/workspaces/{workspace.Id}/metrics?window=1h");
            answer.StatusCode.ShouldBe(status, name);
        }
        using var nobody = web.Visit();
        using var refused = await nobody.GetAsync($"/api/v1/workspaces/{workspace.Id}/metrics?window=1h");
        refused.StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
    }
}
