using System.Net;
using System.Net.Http.Headers;
using System.Net.WebSockets;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.Extensions.DependencyInjection;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.IntegrationTests.Access;
using Portal.TestKit;

namespace Portal.IntegrationTests.Proxy;

/// <summary>
/// What an open app gets once it is gone: a script the same 503 whatever the cause, a person an explanation and a way back to where they were.
/// </summary>
public sealed partial class AppGoneTests(WebFixture web) : IClassFixture<WebFixture>
{
    private const string Where = "/lab/tree/a%2Fb.ipynb?x=%2F";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Script_OfAnAppThatIsNotOpen_GetsOneUniform503()
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Ada");
        var w = await web.WorkspaceAsync("Ada");
        await visitor.OpenAsync(w.Id);
        var key = visitor.Cookies[(new Uri(web.AppUrl(w.Slug)).Authority, web.AppCookie)];
        (await web.Services.GetRequiredService<StopWorkspace>().RunAsync(new(web.Person("Ada")), w.Id, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await Until.TrueAsync("the access has ended", async () =>
            (await visitor.GetAsync(web.AppUrl(w.Slug) + "/api/contents", Scripts)).StatusCode == HttpStatusCode.ServiceUnavailable, Cancel);
        var arrived = web.App.Arrived.Count;
        var answers = new List<string>();
        (HttpMethod, string, string)[] asked =
        [
            (HttpMethod.Get, "cors", "empty"), (HttpMethod.Put, "cors", "empty"), (HttpMethod.Get, "no-cors", "image"),
            (HttpMethod.Delete, "same-origin", "empty"),
        ];
        foreach (var slug in (string[])[w.Slug, "zzzzzzzzzz"])
            foreach (var cookie in (string?[])[key, "of-nobody", null])
                foreach (var (method, mode, dest) in asked)
                {
                    using var other = web.Visit();
                    if (cookie is not null) other.Cookies[(new Uri(web.AppUrl(slug)).Authority, web.AppCookie)] = cookie;
                    var url = web.AppUrl(slug);
                    using var answer = await other.SendAsync(method, url + "/api/contents/x", origin: url, headers: h => Fetch(h, mode, dest));
                    answer.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
                    answer.Content.Headers.ContentType!.MediaType.ShouldBe("application/json");
                    answer.Headers.CacheControl!.NoStore.ShouldBeTrue();
                    answers.Add(await answer.Content.ReadAsStringAsync(Cancel));
                }
        answers.Distinct(StringComparer.Ordinal).Count().ShouldBe(1);
        var body = JsonDocument.Parse(answers[0]).RootElement;
        body.GetProperty("reason").GetString().ShouldBe("closed");
        body.GetProperty("message").GetString()!.ShouldNotBeEmpty();
        var own = web.AppUrl(w.Slug);
        var refused = await Should.ThrowAsync<WebSocketException>(() => visitor.SocketAsync(own + "/api/kernels/1/channels", own));
        refused.Message.ShouldContain("503");
        web.App.Arrived.Count.ShouldBe(arrived);
    }

    /// <summary>Scripts of a page learn only that their socket did not open; every other client reads why.</summary>
    [Theory]
    [InlineData("delete from portal.app_sessions where workspace_id = {0}", "closed")]
    [InlineData("update portal.nodes set running = false where workspace_id = {0}", "unavailable")]
    public async Task Socket_OfAnAppThatIsGone_IsRefusedWithTheReason(string sql, string reason)
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Ada");
        var w = await web.WorkspaceAsync("Ada");
        await visitor.OpenAsync(w.Id);
        var url = new Uri(web.AppUrl(w.Slug));
        using (var open = await visitor.SocketAsync($"{url}ws", url.GetLeftPart(UriPartial.Authority))) open.State.ShouldBe(WebSocketState.Open);
        await web.Database.ExecuteAsync(System.Runtime.CompilerServices.FormattableStringFactory.Create(sql, w.Id), Cancel);
        await Until.TrueAsync("the app is gone", async () =>
            (await visitor.GetAsync($"{url}api/contents", Scripts)).StatusCode == HttpStatusCode.ServiceUnavailable, Cancel);
        var key = visitor.Cookies[(url.Authority, web.AppCookie)];

        var answer = await RawCall.SendAsync(web.Port, $"GET /ws HTTP/1.1\r\nHost: {url.Authority}\r\nCookie: {web.AppCookie}={key}\r\n"
            + $"Origin: {url.GetLeftPart(UriPartial.Authority)}\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-Fetch-Mode: websocket\r\nSec-Fetch-Dest: empty\r\n\r\n", Cancel);

        answer.ShouldStartWith("HTTP/1.1 503 Service Unavailable\r\n");
        answer.ShouldContain("\r\nContent-Type: application/json; charset=utf-8\r\n");
        answer.ShouldContain("\r\nCache-Control: no-store\r\n");
        var body = JsonDocument.Parse(answer[answer.IndexOf('{', StringComparison.Ordinal)..(answer.LastIndexOf('}') + 1)]).RootElement;
        body.GetProperty("reason").GetString().ShouldBe(reason);
        body.GetProperty("message").GetString()!.ShouldNotBeEmpty();
    }

