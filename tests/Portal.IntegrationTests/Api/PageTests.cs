using System.Net;
using System.Text.Json;
using Portal.IntegrationTests.Access;

namespace Portal.IntegrationTests.Api;

/// <summary>Lists have a bound and a cursor.</summary>
public sealed class PageTests(WebFixture web) : IClassFixture<WebFixture>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Workspaces_PageByPage_AreAllSeenOnceNewestFirstWhateverHappensMeanwhile()
    {
        using var ada = web.Visit();
        await ada.SignInAsync("Ada");
        var made = new List<Guid>();
        for (var i = 0; i < 5; i++) made.Insert(0, (await web.WorkspaceAsync("Ada")).Id);

        var (first, next) = await PageAsync(ada, "?limit=2");
        await web.WorkspaceAsync("Ada"); // would move everything by one
        await web.Database.ExecuteAsync($"update portal.workspaces set deleted_at = clock_timestamp() where id = {first[1]}", Cancel);
        List<Guid> seen = [.. first];
        while (next is not null)
        {
            (var more, next) = await PageAsync(ada, $"?limit=2&after={next}");
            more.Length.ShouldBeInRange(1, 2);
            seen.AddRange(more);
        }

        seen.ShouldBeUnique();
        seen.Take(5).ShouldBe(made);
    }

    [Theory]
    [InlineData("limit=0", "limit")]
    [InlineData("limit=201", "limit")]
    [InlineData("limit=many", "limit")]
    [InlineData("after=first", "after")]
    [InlineData("after=00000000-0000-0000-0000-000000000001", "after")]
    public async Task Workspaces_BadBound_SaysWhichField(string query, string field)
    {
        using var alan = web.Visit();
        await alan.SignInAsync("Alan");
        await RefusedAsync(alan, query, field);
    }

    [Fact]
    public async Task Workspaces_CursorOfSomebodyElse_IsNone()
    {
        var hers = (await web.WorkspaceAsync("Ada")).Id;
        using var alan = web.Visit();
        await alan.SignInAsync("Alan");
        await RefusedAsync(alan, $"after={hers}", "after");
    }

    private static async Task RefusedAsync(Visitor visitor, string query, string field)
    {
        using var answer = await visitor.GetAsync($"/api/v1/workspaces?{query}");
        answer.StatusCode.ShouldBe(HttpStatusCode.UnprocessableEntity);
        using var problem = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(Cancel));
        problem.RootElement.GetProperty("field").GetString().ShouldBe(field);
    }

    private static async Task<(Guid[] Ids, string? Next)> PageAsync(Visitor visitor, string query)
    {
        using var answer = await visitor.GetAsync("/api/v1/workspaces" + query);
        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        using var page = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(Cancel));
        return ([.. page.RootElement.GetProperty("items").EnumerateArray().Select(w => w.GetProperty("id").GetGuid())],
            page.RootElement.GetProperty("next").GetString());
    }
}
