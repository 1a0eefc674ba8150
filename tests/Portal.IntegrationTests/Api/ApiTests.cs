using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Portal.Core.Classes;
using Portal.Core.Policy;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.IntegrationTests.Access;

namespace Portal.IntegrationTests.Api;

public sealed class ApiTests(WebFixture web) : IClassFixture<WebFixture>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private object Order(Guid? id = null, string name = "my work", string size = "s", string template = "notebook", double hours = 2) =>
        new
        {
            id = id ?? Guid.CreateVersion7(),
            classId = web.Class,
            templateId = template,
            size,
            name,
            endAt = TimeProvider.System.GetUtcNow().AddHours(hours)
        };

    [Fact]
    public async Task Launch_LookListStopDelete_GoTheSameWayAsThePages()
    {
        using var ada = web.Visit();
        await ada.SignInAsync("Ada");
        var id = Guid.CreateVersion7();
        using var launched = await ada.PostJsonAsync("/api/v1/workspaces", Order(id, "by api"));
        launched.StatusCode.ShouldBe(HttpStatusCode.Accepted);
        launched.Headers.Location!.ToString().ShouldBe($"/api/v1/workspaces/{id}");
        using var again = await ada.PostJsonAsync("/api/v1/workspaces", Order(id, "by api"));
        again.StatusCode.ShouldBe(HttpStatusCode.Accepted);
        var seen = await JsonAsync(await ada.GetAsync($"/api/v1/workspaces/{id}"));
        seen.GetProperty("status").GetString().ShouldBe("Queued");
        var list = await JsonAsync(await ada.GetAsync("/api/v1/workspaces"));
        list.GetProperty("items").EnumerateArray().Count(w => w.GetProperty("id").GetGuid() == id).ShouldBe(1);
        await web.ReadyAsync(id, 1);
        var ticket = await JsonAsync(await ada.PostJsonAsync($"/api/v1/workspaces/{id}/apps/notebook/ticket", new { }));
        using (var entered =
            await ada.EnterAsync(ticket.GetProperty("address").GetString()!, ticket.GetProperty("ticket").GetString()!,
                ticket.GetProperty("origin").GetString()))
            entered.StatusCode.ShouldBe(HttpStatusCode.SeeOther);
        (await ada.PostJsonAsync($"/api/v1/workspaces/{id}/extend", new { endAt = TimeProvider.System.GetUtcNow().AddHours(5) })).StatusCode.ShouldBe(
            HttpStatusCode.Accepted);
        (await ada.PostJsonAsync($"/api/v1/workspaces/{id}/extend", new { endAt = TimeProvider.System.GetUtcNow().AddHours(50) })).StatusCode.ShouldBe(
            HttpStatusCode.UnprocessableEntity);
        (await ada.PostJsonAsync($"/api/v1/workspaces/{id}/stop", new { })).StatusCode.ShouldBe(HttpStatusCode.Accepted);
        using var start = await ada.SendAsync(HttpMethod.Post, $"/api/v1/workspaces/{id}/start", null, web.Origin, h => h.Add("X-Portal-Csrf", "1"));
        start.StatusCode.ShouldBe(HttpStatusCode.Conflict, await start.Content.ReadAsStringAsync(Cancel));
        using var gone = await ada.SendAsync(HttpMethod.Delete, $"/api/v1/workspaces/{id}", null, web.Origin, h => h.Add("X-Portal-Csrf", "1"));
        gone.StatusCode.ShouldBe(HttpStatusCode.Accepted);
    }

    /// <summary>Either an end time or a duration; a duration is reported until it starts to count.</summary>
    [Fact]
    public async Task Launch_ForSomeHours_SaysThemUntilTheEndCounts()
    {
        using var ada = web.Visit();
        await ada.SignInAsync("Ada");
        var id = Guid.CreateVersion7();
        object Wanted(double? hours, DateTimeOffset? endAt) =>
            new { id, classId = web.Class, templateId = "notebook", size = "s", name = "hours", hours, endAt };
        foreach (var both in (object[])[Wanted(null, null), Wanted(2, TimeProvider.System.GetUtcNow().AddHours(2))])
        {
            using var refused = await ada.PostJsonAsync("/api/v1/workspaces", both);
            refused.StatusCode.ShouldBe(HttpStatusCode.BadRequest, await refused.Content.ReadAsStringAsync(Cancel));
        }

        using var launched = await ada.PostJsonAsync("/api/v1/workspaces", Wanted(2, null));
        launched.StatusCode.ShouldBe(HttpStatusCode.Accepted, await launched.Content.ReadAsStringAsync(Cancel));

        (await JsonAsync(await ada.GetAsync($"/api/v1/workspaces/{id}"))).GetProperty("hours").GetDouble().ShouldBe(2);
        using var gone = await ada.SendAsync(HttpMethod.Delete, $"/api/v1/workspaces/{id}", null, web.Origin, h => h.Add("X-Portal-Csrf", "1"));
        gone.StatusCode.ShouldBe(HttpStatusCode.Accepted);
    }

    [Fact]
    public async Task Me_AndTemplates_SayWhatCanBeLaunched()
    {
        using var ada = web.Visit();
        await ada.SignInAsync("Ada");
        var me = await JsonAsync(await ada.GetAsync("/api/v1/me"));
        me.GetProperty("roles")[0].GetString().ShouldBe("student");
        me.GetProperty("classes")[0].GetProperty("id").GetGuid().ShouldBe(web.Class);
        var templates = await JsonAsync(await ada.GetAsync("/api/v1/templates"));
        templates[0].GetProperty("id").GetString().ShouldBe("notebook");
        templates[0].GetProperty("apps")[0].GetProperty("kernels").GetBoolean().ShouldBeTrue();
    }

    [Theory]
    [InlineData(null)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Start_WithoutSettings_IsWhatTheOrderSays(bool? without)
    {
        var workspace = await web.WorkspaceAsync("Ada");
        await web.Database.ExecuteAsync($"update portal.nodes set running = false where workspace_id = {workspace.Id}", Cancel);
        using var ada = web.Visit();
        await ada.SignInAsync("Ada");

        using var answer = await ada.PostJsonAsync($"/api/v1/workspaces/{workspace.Id}/start", without is null ? new { } : new { withoutSettings = without });

        answer.StatusCode.ShouldBe(HttpStatusCode.Accepted, await answer.Content.ReadAsStringAsync(Cancel));
        await using var db = web.Database.Open();
        var run = await db.Runs.SingleAsync(r => r.WorkspaceId == workspace.Id && r.Kind == Core.Runs.RunKind.Start, Cancel);
        run.WithoutSettings.ShouldBe(without == true);
        using var look = await ada.GetAsync($"/api/v1/workspaces/{workspace.Id}");
        (await JsonAsync(look)).GetProperty("withoutSettings").GetBoolean().ShouldBeFalse("until Jobs brings it up");
    }

    [Fact]
    public async Task Launch_BadValues_IsAProblemThatNamesTheFields()
    {
        using var ada = web.Visit();
        await ada.SignInAsync("Ada");
        using var answer = await ada.PostJsonAsync("/api/v1/workspaces", new { name = new string('x', 41), size = "" });
        answer.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        answer.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
        var errors = (await JsonAsync(answer)).GetProperty("errors").EnumerateObject().Select(e => e.Name.ToUpperInvariant()).ToList();
        foreach (var field in (string[])["ID", "CLASSID", "TEMPLATEID", "SIZE", "NAME", "ENDAT"]) errors.ShouldContain(field);
    }

    [Theory]
    [InlineData("{", HttpStatusCode.BadRequest)]
    [InlineData("null", HttpStatusCode.BadRequest)]
    [InlineData("[]", HttpStatusCode.BadRequest)]
    [InlineData("{\"id\":\"not-a-uuid\"}", HttpStatusCode.BadRequest)]
    [InlineData("{\"id\":42}", HttpStatusCode.BadRequest)]
    public async Task Launch_NotWhatItShouldBe_IsAProblem(string body, HttpStatusCode status)
    {
        using var ada = web.Visit();
        await ada.SignInAsync("Ada");
        using var answer =
            await ada.SendAsync(HttpMethod.Post, "/api/v1/workspaces", new StringContent(body, Encoding.UTF8, "application/json"), web.Origin,
                h => h.Add("X-Portal-Csrf", "1"));
        answer.StatusCode.ShouldBe(status);
        answer.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
    }

    [Fact]
    public async Task Launch_IdOfZeros_IsRefusedNamingTheFieldAndLaunchesNothing()
    {
        using var alan = web.Visit();
        await alan.SignInAsync("Alan");
        using var answer = await alan.PostJsonAsync("/api/v1/workspaces", Order(Guid.Empty, "of zeros"));
        answer.StatusCode.ShouldBe(HttpStatusCode.BadRequest, await answer.Content.ReadAsStringAsync(Cancel));
        answer.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
        (await JsonAsync(answer)).GetProperty("field").GetString().ShouldBe("id");
        await using var db = web.Database.Open();
        (await db.Workspaces.AnyAsync(w => w.Name == "of zeros", Cancel)).ShouldBeFalse();
    }

    [Theory]
    [InlineData("../../etc", "s", "notebook", 2, HttpStatusCode.UnprocessableEntity, "NameInvalid")]
    [InlineData("a\u0000b", "s", "notebook", 2, HttpStatusCode.UnprocessableEntity, "NameInvalid")]
    [InlineData("fine", "xxl", "notebook", 2, HttpStatusCode.UnprocessableEntity, "SizeUnknown")]
    [InlineData("fine", "s", "nothing", 2, HttpStatusCode.UnprocessableEntity, "TemplateGone")]
    [InlineData("fine", "s", "notebook", -1, HttpStatusCode.UnprocessableEntity, "EndInThePast")]
    [InlineData("fine", "s", "notebook", 100, HttpStatusCode.UnprocessableEntity, "EndTooLate")]
    [InlineData("fine", "l", "notebook", 2, HttpStatusCode.Conflict, "OverQuota")]
    public async Task Launch_Refused_SaysWhyWithBindingLimitAndNearestFit(string name, string size, string template, double hours,
        HttpStatusCode status, string reason)
    {
        using var alan = web.Visit();
        await alan.SignInAsync("Alan");
        using var answer = await alan.PostJsonAsync("/api/v1/workspaces", Order(null, name, size, template, hours));
        answer.StatusCode.ShouldBe(status);
        var problem = await JsonAsync(answer);
        problem.GetProperty("reason").GetString().ShouldBe(reason);
        if (reason != "OverQuota") return;
        problem.GetProperty("bindingLimit").GetString().ShouldBe("Member");
        problem.GetProperty("nearestFit").GetString().ShouldBe("s");
    }

    /// <summary>PostgreSQL allows no NUL in text: it must not get that far.</summary>
    [Theory]
    [InlineData("note\u0000book", "s", "templateId")]
    [InlineData("notebook", "s\u0000", "size")]
    public async Task Launch_ControlCharacters_NamesTheField(string template, string size, string field)
    {
        using var alan = web.Visit();
        await alan.SignInAsync("Alan");
        using var answer = await alan.PostJsonAsync("/api/v1/workspaces", Order(null, "control", size, template));
        answer.StatusCode.ShouldBe(HttpStatusCode.BadRequest, await answer.Content.ReadAsStringAsync(Cancel));
        (await answer.Content.ReadAsStringAsync(Cancel)).ShouldContain(field);
    }

    [Fact]
    public async Task Others_Ids_AreNotFound()
    {
        using var alan = web.Visit();
        await alan.SignInAsync("Alan");
        var w = await web.WorkspaceAsync("Ada");
        foreach (var id in (Guid[])[w.Id, Guid.CreateVersion7(), Guid.Empty])
        {
            (await alan.GetAsync($"/api/v1/workspaces/{id}")).StatusCode.ShouldBe(HttpStatusCode.NotFound);
            foreach (var verb in (string[])["stop", "start", "apps/notebook/ticket"])
                (await alan.PostJsonAsync($"/api/v1/workspaces/{id}/{verb}", new { })).StatusCode.ShouldBe(HttpStatusCode.NotFound, verb);
            (await alan.PostJsonAsync($"/api/v1/workspaces/{id}/extend", new { endAt = TimeProvider.System.GetUtcNow() })).StatusCode.ShouldBe(
                HttpStatusCode.NotFound);
            (await alan.SendAsync(HttpMethod.Delete, $"/api/v1/workspaces/{id}", null, web.Origin, h => h.Add("X-Portal-Csrf", "1"))).StatusCode.ShouldBe(
                HttpStatusCode.NotFound);
        }
        foreach (var id in (string[])["1", "..", "%2e%2e%2fme", "' or 1=1", new string('a', 500)])
        {
            using var answer = await alan.GetAsync($"/api/v1/workspaces/{Uri.EscapeDataString(id)}");
            answer.StatusCode.ShouldBe(HttpStatusCode.NotFound, id);
            answer.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
        }
    }

    /// <summary>Every verb, read from the routes themselves, so that later ones are tested too.</summary>
    [Theory]
    [InlineData("Alan")]
    [InlineData("Stranger")]
    public async Task Others_IdsAtEveryVerb_AreNotFoundAndChangeNothing(string name)
    {
        if (name == "Stranger") await web.StrangerAsync(name);
        using var other = web.Visit();
        await other.SignInAsync(name);
        var w = await web.WorkspaceAsync("Ada");
        var verbs = web.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
            .Where(e => e.RoutePattern.RawText?.StartsWith("/api/v1/", StringComparison.Ordinal) == true && e.RoutePattern.Parameters.Any(p => p.Name == "id"))
            .SelectMany(e => e.Metadata.GetRequiredMetadata<HttpMethodMetadata>().HttpMethods,
                (e, method) => (Path: "/" + string.Join('/', e.RoutePattern.PathSegments.Select(s => Part(s.Parts[0], w.Id))), Method: new HttpMethod(method)))
            .ToList();
        verbs.Count.ShouldBeGreaterThanOrEqualTo(6);

        foreach (var (path, method) in verbs)
        {
            using var body = method == HttpMethod.Get || method == HttpMethod.Delete
                ? null
                : JsonContent.Create(new { endAt = TimeProvider.System.GetUtcNow().AddHours(1), hours = 1, workers = 1 });
            using var answer = await other.SendAsync(method, path, body, web.Origin, h => h.Add("X-Portal-Csrf", "1"));
            answer.StatusCode.ShouldBe(HttpStatusCode.NotFound, $"{method} {path}");
            answer.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
        }
        // The id of someone else's workspace launches nothing either, and reveals nothing about it.
        using var again = await other.PostJsonAsync("/api/v1/workspaces", Order(w.Id, "of others"));
        again.StatusCode.ShouldBe(HttpStatusCode.Conflict);
        (await again.Content.ReadAsStringAsync(Cancel)).ShouldNotContain(w.Slug);

        var view = (await web.Services.GetRequiredService<WorkspaceFeed>().LookAsync(new(web.Person("Ada")), w.Id, Cancel))!;
        (view.Run.Number, view.RequestedRun, view.Status).ShouldBe((1, null, WorkspaceStatus.Ready));
        view.EndAt.ShouldBe(w.EndAt);

        static string Part(Microsoft.AspNetCore.Routing.Patterns.RoutePatternPart part, Guid id) => part switch
        {
            Microsoft.AspNetCore.Routing.Patterns.RoutePatternLiteralPart literal => literal.Content,
            Microsoft.AspNetCore.Routing.Patterns.RoutePatternParameterPart { Name: "id" } => id.ToString(),
            Microsoft.AspNetCore.Routing.Patterns.RoutePatternParameterPart { Name: "app" } => "notebook",
            _ => throw new InvalidOperationException($"A route has the part {part}, which this test cannot fill."),
        };
    }

    [Fact]
    public async Task Idle_WhoAnswersForTheClass_ChangesTheRuleOfAll()
    {
        using var edsger = web.Visit();
        await edsger.SignInAsync("Edsger");
        async Task<HttpStatusCode> PutAsync(Visitor visitor, int? minutes)
        {
            using var answer =
                await visitor.SendAsync(HttpMethod.Put, $"/api/v1/classes/{web.Class}/idle", JsonContent.Create(new { minutes }), web.Origin,
                    h => h.Add("X-Portal-Csrf", "1"));
            return answer.StatusCode;
        }
        async Task<int?> RuleAsync()
        {
            await using var db = web.Database.Open();
            return (await db.Classes.AsNoTracking().SingleAsync(c => c.Id == web.Class, Cancel)).IdleMinutes;
        }

        (await RuleAsync()).ShouldBe(IdlePolicy.Usual);
        (await PutAsync(edsger, 45)).ShouldBe(HttpStatusCode.NoContent);
        (await RuleAsync()).ShouldBe(45);
        (await PutAsync(edsger, 5)).ShouldBe(HttpStatusCode.BadRequest);
        using var ada = web.Visit();
        await ada.SignInAsync("Ada");
        (await PutAsync(ada, null)).ShouldBe(HttpStatusCode.NotFound);
        (await RuleAsync()).ShouldBe(45);
        (await PutAsync(edsger, null)).ShouldBe(HttpStatusCode.NoContent);
        (await RuleAsync()).ShouldBeNull();
    }

    [Fact]
    public async Task Class_NotTheirs_IsNotFound()
    {
        using var ken = web.Visit();
        await ken.SignInAsync("Ken");
        (await ken.PostJsonAsync("/api/v1/workspaces", Order())).StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Body_Oversized_Is413()
    {
        using var ada = web.Visit();
        await ada.SignInAsync("Ada");
        static StringContent Body(int size) => new($"{{\"name\":\"{new string('x', size)}\"}}", Encoding.UTF8, "application/json");
        using var known = await ada.SendAsync(HttpMethod.Post, "/api/v1/workspaces", Body(2 << 20), web.Origin, h =>
        {
            h.Add("X-Portal-Csrf", "1");
            h.ExpectContinue = true; // the response replaces the body and does not interrupt it
        });
        known.StatusCode.ShouldBe(HttpStatusCode.RequestEntityTooLarge);
        known.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
        using var chunked = await ada.SendAsync(HttpMethod.Post, "/api/v1/workspaces", Body((1 << 20) + 1000), web.Origin, h =>
        {
            h.Add("X-Portal-Csrf", "1");
            h.TransferEncodingChunked = true;
        });
        chunked.StatusCode.ShouldBe(HttpStatusCode.RequestEntityTooLarge);
    }

    [Theory]
    [InlineData("/api/v1/workspaces/{0}/extend")]
    [InlineData("/api/v1/workspaces/{0}/start")]
    public async Task Body_OversizedAtAVerb_Is413AndChangesNothing(string path)
    {
        using var ada = web.Visit();
        await ada.SignInAsync("Ada");
        var w = await web.WorkspaceAsync("Ada");
        using var answer =
            await ada.SendAsync(HttpMethod.Post, string.Format(System.Globalization.CultureInfo.InvariantCulture, path, w.Id),
                new StringContent($"{{\"endAt\":\"{new string('x', 2 << 20)}\"}}", Encoding.UTF8, "application/json"), web.Origin, h =>
        {
            h.Add("X-Portal-Csrf", "1");
            h.ExpectContinue = true;
        });
        answer.StatusCode.ShouldBe(HttpStatusCode.RequestEntityTooLarge);
        var view = (await web.Services.GetRequiredService<WorkspaceFeed>().LookAsync(new(web.Person("Ada")), w.Id, Cancel))!;
        (view.Run.Number, view.EndAt).ShouldBe((1, w.EndAt));
    }

    [Fact]
    public async Task Unsafe_WithoutHeaderOrFromElsewhere_IsRefused()
    {
        using var ada = web.Visit();
        await ada.SignInAsync("Ada");
        (await ada.SendAsync(HttpMethod.Post, "/api/v1/workspaces", JsonContent.Create(Order()), web.Origin)).StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        foreach (var origin in (string[])["http://evil.example.org", web.AppUrl("a123456789"), "null"])
            (await ada.SendAsync(HttpMethod.Post, "/api/v1/workspaces", JsonContent.Create(Order()), origin,
                h => h.Add("X-Portal-Csrf", "1"))).StatusCode.ShouldBe(HttpStatusCode.Forbidden, origin);
        (await ada.SendAsync(HttpMethod.Post, "/api/v1/workspaces", JsonContent.Create(Order(null, "no origin")), null,
            h => h.Add("X-Portal-Csrf", "1"))).StatusCode.ShouldBe(HttpStatusCode.Accepted);
    }

    [Fact]
    public async Task Anonymous_GetsNothingButTheDocument()
    {
        using var stranger = web.Visit();
        foreach (var path in (string[])["/api/v1/me", "/api/v1/templates", "/api/v1/workspaces"])
        {
            using var answer = await stranger.GetAsync(path);
            answer.StatusCode.ShouldBe(HttpStatusCode.Unauthorized, path);
            answer.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
        }
        using var nothing = await stranger.GetAsync("/api/v1/nothing");
        (nothing.StatusCode, nothing.Content.Headers.ContentType!.MediaType).ShouldBe((HttpStatusCode.NotFound, "application/problem+json"));
        using var document = await stranger.GetAsync("/api/v1/openapi.json");
        var text = await document.Content.ReadAsStringAsync(Cancel);
        foreach (var wanted in (string[])["/api/v1/workspaces/{id}/apps/{app}/ticket", "Launch a workspace", "A UUID of the caller", "\"maxLength\": 40"])
            text.ShouldContain(wanted);
    }

    private static async Task<JsonElement> JsonAsync(HttpResponseMessage answer)
    {
        using (answer) return await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel);
    }
}
