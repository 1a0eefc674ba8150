using System.Net;
using Portal.Core.Access;
using Portal.TestKit;

namespace Portal.IntegrationTests.Access;

public sealed class SignInTests(WebFixture web) : IClassFixture<WebFixture>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Health_RightSchema_IsOk()
    {
        using var visitor = web.Visit();
        using var answer = await visitor.GetAsync("/health");
        (await answer.Content.ReadAsStringAsync(Cancel)).ShouldBe("ok");
    }

    [Fact]
    public async Task SignIn_DemoPerson_GetsASessionThatIsARow()
    {
        using var visitor = web.Visit();
        using var answer = await visitor.SignInAsync("Ada", "/catalog?x=1");
        answer.StatusCode.ShouldBe(HttpStatusCode.SeeOther);
        answer.Headers.Location!.ToString().ShouldBe("/catalog?x=1");
        var cookie = answer.Headers.GetValues("Set-Cookie").Single(c => c.StartsWith(web.SessionCookie, StringComparison.Ordinal));
        foreach (var part in (string[])["secure", "httponly", "samesite=lax", "path=/"]) cookie.ShouldContain(part);
        cookie.ShouldNotContain("domain", Case.Insensitive);
        using var me = await visitor.GetAsync("/api/v1/me");
        (await me.Content.ReadAsStringAsync(Cancel)).ShouldContain("\"name\":\"Ada\"");
        await using var db = web.Database.Open();
        db.Sessions.Any(s => s.Hash == visitor.Session).ShouldBeFalse("the row must hold a hash, not the key");
        db.Sessions.Count(s => s.PersonId == web.Person("Ada")).ShouldBeGreaterThan(0);
    }

    [Fact]
    public async Task SignIn_PersonOfARealIssuer_IsNotForTheDemo()
    {
        using var visitor = web.Visit();
        var token = await visitor.FormTokenAsync();
        using var answer =
            await visitor.PostFormAsync("/sign-in/demo", web.Origin, ("person", web.Person("Real").ToString()), ("__RequestVerificationToken", token));
        answer.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        visitor.Session.ShouldBeNull();
    }

    [Theory]
    [InlineData("X-Forwarded-For", "203.0.113.9")]
    [InlineData("X-Forwarded-Host", "portal.example.org")]
    [InlineData("Forwarded", "for=203.0.113.9")]
    [InlineData("X-Real-IP", "203.0.113.9")]
    [InlineData("Via", "1.1 proxy")]
    public async Task SignIn_Forwarded_IsNotThere(string header, string value)
    {
        using var visitor = web.Visit();
        using var page = await visitor.GetAsync("/sign-in", h => h.TryAddWithoutValidation(header, value));
        page.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        var token = await visitor.FormTokenAsync();
        using var form = new FormUrlEncodedContent([new("person", web.Person("Ada").ToString()), new("__RequestVerificationToken", token)]);
        using var post = await visitor.SendAsync(HttpMethod.Post, "/sign-in/demo", form, web.Origin, h => h.TryAddWithoutValidation(header, value));
        post.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        visitor.Session.ShouldBeNull();
    }

    [Theory]
    [InlineData("evil.example.org")]
    [InlineData("127.0.0.1")]
    [InlineData("localhost")]
    [InlineData("apps.localhost")]
    [InlineData("portal.localhost.evil.example.org")]
    [InlineData("x.portal.localhost")]
    public async Task Host_Foreign_IsNotServed(string host)
    {
        using var visitor = web.Visit();
        foreach (var path in (string[])["/sign-in", "/", "/api/v1/me", "/_blazor/negotiate"])
        {
            using var answer = await visitor.GetAsync(path, h => h.Host = $"{host}:{web.Port}");
            answer.StatusCode.ShouldBe(HttpStatusCode.NotFound, $"{host}{path}");
        }
    }

    [Fact]
    public async Task Host_WithoutThePort_IsNotServed()
    {
        using var visitor = web.Visit();
        using var answer = await visitor.GetAsync("/sign-in", h => h.Host = "portal.localhost");
        answer.StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Theory]
    [InlineData("https://evil.example.org/")]
    [InlineData("//evil.example.org/")]
    [InlineData("/\\evil.example.org/")]
    [InlineData("/\t/evil.example.org/")]
    [InlineData("javascript:alert(1)")]
    public async Task SignIn_ForeignReturnUrl_GoesHome(string url)
    {
        using var visitor = web.Visit();
        using var answer = await visitor.SignInAsync("Ada", url);
        answer.Headers.Location!.ToString().ShouldBe("/");
        using var bye = await visitor.PostFormAsync("/sign-out", web.Origin, ("returnUrl", url),
            ("__RequestVerificationToken", await visitor.FormTokenAsync()));
        bye.Headers.Location!.ToString().ShouldBe("/signed-out?returnUrl=%2F");
    }

    [Fact]
    public async Task Forms_WithoutAntiforgeryToken_AreRefused()
    {
        using var stranger = web.Visit();
        (await stranger.PostFormAsync("/sign-in/demo", web.Origin, ("person", web.Person("Ada").ToString()))).StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        using var visitor = web.Visit();
        await visitor.SignInAsync("Ada");
        var workspace = await web.WorkspaceAsync("Ada");
        (await visitor.PostFormAsync("/sign-out", web.Origin, ("returnUrl", "/"))).StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        (await visitor.PostFormAsync($"/workspaces/{workspace.Id}/apps/notebook/open", web.Origin, ("x", "y"))).StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        visitor.Session.ShouldNotBeNull();
    }

    // A browser sends no strict cookie when a link from elsewhere is followed: that page would be given another one, and the forms of every open page
    // would be refused.
    [Fact]
    public async Task Forms_TheirCookie_IsSentWithLinksFromElsewhere()
    {
        using var visitor = web.Visit();
        using var page = await visitor.GetAsync("/sign-in");
        var forms = page.Headers.GetValues("Set-Cookie").Single(c => c.Contains("__Host-form-", StringComparison.OrdinalIgnoreCase));
        forms.ShouldContain("samesite=lax", Case.Insensitive);
        forms.ShouldContain("httponly", Case.Insensitive);
    }

    [Fact]
    public async Task Forms_OfAnotherOrigin_AreRefused()
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Ada");
        var token = await visitor.FormTokenAsync();
        foreach (var origin in (string[])["http://evil.example.org", web.AppUrl("a123456789"), "null", $"https://portal.localhost:{web.Port}"])
            (await visitor.PostFormAsync("/sign-out", origin, ("__RequestVerificationToken", token))).StatusCode.ShouldBe(HttpStatusCode.Forbidden, origin);
        visitor.Session.ShouldNotBeNull();
    }

    [Fact]
    public async Task SignOut_Session_IsGoneForEveryCopyOfTheCookie()
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Ada");
        var stolen = visitor.Session!;
        using var bye = await visitor.PostFormAsync("/sign-out", web.Origin, ("__RequestVerificationToken", await visitor.FormTokenAsync()));
        bye.StatusCode.ShouldBe(HttpStatusCode.SeeOther);
        using var thief = web.Visit();
        thief.Cookies[(web.Url.Authority, web.SessionCookie)] = stolen;
        (await thief.GetAsync("/api/v1/me")).StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
    }

    [Fact]
    public async Task Session_Expired_SignsNobodyIn()
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Alan");
        await web.Database.ExecuteAsync(
            $"update portal.sessions set expires_at = clock_timestamp() - interval '1 second' where person_id = {web.Person("Alan")}", Cancel);
        (await visitor.GetAsync("/api/v1/me")).StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/sign-in")]
    [InlineData("/nothing/here")]
    public async Task Pages_EveryOne_RunsNoScriptAndNoStyleButOurFiles(string path)
    {
        using var ada = web.Visit();
        await ada.SignInAsync("Ada");
        using var page = await ada.GetAsync(path);
        var policy = page.Headers.GetValues("Content-Security-Policy").ShouldHaveSingleItem().Split(';', StringSplitOptions.TrimEntries);
        foreach (var rule in (string[])["default-src 'self'", "script-src 'self'", "style-src-elem 'self'", "connect-src 'self'",
            "object-src 'none'", "base-uri 'self'", "form-action 'self'", "frame-ancestors 'none'"])
            policy.ShouldContain(rule);
        policy.ShouldNotContain(rule => rule.Contains("unsafe", StringComparison.Ordinal) && !rule.StartsWith("style-src-attr", StringComparison.Ordinal));
        page.Headers.GetValues("X-Content-Type-Options").ShouldBe(["nosniff"]);
        (await page.Content.ReadAsStringAsync(Cancel)).ShouldNotContain("<style");
    }

    [Fact]
    public async Task Pages_WithoutSession_LeadToTheSignIn()
    {
        using var visitor = web.Visit();
        using var page = await visitor.GetAsync("/operations?x=1");
        page.StatusCode.ShouldBe(HttpStatusCode.Found);
        page.Headers.Location!.ToString().ShouldBe("/sign-in?returnUrl=%2Foperations%3Fx%3D1");
        (await visitor.SendAsync(HttpMethod.Post, "/_blazor/negotiate?negotiateVersion=1", new StringContent(""), web.Origin)).StatusCode.ShouldBe(
            HttpStatusCode.Unauthorized);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("http://evil.example.org")]
    [InlineData("http://notebook--a123456789.apps.localhost")]
    [InlineData("null")]
    public async Task Circuit_OfAnotherOrigin_IsRefused(string? origin)
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Ada");
        await Should.ThrowAsync<System.Net.WebSockets.WebSocketException>(() => visitor.SocketAsync($"{web.Origin}/_blazor?id=x", origin));
        if (origin is not null)
            (await visitor.SendAsync(HttpMethod.Post, "/_blazor/negotiate?negotiateVersion=1", new StringContent(""), origin)).StatusCode.ShouldBe(
                HttpStatusCode.Forbidden);
    }

    [Fact]
    public async Task Circuit_SessionEnds_IsCutWithinSeconds()
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Ada");
        using var circuit = await visitor.SocketAsync($"{web.Origin}/_blazor", web.Origin);
        await circuit.SendAsync("{\"protocol\":\"blazorpack\",\"version\":1}\u001e"u8.ToArray(), System.Net.WebSockets.WebSocketMessageType.Text, true, Cancel);
        var buffer = new byte[4096];
        (await circuit.ReceiveAsync(buffer, Cancel)).Count.ShouldBeGreaterThan(0);
        var start = TimeProvider.System.GetTimestamp();
        await visitor.PostFormAsync("/sign-out", web.Origin, ("__RequestVerificationToken", await visitor.FormTokenAsync()));
        await Should.ThrowAsync<System.Net.WebSockets.WebSocketException>(async () => { while (true) await circuit.ReceiveAsync(buffer, Cancel); });
        var took = TimeProvider.System.GetElapsedTime(start);
        TestContext.Current.TestOutputHelper!.WriteLine($"circuit cut {took.TotalMilliseconds:F0} ms after sign-out (3,000 ms of it grace)");
        took.ShouldBeLessThan(TimeSpan.FromSeconds(8));
    }

    [Theory]
    [InlineData("http://0.0.0.0:0")]
    [InlineData("http://*:0")]
    [InlineData("http://127.0.0.1:0;http://[::]:0")]
    public void DemoSignIn_BoundBeyondLoopback_DoesNotStart(string urls) =>
        Should.Throw<InvalidOperationException>(() => Portal.Program.Build(web.Arguments(urls), TimeProvider.System)).Message.ShouldContain("SignIn:Demo");

    [Fact]
    public void Site_AppsOnThePortalsSite_DoesNotStart() =>
        Should.Throw<InvalidOperationException>(() =>
            Portal.Program.Build(web.Arguments("http://127.0.0.1:0", "--Site:PublicUrl=https://portal.uni.edu", "--Site:AppsDomain=apps.uni.edu"),
                TimeProvider.System)).Message.ShouldContain("Site:AppsDomain");

    [Fact]
    public async Task DemoSignIn_SwitchedOff_IsNotThere()
    {
        await using var other = Portal.Program.Build(web.Arguments("http://127.0.0.1:0", "--SignIn:Demo=false"), TimeProvider.System);
        await other.StartAsync(Cancel);
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Get, other.Urls.First() + "/sign-in");
        request.Headers.Host = web.Url.Authority;
        using var answer = await http.SendAsync(request, Cancel);
        answer.StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }
}
