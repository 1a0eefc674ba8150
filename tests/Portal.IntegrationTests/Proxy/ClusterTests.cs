using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Portal.Core.Workspaces;
using Portal.IntegrationTests.Access;
using Portal.TestKit;

namespace Portal.IntegrationTests.Proxy;

/// <summary>Apps of several nodes: each a host of its own, links between them rewritten, and nothing else let through.</summary>
public sealed partial class ClusterTests(ClusterFixture cluster) : IClassFixture<ClusterFixture>
{
    private WebFixture Web => cluster.Web;
    private int Port => cluster.Engine.Port;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Apps_OfEveryNode_HaveAHostAndAreThatNode()
    {
        var (visitor, w, block) = await cluster.OpenAsync("Ada", "hdfs", "node-0", "node-1");
        using var _ = visitor;
        foreach (var (app, at) in new[] { ("hdfs", 2), ("node-0", 3), ("node-1", 4) })
            (await TextAsync(await visitor.GetAsync(Web.AppUrl(w.Slug, app) + "/where"))).ShouldBe($"127.1.{block}.{at}");
        (await visitor.GetAsync(Web.AppUrl(w.Slug, "node-2") + "/where")).StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
        using var refused =
            await visitor.PostFormAsync($"/workspaces/{w.Id}/apps/node-2/open", Web.Origin, ("__RequestVerificationToken", await visitor.FormTokenAsync()));
        refused.StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Token_IsSentOnlyToTheNodeThatWasGivenIt()
    {
        var (visitor, w, _) = await cluster.OpenAsync("Ada", "hdfs", "lab", "node-0");
        using var _ = visitor;
        foreach (var app in (string[])["hdfs", "node-0"])
        {
            await visitor.GetAsync(Web.AppUrl(w.Slug, app) + "/x", h => h.TryAddWithoutValidation("Authorization", "token of-the-browser"));
            cluster.Engine.Heard.ContainsKey("Authorization").ShouldBeFalse(app);
            cluster.Engine.Heard["Host"].ShouldBe(new Uri(Web.AppUrl(w.Slug, app)).Authority);
        }
        await visitor.GetAsync(Web.AppUrl(w.Slug, "lab") + "/x");
        Web.App.Heard["Authorization"].ShouldBe($"token {Web.Tokens.Of(w.Id, 1, "lab")}");
        using var socket = await visitor.SocketAsync(Web.AppUrl(w.Slug, "hdfs") + "/ws", Web.AppUrl(w.Slug, "hdfs"));
        await socket.SendAsync("bokeh"u8.ToArray(), WebSocketMessageType.Text, true, Cancel);
        var buffer = new byte[10];
        (await socket.ReceiveAsync(buffer, Cancel)).Count.ShouldBe(5);
    }

    [Fact]
    public async Task Target_ThroughAndAt_ArriveAsTheyWereSent()
    {
        var (visitor, w, _) = await cluster.OpenAsync("Ada", "hdfs");
        using var _ = visitor;
        var own = Web.AppUrl(w.Slug, "hdfs");
        cluster.Location = $"http://worker0:{Port}/webhdfs/v1/a%2Fb%20c?op=OPEN&x=%2F";
        using var asked = await visitor.SendAsync(HttpMethod.Get, $"{own}/webhdfs/v1/f?op=OPEN", headers: Scripts);
        var next = asked.Headers.GetValues("Location").Single();
        next.ShouldBe($"{own}/.portal/to/node-0/webhdfs/v1/a%2Fb%20c?op=OPEN&x=%2F");
        (await TextAsync(await visitor.SendAsync(HttpMethod.Get, next, headers: Scripts))).ShouldStartWith("GET /webhdfs/v1/a%2Fb%20c?op=OPEN&x=%2F");
        using var led = await visitor.SendAsync(HttpMethod.Get, $"{own}/.portal/at/http://worker0:{Port}/a%2Fb%2520c?x=%2F", headers: Navigates);
        led.Headers.GetValues("Location").Single().ShouldBe($"{Web.AppUrl(w.Slug, "node-0")}/a%2Fb%2520c?x=%2F");
        cluster.Location = $"http://worker0:{Port}/æ°?q=é";
        using var bytes = await visitor.GetAsync(own + "/led");
        bytes.Headers.NonValidated["Location"].ToString().ShouldBe($"{Web.AppUrl(w.Slug, "node-0")}/æ°?q=é");
    }

    [Theory]
    [InlineData("http://worker0:{0}/webhdfs/v1/f?op=OPEN&x=%2F#y", "node-0", "/webhdfs/v1/f?op=OPEN&x=%2F#y")]
    [InlineData("//worker1:{0}/node", "node-1", "/node")]
    [InlineData("http://127.1.{1}.2:{0}/", "hdfs", "/")]
    [InlineData("http://worker9:{0}/", null, null)]
    [InlineData("http://evil.example/", null, null)]
    [InlineData("http://worker0:{0}@evil.example/", null, null)]
    [InlineData("https://worker0:{0}/", null, null)]
    [InlineData("/local?x=//worker0:{0}/", null, null)]
    public async Task Redirect_ToOwnNode_LeadsToItsHost(string location, string? app, string? path)
    {
        var (visitor, w, block) = await cluster.OpenAsync("Ada", "hdfs");
        using var _ = visitor;
        cluster.Location = string.Format(System.Globalization.CultureInfo.InvariantCulture, location, Port, block);
        using var answer = await visitor.GetAsync(Web.AppUrl(w.Slug, "hdfs") + "/led");
        answer.Headers.GetValues("Location").Single().ShouldBe(app is null ? cluster.Location : Web.AppUrl(w.Slug, app) + path);
    }

    [Fact]
    public async Task Download_ByALink_GoesByThePortalAndAClickToTheOtherNode()
    {
        var (visitor, w, _) = await cluster.OpenAsync("Ada", "hdfs");
        using var _ = visitor;
        cluster.Location = $"http://worker0:{Port}/webhdfs/v1/a%20b?op=OPEN&q='x'";
        using var redirect = await visitor.GetAsync(Web.AppUrl(w.Slug, "hdfs") + "/webhdfs/v1/a%20b?op=OPEN", Navigates);
        redirect.StatusCode.ShouldBe(HttpStatusCode.RedirectKeepVerb);
        var node = redirect.Headers.Location!;
        node.AbsoluteUri.ShouldStartWith(Web.AppUrl(w.Slug, "node-0") + "/webhdfs/v1/a%20b?op=OPEN");
        using var closed = await visitor.GetAsync(node.OriginalString, Navigates);
        closed.StatusCode.ShouldBe(HttpStatusCode.SeeOther);
        var portal = closed.Headers.Location!.OriginalString;
        portal.ShouldStartWith($"{Web.Origin}/workspaces/{w.Slug}/open/node-0?path=");
        using var offer = await visitor.GetAsync(portal);
        offer.StatusCode.ShouldBe(HttpStatusCode.OK);
        var html = await TextAsync(offer);
        html.ShouldNotContain("<script");
        cluster.Engine.Arrived.ShouldNotContain(a =>
            a.Contains("q=", StringComparison.Ordinal) && a.Contains("/webhdfs/v1/a b?op=OPEN&q=", StringComparison.Ordinal),
            "nothing happens before the click");
        using var clicked =
            await visitor.PostFormAsync(Action().Match(html).Groups["to"].Value, Web.Origin,
                ("__RequestVerificationToken", Field(html, "__RequestVerificationToken")), ("path", Field(html, "path")));
        var page = await TextAsync(clicked);
        using var entered =
            await visitor.PostFormAsync(Action().Match(page).Groups["to"].Value, Web.Origin, ("ticket", Field(page, "ticket")), ("path", Field(page, "path")));
        entered.StatusCode.ShouldBe(HttpStatusCode.SeeOther);
        var arrived = entered.Headers.Location!.OriginalString;
        arrived.ShouldStartWith("/webhdfs/v1/a%20b?op=OPEN");
        (await TextAsync(await visitor.GetAsync(Web.AppUrl(w.Slug, "node-0") + arrived, Navigates))).ShouldStartWith("GET /webhdfs/v1/a%20b?op=OPEN");
    }

    [Fact]
    public async Task NotOpen_IsTheSameWhetherThereIsSuchAWorkspaceOrNot_AndOnlyForAPersonsNavigation()
    {
        var (visitor, w, _) = await cluster.OpenAsync("Ada");
        using var _ = visitor;
        foreach (var slug in (string[])[w.Slug, "zzzzzzzzzz"])
        {
            using var led = await visitor.GetAsync(Web.AppUrl(slug, "hdfs") + "/x?y=1", Navigates);
            led.Headers.Location!.OriginalString.ShouldBe($"{Web.Origin}/workspaces/{slug}/open/hdfs?path=%2Fx%3Fy%3D1");
            led.Headers.Contains("Set-Cookie").ShouldBeFalse();
            foreach (var (mode, dest) in new[] { ("cors", "empty"), ("navigate", "iframe"), ("no-cors", "image") })
                (await visitor.GetAsync(Web.AppUrl(slug, "hdfs") + "/x", h => Fetch(h, mode, dest))).StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
            using var post = await visitor.SendAsync(HttpMethod.Post, Web.AppUrl(slug, "hdfs") + "/x", new StringContent(""), headers: Navigates);
            post.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
        }
        using var stranger = Web.Visit();
        await stranger.SignInAsync("Alan");
        (await stranger.GetAsync($"/workspaces/{w.Slug}/open/hdfs")).StatusCode.ShouldBe(HttpStatusCode.NotFound);
        (await visitor.GetAsync($"/workspaces/{w.Slug}/open/node-9")).StatusCode.ShouldBe(HttpStatusCode.NotFound);
        using var nobody = Web.Visit();
        (await nobody.GetAsync($"/workspaces/{w.Slug}/open/hdfs?path=%2Fx")).Headers.Location!.OriginalString.ShouldContain("sign-in?returnUrl=");
    }

    [Theory]
    [InlineData("//evil.example/")]
    [InlineData("/\\evil.example/")]
    [InlineData("https://evil.example/")]
    [InlineData("/.portal/enter")]
    [InlineData("/.PORTAL/to/node-0/")]
    [InlineData("javascript:alert(1)")]
    [InlineData("/\"><script>alert(1)</script>")]
    public async Task Path_NotOfTheApp_IsForgotten(string path)
    {
        var (visitor, w, _) = await cluster.OpenAsync("Ada");
        using var _ = visitor;
        var html = await TextAsync(await visitor.GetAsync($"/workspaces/{w.Slug}/open/hdfs?path={Uri.EscapeDataString(path)}"));
        html.ShouldContain("name=\"path\" value=\"\"");
        html.ShouldNotContain("<script");
        // Also if a client bypasses the portal's pages.
        var (ticket, address) = await visitor.TicketAsync(w.Id, "hdfs");
        using var entered = await visitor.PostFormAsync(address, Web.Origin, ("ticket", ticket), ("path", path));
        entered.Headers.Location!.OriginalString.ShouldBe("/");
    }

    [Fact]
    public async Task Upload_ByAScript_GoesThroughItsOwnHost()
    {
        var (visitor, w, _) = await cluster.OpenAsync("Ada", "hdfs");
        using var _ = visitor;
        var own = Web.AppUrl(w.Slug, "hdfs");
        cluster.Location = $"http://worker0:{Port}/webhdfs/v1/f?op=CREATE&noredirect=true";
        using var asked = await visitor.SendAsync(HttpMethod.Put, $"{own}/webhdfs/v1/f?op=CREATE&noredirect=true", origin: own, headers: Scripts);
        var next = JsonDocument.Parse(await TextAsync(asked)).RootElement.GetProperty("Location").GetString()!;
        next.ShouldBe($"{own}/.portal/to/node-0/webhdfs/v1/f?op=CREATE&noredirect=true");
        using var sent = await visitor.SendAsync(HttpMethod.Put, next, new StringContent("data"), own, Scripts);
        (await TextAsync(sent)).ShouldBe("PUT /webhdfs/v1/f?op=CREATE&noredirect=true data");
        cluster.Engine.Heard.ContainsKey("Cookie").ShouldBeFalse();
        // A redirect that a script follows stays on its host too.
        using var read = await visitor.SendAsync(HttpMethod.Get, $"{own}/webhdfs/v1/f?op=OPEN", headers: Scripts);
        read.Headers.Location!.OriginalString.ShouldStartWith($"{own}/.portal/to/node-0/webhdfs/v1/f");
        sent.Headers.Contains("Access-Control-Allow-Origin").ShouldBeFalse();
    }

    [Fact]
    public async Task Through_AnythingButAScriptOfThatEnginesOwnPage_IsRefused()
    {
        var (visitor, w, _) = await cluster.OpenAsync("Ada", "hdfs", "lab", "node-0");
        using var _ = visitor;
        var (own, lab) = (Web.AppUrl(w.Slug, "hdfs"), Web.AppUrl(w.Slug, "lab"));
        async Task<HttpStatusCode> StatusAsync(string url, Action<HttpRequestHeaders>? headers, string? origin = null, HttpMethod? method = null)
        {
            using var answer = await visitor.SendAsync(method ?? HttpMethod.Get, url, origin: origin, headers: headers);
            return answer.StatusCode;
        }
        (await StatusAsync($"{own}/.portal/to/node-0/where", Scripts)).ShouldBe(HttpStatusCode.OK);
        var (engine, notebook) = (cluster.Engine.Arrived.Count, Web.App.Arrived.Count);
        (await StatusAsync($"{own}/.portal/to/node-0/where", null)).ShouldBe(HttpStatusCode.Forbidden);
        (await StatusAsync($"{own}/.portal/to/node-0/where", Navigates)).ShouldBe(HttpStatusCode.Forbidden);
        (await StatusAsync($"{own}/.portal/to/node-0/where", h => Fetch(h, "no-cors", "script"))).ShouldBe(HttpStatusCode.Forbidden);
        (await StatusAsync($"{own}/.portal/to/node-0/where", h => Fetch(h, "cors", "empty", "same-site"))).ShouldBe(HttpStatusCode.Forbidden);
        foreach (var origin in (string[])[Web.AppUrl(w.Slug, "node-0"), lab, Web.Origin, "null", "http://evil.example"])
            (await StatusAsync($"{own}/.portal/to/node-0/webhdfs/v1/f", Scripts, origin, HttpMethod.Put)).ShouldBe(HttpStatusCode.Forbidden, origin);
        (await StatusAsync($"{own}/.portal/to/lab/api/contents", Scripts)).ShouldBe(HttpStatusCode.NotFound, "no connection to the notebook");
        (await StatusAsync($"{lab}/.portal/to/node-0/where", Scripts)).ShouldBe(HttpStatusCode.NotFound, "no connection from the notebook");
        (await StatusAsync($"{own}/.portal/to/node-9/where", Scripts)).ShouldBe(HttpStatusCode.NotFound);
        (await StatusAsync($"{own}/.portal/to/", Scripts)).ShouldBe(HttpStatusCode.NotFound);
        (await StatusAsync($"{own}/.portal/to", Scripts)).ShouldBe(HttpStatusCode.NotFound);
        using var stranger = Web.Visit();
        await stranger.SignInAsync("Alan");
        (await stranger.SendAsync(HttpMethod.Get, $"{own}/.portal/to/node-0/where", headers: Scripts)).StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
        (cluster.Engine.Arrived.Count, Web.App.Arrived.Count).ShouldBe((engine, notebook));
    }

    // A node name put together by a page's own script cannot be seen by the proxy.
    [Fact]
    public async Task At_AddressOfANode_LeadsToItsAppAndNowhereElse()
    {
        var (visitor, w, block) = await cluster.OpenAsync("Ada", "hdfs");
        using var _ = visitor;
        var own = Web.AppUrl(w.Slug, "hdfs");
        async Task<(HttpStatusCode, string?)> RequestAsync(string address, Visitor? by = null)
        {
            using var answer = await (by ?? visitor).SendAsync(HttpMethod.Get, $"{own}/.portal/at/{address}", headers: Navigates);
            return (answer.StatusCode, answer.Headers.Location?.OriginalString);
        }
        (await RequestAsync($"http://worker0:{Port}")).ShouldBe((HttpStatusCode.Found, $"{Web.AppUrl(w.Slug, "node-0")}/"));
        (await RequestAsync($"http://worker0:{Port}/logs/a%20b?x=1")).ShouldBe((HttpStatusCode.Found, $"{Web.AppUrl(w.Slug, "node-0")}/logs/a%20b?x=1"));
        var before = cluster.Engine.Arrived.Count;
        foreach (var address in (string[])["", "http://", "http://evil.example", $"http://worker9:{Port}", $"http://worker0:{Port + 1}",
            $"http://a@worker0:{Port}", "javascript:alert(1)", $"https://worker0:{Port}", "//evil.example/"])
            (await RequestAsync(address)).ShouldBe((HttpStatusCode.NotFound, null), address);
        using var stranger = Web.Visit();
        await stranger.SignInAsync("Alan");
        (await RequestAsync($"http://worker0:{Port}", stranger)).Item1.ShouldBe(HttpStatusCode.NotFound);
        cluster.Engine.Arrived.Count.ShouldBe(before);
    }

    [Fact]
    public async Task Between_OpenAppsOfOneWorkspace_NoScriptReachesTheOtherHost()
    {
        var (visitor, w, _) = await cluster.OpenAsync("Ada", "hdfs", "node-0", "lab");
        using var _ = visitor;
        var before = cluster.Engine.Arrived.Count;
        foreach (var method in (HttpMethod[])[HttpMethod.Get, HttpMethod.Put, HttpMethod.Options])
        {
            using var answer =
                await visitor.SendAsync(method, Web.AppUrl(w.Slug, "node-0") + "/webhdfs/v1/f", origin: Web.AppUrl(w.Slug, "hdfs"),
                    headers: h => Fetch(h, "cors", "empty", "same-site"));
            answer.StatusCode.ShouldBe(HttpStatusCode.Forbidden);
            answer.Headers.Contains("Access-Control-Allow-Origin").ShouldBeFalse();
        }
        cluster.Engine.Arrived.Count.ShouldBe(before);
    }

    [Fact]
    public async Task Links_WhenANodeMoves_FollowAndNothingOpenIsCut()
    {
        var (visitor, w, block) = await cluster.OpenAsync("Ada", "hdfs");
        using var _ = visitor;
        using var socket = await visitor.SocketAsync(Web.AppUrl(w.Slug, "hdfs") + "/ws", Web.AppUrl(w.Slug, "hdfs"));
        await Web.Database.ExecuteAsync($"update portal.nodes set address = {$"127.1.{block}.9"} where workspace_id = {w.Id} and name = 'worker0'", Cancel);
        cluster.Html = $"\"http://127.1.{block}.9:{Port}/\"";
        await Until.TrueAsync("the new address is known",
            async () => (await TextAsync(await visitor.GetAsync(Web.AppUrl(w.Slug, "hdfs") + "/page"))).Contains("node-0", StringComparison.Ordinal), Cancel);
        await socket.SendAsync("x"u8.ToArray(), WebSocketMessageType.Text, true, Cancel);
        (await socket.ReceiveAsync(new byte[9], Cancel)).Count.ShouldBe(1);
    }

    [Fact]
    public async Task Apps_OfANodeWithMappedPorts_AreReachedThereAndLinksKeepItsOwnAddress()
    {
        var (visitor, w, block) = await cluster.OpenAsync("Ada");
        using var _ = visitor;
        await Web.Database.ExecuteAsync($"""
            update portal.nodes set mapped_ports = array[{$"{Port}=127.1.{block}.77:{Port}"}] where workspace_id = {w.Id} and name = 'worker0'
            """, Cancel);
        await visitor.OpenAsync(w.Id, "node-0");
        await visitor.OpenAsync(w.Id, "hdfs");

        (await TextAsync(await visitor.GetAsync(Web.AppUrl(w.Slug, "node-0") + "/where"))).ShouldBe($"127.1.{block}.77");
        (await TextAsync(await visitor.GetAsync(Web.AppUrl(w.Slug, "hdfs") + "/where"))).ShouldBe($"127.1.{block}.2");
        cluster.Html = $"\"http://127.1.{block}.3:{Port}/\"";
        (await TextAsync(await visitor.GetAsync(Web.AppUrl(w.Slug, "hdfs") + "/page"))).ShouldContain("node-0");
    }

    private static void Navigates(HttpRequestHeaders headers) => Fetch(headers, "navigate", "document", "same-site");

    private static void Scripts(HttpRequestHeaders headers) => Fetch(headers, "cors", "empty");

    private static void Fetch(HttpRequestHeaders headers, string mode, string dest, string site = "same-origin")
    {
        headers.Add("Sec-Fetch-Site", site);
        headers.Add("Sec-Fetch-Mode", mode);
        headers.Add("Sec-Fetch-Dest", dest);
    }

    private static Task<string> TextAsync(HttpResponseMessage answer) => answer.Content.ReadAsStringAsync(Cancel);

    private static string Field(string html, string name) =>
        WebUtility.HtmlDecode(
            Regex.Match(html, $"name=\"{name}\" value=\"(?<v>[^\"]*)\"", RegexOptions.ExplicitCapture, TimeSpan.FromSeconds(1)).Groups["v"].Value);

    [GeneratedRegex("<form method=\"post\" action=\"(?<to>[^\"]*)\"", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Action();
}