    [Fact]
    public async Task Script_OfAnAppWhoseNodeIsDown_Gets503WithAnotherReason()
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Ada");
        var w = await web.WorkspaceAsync("Ada");
        await visitor.OpenAsync(w.Id);
        await web.Database.ExecuteAsync($"update portal.nodes set running = false where workspace_id = {w.Id}", Cancel);
        HttpResponseMessage? unavailable = null;
        await Until.TrueAsync("the node is known to be down", async () =>
            (unavailable = await visitor.GetAsync(web.AppUrl(w.Slug) + "/api/contents", Scripts)).StatusCode == HttpStatusCode.ServiceUnavailable, Cancel);
        JsonDocument.Parse(await unavailable!.Content.ReadAsStringAsync(Cancel)).RootElement.GetProperty("reason").GetString().ShouldBe("unavailable");
    }

    [Fact]
    public async Task Page_OfAStoppedWorkspace_IsStartedAgainAndOpenedWhereItWas()
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Ada");
        var w = await web.WorkspaceAsync("Ada");
        await visitor.OpenAsync(w.Id);
        await StoppedAsync(w);
        await Until.TrueAsync("a page load is redirected to the portal", async () =>
            (await visitor.GetAsync(web.AppUrl(w.Slug) + Where, Navigates)).StatusCode == HttpStatusCode.SeeOther, Cancel);
        var there = (await visitor.GetAsync(web.AppUrl(w.Slug) + Where, Navigates)).Headers.Location!.OriginalString;
        var html = await TextAsync(await visitor.GetAsync(there));
        Title(html).ShouldBe("Stopped");
        html.ShouldContain(w.Name);
        html.ShouldContain(">Start again</button>");
        using var started = await PressAsync(visitor, html);
        started.StatusCode.ShouldBe(HttpStatusCode.SeeOther);
        var back = new Uri(web.Url, started.Headers.Location!.OriginalString).AbsoluteUri;
        back.ShouldBe(new Uri(there).AbsoluteUri, "the path is kept");
        html = await TextAsync(await visitor.GetAsync(back));
        Title(html).ShouldBe("Starting");
        html.ShouldContain("/await-app.js");

        await web.ReadyAsync(w.Id, generation: 2);
        html = await TextAsync(await visitor.GetAsync(back));
        Title(html).ShouldBe("Open JupyterLab?");
        var open = await TextAsync(await PressAsync(visitor, html));
        var enter = Action().Match(open).Groups["to"].Value;
        using var entered = await visitor.PostFormAsync(enter, web.Origin, ("ticket", Field(open, "ticket")), ("path", Field(open, "path")));
        entered.Headers.Location!.OriginalString.ShouldBe(Where);
        (await visitor.GetAsync(web.AppUrl(w.Slug) + Where, Navigates)).StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task Page_AfterTheSessionEnded_IsSignedInAndBackWhereItWas()
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Ada");
        var w = await web.WorkspaceAsync("Ada");
        await visitor.OpenAsync(w.Id);
        await web.Database.ExecuteAsync($"delete from portal.sessions where person_id = {web.Person("Ada")}", Cancel);
        await Until.TrueAsync("a page load is redirected to the portal", async () =>
            (await visitor.GetAsync(web.AppUrl(w.Slug) + Where, Navigates)).StatusCode == HttpStatusCode.SeeOther, Cancel);
        var there = (await visitor.GetAsync(web.AppUrl(w.Slug) + Where, Navigates)).Headers.Location!.OriginalString;
        using var challenged = await visitor.GetAsync(there);
        var signIn = new Uri(web.Url, challenged.Headers.Location!.OriginalString);
        var html = await TextAsync(await visitor.GetAsync(signIn.AbsoluteUri));
        html.ShouldContain("Your session has ended");
        var person = ("person", web.Person("Ada").ToString());
        using var signedIn = await visitor.PostFormAsync(
            "/sign-in/demo", web.Origin, person, ("returnUrl", Field(html, "returnUrl")),
            ("__RequestVerificationToken", Field(html, "__RequestVerificationToken")));
        new Uri(web.Url, signedIn.Headers.Location!.OriginalString).AbsoluteUri.ShouldBe(new Uri(there).AbsoluteUri);
        Title(await TextAsync(await visitor.GetAsync(there))).ShouldBe("Open JupyterLab?");
        (await TextAsync(await visitor.GetAsync("/sign-in"))).ShouldNotContain("Your session has ended");
    }

    [Theory]
    [InlineData("update portal.runs set phase = 'Failed' where workspace_id = {0}", "It did not start", "Try again")]
    [InlineData("update portal.runs set phase = 'Active', ended_at = null where workspace_id = {0}", "Starting", null)]
    [InlineData("update portal.runs set phase = 'Queued', ended_at = null where workspace_id = {0}", "Starting", null)]
    [InlineData("update portal.runs set kind = 'Stop', phase = 'Active', ended_at = null where workspace_id = {0}", "Stopping", null)]
    [InlineData("update portal.nodes set running = false where workspace_id = {0}", "Restarting", "Start again")]
    public async Task Page_OfAWorkspaceThatIsNotReady_SaysWhatIsSo(string sql, string title, string? button)
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Ada");
        var w = await web.WorkspaceAsync("Ada");
        await web.Database.ExecuteAsync(System.Runtime.CompilerServices.FormattableStringFactory.Create(sql, w.Id), Cancel);
        var html = await TextAsync(await visitor.GetAsync($"/workspaces/{w.Slug}/open/notebook?path=%2Fx"));
        Title(html).ShouldBe(title);
        html.ShouldContain($"/workspaces/{w.Slug}\"");
        if (button is null) html.ShouldNotContain("<button");
        else html.ShouldContain($">{button}</button>");
        html.Contains("/await-app.js", StringComparison.Ordinal).ShouldBe(title is not "It did not start");
        html.ShouldNotContain("http-equiv");
    }

    [Fact]
    public async Task Start_WhatIsNotOnesOwnOrComesFromElsewhere_DoesNothing()
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Ada");
        var w = await web.WorkspaceAsync("Ada");
        await StoppedAsync(w);
        using var other = web.Visit();
        await other.SignInAsync("Alan");
        var address = $"/workspaces/{w.Slug}/open/notebook";
        var (theirs, mine) = (("__RequestVerificationToken", await other.FormTokenAsync()), ("__RequestVerificationToken", await visitor.FormTokenAsync()));
        (await other.PostFormAsync(address, web.Origin, ("path", "/x"), theirs)).StatusCode.ShouldBe(HttpStatusCode.NotFound);
        Title(await TextAsync(await other.GetAsync(address))).ShouldStartWith("This app does not exist");
        (await visitor.PostFormAsync(address, web.AppUrl(w.Slug), ("path", "/x"), mine)).StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        (await visitor.PostFormAsync(address, web.Origin, ("path", "/x"))).StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        await using var db = web.Database.Open();
        db.Runs.Count(r => r.WorkspaceId == w.Id).ShouldBe(2);
    }

    /// <summary>Ordered by the verb, then ended as Jobs would.</summary>
    private async Task StoppedAsync(Workspace w)
    {
        (await web.Services.GetRequiredService<StopWorkspace>().RunAsync(new(web.Person("Ada")), w.Id, Cancel)).ShouldBeOfType<ChangeOutcome.Accepted>();
        await web.Database.ExecuteAsync($"update portal.runs set phase = 'Succeeded', ended_at = clock_timestamp() where workspace_id = {w.Id}", Cancel);
        await web.Database.ExecuteAsync($"update portal.nodes set running = false where workspace_id = {w.Id}", Cancel);
        await web.Database.ExecuteAsync(
            $"update portal.reservations set ended_at = clock_timestamp() where workspace_id = {w.Id} and kind = 'Compute'", Cancel);
    }

    private Task<HttpResponseMessage> PressAsync(Visitor visitor, string html)
    {
        var action = WebUtility.HtmlDecode(Action().Match(html).Groups["to"].Value);
        var token = ("__RequestVerificationToken", Field(html, "__RequestVerificationToken"));
        return visitor.PostFormAsync(action, web.Origin, token, ("path", Field(html, "path")));
    }

    private static void Navigates(HttpRequestHeaders headers) => Fetch(headers, "navigate", "document");

    private static void Scripts(HttpRequestHeaders headers) => Fetch(headers, "cors", "empty");

    private static void Fetch(HttpRequestHeaders headers, string mode, string dest)
    {
        headers.Add("Sec-Fetch-Site", "same-origin");
        headers.Add("Sec-Fetch-Mode", mode);
        headers.Add("Sec-Fetch-Dest", dest);
    }

    private static Task<string> TextAsync(HttpResponseMessage answer) => answer.Content.ReadAsStringAsync(Cancel);

    private static string Title(string html) => Found(html, "<h1>(?<v>[^<]*)</h1>");

    private static string Field(string html, string name) => Found(html, $"name=\"{name}\"[^>]*value=\"(?<v>[^\"]*)\"");

    private static string Found(string html, string pattern) =>
        WebUtility.HtmlDecode(Regex.Match(html, pattern, RegexOptions.ExplicitCapture, TimeSpan.FromSeconds(1)).Groups["v"].Value);

    [GeneratedRegex("<form method=\"post\" action=\"(?<to>[^\"]*)\"", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Action();
}
