using System.Net;
using System.Net.WebSockets;
using System.Text;
using System.Text.RegularExpressions;
using Portal.IntegrationTests.Access;
using Portal.TestKit;

namespace Portal.IntegrationTests.Proxy;

/// <summary>What crosses the boundary between portal and app, in both directions, and between apps.</summary>
public sealed class ProxyTests(WebFixture web) : IClassFixture<WebFixture>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Forward_Request_LosesOurCookiesAndGainsTheAppsToken()
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Ada");
        var w = await web.WorkspaceAsync("Ada");
        await visitor.OpenAsync(w.Id);
        using var answer = await visitor.GetAsync(web.AppUrl(w.Slug) + "/tree?a=1", h =>
        {
            h.TryAddWithoutValidation("Cookie",
                $"{web.SessionCookie}={visitor.Session}; "
                + $"{web.AppCookie}={visitor.Cookies[(new Uri(web.AppUrl(w.Slug)).Authority, web.AppCookie)]}; _xsrf=keep");
            h.TryAddWithoutValidation("Authorization", "token of-the-browser");
            h.TryAddWithoutValidation("X-Forwarded-For", "1.2.3.4");
            h.TryAddWithoutValidation("X-Portal-Operator", "yes");
        });
        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        web.App.Heard["Authorization"].ShouldBe($"token {web.Tokens.Of(w.Id, 1, "notebook")}");
        web.App.Heard["Host"].ShouldBe(new Uri(web.AppUrl(w.Slug)).Authority);
        web.App.Heard["Cookie"].ShouldBe("_xsrf=keep");
        string.Join('\n', web.App.Heard.Select(h => $"{h.Key}: {h.Value}")).ShouldNotContain(visitor.Session!);
        foreach (var name in (string[])["X-Forwarded-For", "X-Forwarded-Host", "X-Portal-Operator"]) web.App.Heard.ContainsKey(name).ShouldBeFalse(name);
    }

    [Fact]
    public async Task Forward_AppThatTriesToTell_TellsNothing()
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Ada");
        var w = await web.WorkspaceAsync("Ada");
        await visitor.OpenAsync(w.Id);
        using var answer = await visitor.GetAsync(web.AppUrl(w.Slug) + "/leak");
        var token = web.Tokens.Of(w.Id, 1, "notebook");
        answer.Headers.Concat(answer.Content.Headers).SelectMany(h => h.Value).ShouldNotContain(v => v.Contains(token, StringComparison.OrdinalIgnoreCase));
        answer.Headers.GetValues("Set-Cookie").ShouldBe(["mine=1; Path=/"]);
        answer.Headers.Contains("Alt-Svc").ShouldBeFalse();
        answer.Headers.GetValues("Referrer-Policy").ShouldBe(["same-origin"]);
    }

    [Fact]
    public async Task Answers_OfTheProxyItself_TellNoToken()
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Ada");
        var w = await web.WorkspaceAsync("Ada");
        var (ticket, address) = await visitor.TicketAsync(w.Id);
        using var entered = await visitor.EnterAsync(address, ticket, web.Origin);
        var token = web.Tokens.Of(w.Id, 1, "notebook");
        entered.Headers.Location!.ToString().ShouldBe("/lab");
        entered.ToString().ShouldNotContain(token);
        entered.ToString().ShouldNotContain(ticket);
        await web.Database.ExecuteAsync($"update portal.nodes set running = false where workspace_id = {w.Id}", Cancel);
        HttpResponseMessage? unavailable = null;
        await Until.TrueAsync("the proxy responds for the stopped node",
            async () => (unavailable = await visitor.GetAsync(web.AppUrl(w.Slug) + "/lab")).StatusCode == HttpStatusCode.ServiceUnavailable, Cancel);
        (unavailable!.ToString() + await unavailable.Content.ReadAsStringAsync(Cancel)).ShouldNotContain(token);
    }

    [Theory]
    [InlineData("POST")]
    [InlineData("PUT")]
    [InlineData("PATCH")]
    [InlineData("DELETE")]
    [InlineData("OPTIONS")]
    public async Task Unsafe_OfAnotherOrigin_NeverArrives(string method)
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Ada");
        var (mine, other) = (await web.WorkspaceAsync("Ada"), await web.WorkspaceAsync("Ada"));
        await visitor.OpenAsync(mine.Id);
        await visitor.OpenAsync(other.Id);
        foreach (var origin in (string?[])[null, "null", web.Origin, web.AppUrl(other.Slug), web.AppUrl(mine.Slug, "files"),
            web.AppUrl(mine.Slug).Replace("http:", "https:", StringComparison.Ordinal), "http://evil.example.org"])
        {
            using var answer = await visitor.SendAsync(new(method), $"{web.AppUrl(mine.Slug)}/api/contents/{method}", new StringContent("x"), origin);
            answer.StatusCode.ShouldBe(HttpStatusCode.Forbidden, origin);
        }
        web.App.Arrived.ShouldNotContain($"{method} /api/contents/{method}");
        using var own = await visitor.SendAsync(new(method), $"{web.AppUrl(mine.Slug)}/api/contents/{method}", new StringContent("x"), web.AppUrl(mine.Slug));
        own.StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task Get_ByAnotherSitesScript_IsRefusedAndByALinkFollowed()
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Ada");
        var (mine, other) = (await web.WorkspaceAsync("Ada"), await web.WorkspaceAsync("Ada"));
        await visitor.OpenAsync(mine.Id);
        async Task<HttpStatusCode> StatusAsync(string? origin, string site, string mode, string dest)
        {
            using var answer = await visitor.SendAsync(HttpMethod.Get, web.AppUrl(mine.Slug) + "/api/contents", origin: origin, headers: h =>
            {
                h.Add("Sec-Fetch-Site", site);
                h.Add("Sec-Fetch-Mode", mode);
                h.Add("Sec-Fetch-Dest", dest);
            });
            return answer.StatusCode;
        }
        (await StatusAsync(web.AppUrl(other.Slug), "same-site", "cors", "empty")).ShouldBe(HttpStatusCode.Forbidden);
        (await StatusAsync(null, "same-site", "no-cors", "script")).ShouldBe(HttpStatusCode.Forbidden);
        (await StatusAsync(null, "same-site", "navigate", "iframe")).ShouldBe(HttpStatusCode.Forbidden);
        (await StatusAsync(null, "cross-site", "navigate", "document")).ShouldBe(HttpStatusCode.OK);
        (await StatusAsync(null, "same-origin", "cors", "empty")).ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task WebSocket_OfAnotherOrigin_IsRefusedAndOfItsOwnEchoes()
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Ada");
        var (mine, other) = (await web.WorkspaceAsync("Ada"), await web.WorkspaceAsync("Ada"));
        await visitor.OpenAsync(mine.Id);
        await visitor.OpenAsync(other.Id);
        var before = web.App.Arrived.Count;
        foreach (var origin in (string?[])[null, web.Origin, web.AppUrl(other.Slug), web.AppUrl(mine.Slug, "files"), "http://evil.example.org"])
            await Should.ThrowAsync<WebSocketException>(() => visitor.SocketAsync(web.AppUrl(mine.Slug) + "/ws", origin));
        web.App.Arrived.Count.ShouldBe(before);
        using var socket = await visitor.SocketAsync(web.AppUrl(mine.Slug) + "/ws", web.AppUrl(mine.Slug));
        await socket.SendAsync("hello"u8.ToArray(), WebSocketMessageType.Text, true, Cancel);
        var buffer = new byte[100];
        var got = await socket.ReceiveAsync(buffer, Cancel);
        Encoding.UTF8.GetString(buffer, 0, got.Count).ShouldBe("hello");
    }

    [Fact]
    public async Task Others_WithoutAccess_FindNothing()
    {
        using var owner = web.Visit();
        await owner.SignInAsync("Ada");
        var w = await web.WorkspaceAsync("Ada");
        await owner.OpenAsync(w.Id);
        var cookie = owner.Cookies[(new Uri(web.AppUrl(w.Slug)).Authority, web.AppCookie)];
        var before = web.App.Arrived.Count;
        using var stranger = web.Visit();
        (await stranger.GetAsync(web.AppUrl(w.Slug) + "/lab")).StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
        foreach (var name in (string[])["Alan", "Barbara", "Edsger", "Margaret", "Ken"])
        {
            using var other = web.Visit();
            await other.SignInAsync(name);
            (await other.GetAsync(web.AppUrl(w.Slug) + "/lab")).StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable, name);
            using var open =
                await other.PostFormAsync($"/workspaces/{w.Id}/apps/notebook/open", web.Origin, ("__RequestVerificationToken", await other.FormTokenAsync()));
            open.StatusCode.ShouldBe(HttpStatusCode.NotFound, name);
        }
        // The cookie of one app opens no other, nor another workspace.
        var second = await web.WorkspaceAsync("Ada");
        foreach (var url in (string[])[web.AppUrl(w.Slug, "files"), web.AppUrl(second.Slug)])
        {
            using var thief = web.Visit();
            thief.Cookies[(new Uri(url).Authority, web.AppCookie)] = cookie;
            (await thief.GetAsync(url + "/lab")).StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable, url);
        }
        web.App.Arrived.Count.ShouldBe(before);
    }

    [Theory]
    [InlineData("notebook--zzzzzzzzzz.apps.localhost", HttpStatusCode.ServiceUnavailable)]
    [InlineData("x.notebook--zzzzzzzzzz.apps.localhost")]
    [InlineData("zzzzzzzzzz.apps.localhost")]
    [InlineData("notebook--.apps.localhost")]
    [InlineData("--zzzzzzzzzz.apps.localhost")]
    [InlineData("note_book--zzzzzzzzzz.apps.localhost")]
    public async Task AppHost_Unknown_NeverReachesThePortal(string host, HttpStatusCode status = HttpStatusCode.NotFound)
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Ada");
        foreach (var path in (string[])["/", "/sign-in", "/api/v1/me", "/.portal/enter", "/.portal/other"])
        {
            using var answer =
                await visitor.GetAsync($"http://{host}:{web.Port}{path}", h => h.TryAddWithoutValidation("Cookie", $"{web.SessionCookie}={visitor.Session}"));
            answer.StatusCode.ShouldBe(path.StartsWith("/.portal", StringComparison.Ordinal) ? HttpStatusCode.NotFound : status, path);
        }
    }

    [Fact]
    public async Task Upload_LargerThanThePortalTakes_ArrivesWhole()
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Ada");
        var w = await web.WorkspaceAsync("Ada");
        await visitor.OpenAsync(w.Id);
        const int size = 40 << 20;
        using var answer = await visitor.SendAsync(HttpMethod.Post, web.AppUrl(w.Slug) + "/count", new ByteArrayContent(new byte[size]), web.AppUrl(w.Slug));
        (await answer.Content.ReadAsStringAsync(Cancel)).ShouldBe($"{size}");
    }

    /// <summary>What a person sees on the host of a closed app looks like the portal, in both themes, and nothing else may load or run there.</summary>
    [Fact]
    public async Task Answers_OfTheProxyItself_HaveThePortalsLookUnderAStrictPolicy()
    {
        using var visitor = web.Visit();
        using var answer = await visitor.GetAsync(web.AppUrl("a123456789") + "/.portal/nothing");
        answer.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        var html = await answer.Content.ReadAsStringAsync(Cancel);
        var style = Regex.Match(html, "<style>(?<css>.*?)</style>", RegexOptions.Singleline | RegexOptions.ExplicitCapture,
            TimeSpan.FromSeconds(1)).Groups["css"].Value;
        foreach (var token in (string[])[Portal.Theme.Tokens.Light.Ground, Portal.Theme.Tokens.Light.Accent, Portal.Theme.Tokens.Dark.Ground,
            Portal.Theme.Tokens.Dark.Accent])
            style.ShouldContain(token);
        var policy = answer.Headers.GetValues("Content-Security-Policy").ShouldHaveSingleItem();
        var hash = Convert.ToBase64String(System.Security.Cryptography.SHA256.HashData(Encoding.UTF8.GetBytes(style)));
        policy.Split("; ").ShouldBe(
            ["default-src 'none'", $"style-src-elem 'sha256-{hash}'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"], ignoreOrder: true);
        html.ShouldNotContain("<script");
        html.ShouldNotContain("style=\"");
        html.ShouldContain("Campus");
    }
}
