using System.Net;
using System.Text;

namespace Portal.IntegrationTests.Proxy;

/// <summary>What belongs to the app passes byte for byte, both ways; what belongs to the portal, or would affect other hosts, does not.</summary>
public sealed class RawTests(RawFixture raw) : IClassFixture<RawFixture>
{
    private const string ControlByte = "\u0001";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>UTF-8 bytes as Latin-1 text.</summary>
    private static string Utf8(string text) => Encoding.Latin1.GetString(Encoding.UTF8.GetBytes(text));

    [Theory]
    [InlineData("{own}; name=Jos%C3%A9", "name=Jos%C3%A9")]
    [InlineData("v=a%3Bb; j={\"a\":1}; dup=1; {own}; dup=2; noval", "v=a%3Bb; j={\"a\":1}; dup=1; dup=2; noval")]
    [InlineData("{own};a=1;b=%;c=\"x y, z\";=nameless; d=", "a=1;b=%;c=\"x y, z\";=nameless; d=")]
    [InlineData("l=Jos\u00e9; u=Jos\u00c3\u00a9; {own}", "l=Jos\u00e9; u=Jos\u00c3\u00a9")]
    [InlineData("x=\"; {own}; __Host-portal-t1e2s=secret; y=\"", "x=\"; y=\"")]
    [InlineData("a=1;  __HOST-Portal-x = secret ;\t__secure-z=1; .aspnetcore.y=2; {own}; b=2", "a=1; b=2")]
    [InlineData("{own}", null)]
    public async Task Cookie_OfTheApp_ArrivesAsItWasSentAndOursNever(string sent, string? arrives)
    {
        using var visit = await raw.OpenAsync();
        raw.App.Answer = RawApp.Ok();
        (await visit.RequestAsync(cookie: sent)).ShouldStartWith("HTTP/1.1 200 OK\r\n");
        raw.App.Headers("Cookie").ShouldBe(arrives is null ? [] : [arrives]);
        raw.App.Heads.Last().ShouldNotContain(visit.Key);
    }

    [Theory]
    [InlineData("user=\"A B, C\"")]
    [InlineData("user=\"A B, C\"; Path=/x; HttpOnly; SameSite=Lax; Expires=Wed, 21 Oct 2035 07:28:00 GMT")]
    [InlineData("j={\"a\":[1,2]}; Max-Age=3")]
    [InlineData("l=Jos\u00e9\u00c3\u00a9; Partitioned; Unknown=\"x\"")]
    [InlineData("noval")]
    [InlineData("=x; path=/")]
    [InlineData("domain=1; path=/domain=x")]
    public async Task SetCookie_ForItsOwnHost_ArrivesAsItWasSent(string cookie)
    {
        using var visit = await raw.OpenAsync();
        raw.App.Answer = RawApp.Ok($"Set-Cookie: {cookie}", "Set-Cookie: second=2");
        var answer = await visit.RequestAsync();
        answer.ShouldContain($"\r\nSet-Cookie: {cookie}\r\n");
        answer.ShouldContain("\r\nSet-Cookie: second=2\r\n");
    }

    [Theory]
    [InlineData("a=b; domain=apps.localhost")]
    [InlineData("a=b;DOMAIN = .localhost ; path=/")]
    [InlineData("a=\"x; Domain=apps.localhost\"")]
    [InlineData("a=b, c=d; Domain=apps.localhost")]
    [InlineData("__Host-app-t1e2s=stolen; Path=/; Secure")]
    [InlineData(" \t__host-APP-t1e2s =stolen; Path=/; Secure")]
    [InlineData("=__Host-portal-t1e2s=stolen; Path=/; Secure")]
    [InlineData("__Host-portal-t1e2s; Path=/; Secure")]
    [InlineData("__Secure-x=1; Secure")]
    [InlineData(".AspNetCore.x=1")]
    public async Task SetCookie_BeyondItsOwnHostOrOfOurs_IsDropped(string cookie)
    {
        using var visit = await raw.OpenAsync();
        raw.App.Answer = RawApp.Ok($"Set-Cookie: {cookie}", "Set-Cookie: mine=1");
        var answer = await visit.RequestAsync();
        answer.Split("\r\n").Where(l => l.StartsWith("Set-Cookie:", StringComparison.OrdinalIgnoreCase)).ShouldBe(["Set-Cookie: mine=1"]);
    }

    [Fact]
    public async Task ResponseHeaders_InWhateverEncoding_ArriveByteForByte()
    {
        using var visit = await raw.OpenAsync();
        string[] headers =
        [
            $"Content-Disposition: attachment; filename=\"{Utf8("数据.csv")}\"", "X-Latin: Jos\u00e9 \u00a7",
            $"Location: /{Utf8("数据")}?q={Utf8("ü")}", "X-High: \u0080\u009f\u00ff\ttab",
            "Last-Modified: yesterday", "ETag: no-quotes", "Content-Language: , ,",
            "Cache-Control: =,max-age=x", "Content-Type: text/plain;;charset=\"x", "Vary: *, a", "Date: never",
        ];
        foreach (var header in headers)
        {
            raw.App.Answer = RawApp.Ok(header);
            var answer = await visit.RequestAsync();
            answer.ShouldStartWith("HTTP/1.1 200 OK\r\n", customMessage: header);
            answer.ShouldContain($"\r\n{header}\r\n");
        }
    }

    [Fact]
    public async Task ResponseHeader_WithAControlByte_IsLeftOutAndThePageArrives()
    {
        using var visit = await raw.OpenAsync();
        raw.App.Answer = RawApp.Ok($"X-Bad: a{ControlByte}b", "X-Good: 1");
        var answer = await visit.RequestAsync();
        answer.ShouldStartWith("HTTP/1.1 200 OK\r\n");
        answer.ShouldContain("X-Good: 1");
        answer.ShouldNotContain("X-Bad");
    }

    [Fact]
    public async Task RequestHeaders_InWhateverEncoding_ArriveByteForByte()
    {
        using var visit = await raw.OpenAsync();
        raw.App.Answer = RawApp.Ok();
        string[] headers =
        [
            "X-Latin: Jos\u00e9 \u00a7", $"X-Utf8: {Utf8("数据")}", "If-None-Match: no-quotes, W/\"x\"",
            "If-Modified-Since: yesterday", "Accept: text/*;q=x, */*",
            "User-Agent: a (b; \u00e9) /c", "Range: lines=1-2", "Accept-Language: ,de",
            "X-Empty: ", "From: not an address", "Accept-Encoding: gzip;q=2, br",
        ];
        (await visit.RequestAsync(headers: headers)).ShouldStartWith("HTTP/1.1 200 OK\r\n");
        var lines = raw.App.Heads.Last().Split("\r\n");
        foreach (var header in headers) lines.ShouldContain(header);
    }

    [Theory]
    [InlineData("/p%2Fq")]
    [InlineData("/api/contents/examples%2Fdask?content=1&path=a%2Fb")]
    [InlineData("/a%252Fb/%7Euser/%41%2e%2ex/..x/...")]
    [InlineData("/a//b///")]
    [InlineData("//double.example/x")]
    [InlineData("/%E6%95%B0/%e9?q=%E6%95%B0&r={a}|[b]\"^`<>\\&s=%")]
    [InlineData("/a;b=c,d/$&'()*+@:!~?x=/../y?z")]
    [InlineData("/")]
    [InlineData("/?")]
    [InlineData("/%.portal%2Fenter")]
    public async Task Target_OfTheApp_ArrivesAsItWasSent(string target)
    {
        using var visit = await raw.OpenAsync();
        raw.App.Answer = RawApp.Ok();
        (await visit.RequestAsync(target)).ShouldStartWith("HTTP/1.1 200 OK\r\n");
        raw.App.Heads.Last().ShouldStartWith($"GET {target} HTTP/1.1\r\n");
        string[] upgrade =
            ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", $"Origin: {visit.Url}"];
        raw.App.Answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        (await visit.RequestAsync(target, headers: upgrade)).ShouldStartWith("HTTP/1.1 101");
        raw.App.Heads.Last().ShouldStartWith($"GET {target} HTTP/1.1\r\n");
    }

    [Theory]
    [InlineData("/p%2Fq?x=%2F")]
    [InlineData("")]
    [InlineData("?x=/y")]
    public async Task Target_InAbsoluteForm_ArrivesAsPathAndQuery(string rest)
    {
        using var visit = await raw.OpenAsync();
        raw.App.Answer = RawApp.Ok();
        (await visit.RequestAsync(visit.Url + rest)).ShouldStartWith("HTTP/1.1 200 OK\r\n");
        raw.App.Heads.Last().ShouldStartWith($"GET {(rest.StartsWith('/') ? "" : "/")}{rest} HTTP/1.1\r\n");
    }

    [Theory]
    [InlineData("/a/../b")]
    [InlineData("/a/%2e%2E/b")]
    [InlineData("/.portal/to/lab/../../x")]
    [InlineData("/a/./b")]
    [InlineData("/a/.%2e")]
    [InlineData("/x#y")]
    [InlineData("/x?y#z")]
    [InlineData("/a" + ControlByte + "b")]
    [InlineData("/a\tb")]
    [InlineData("/a\u007fb")]
    [InlineData("/caf\u00e9")]
    [InlineData("/x?caf\u00e9")]
    [InlineData("/%00")]
    [InlineData("*", "OPTIONS")]
    [InlineData("evil.example:80", "CONNECT")]
    [InlineData("http://evil.example/x")]
    [InlineData("ftp://{host}/x")]
    public async Task Target_ThatEachServerWouldReadInItsOwnWay_IsRefused(string target, string method = "GET")
    {
        using var visit = await raw.OpenAsync();
        raw.App.Answer = RawApp.Ok();
        var before = raw.App.Heads.Count;
        var asked = target.Replace("{host}", visit.Host, StringComparison.Ordinal);
        (await visit.RequestAsync(asked, null, method, $"Origin: {visit.Url}")).ShouldStartWith("HTTP/1.1 400 ");
        raw.App.Heads.Count.ShouldBe(before);
    }

    /// <summary>An app that refuses an upload says so before reading it, and closes the connection.</summary>
    [Theory]
    [InlineData(1, false)]
    [InlineData(16 << 10, false)]
    [InlineData(64 << 10, false)]
    [InlineData((1 << 20) - 1, false)]
    [InlineData(1 << 20, false)]
    [InlineData(2 << 20, false)]
    [InlineData(30 << 20, false)]
    [InlineData(1, true)]
    [InlineData(64 << 10, true)]
    [InlineData((1 << 20) - 1, true)]
    [InlineData(30 << 20, true)]
    public async Task Upload_TooLargeForTheApp_IsTheAppsOwn413(int size, bool chunked)
    {
        using var visit = await raw.OpenAsync();
        raw.App.Answer = "HTTP/1.1 413 Payload Too Large\r\nContent-Type: application/json\r\n"
            + "Content-Length: 17\r\nConnection: close\r\n\r\n{\"message\":\"big\"}";
        for (var i = 0; i < 10; i++) // whichever comes first: the answer, or the end of the connection
        {
            using var answer = await visit.Visitor.SendAsync(HttpMethod.Post, visit.Url + "/upload", new ByteArrayContent(new byte[size]), visit.Url,
                h => h.TransferEncodingChunked = chunked);
            answer.StatusCode.ShouldBe(HttpStatusCode.RequestEntityTooLarge);
            (await answer.Content.ReadAsStringAsync(Cancel)).ShouldBe("{\"message\":\"big\"}");
        }
        (chunked ? raw.App.Header("Transfer-Encoding") : raw.App.Header("Content-Length")).ShouldBe(chunked ? "chunked" : $"{size}");
    }

    [Fact]
    public async Task ServiceWorker_AskedForAtAnyPath_IsOneThatUnregistersItself()
    {
        using var visit = await raw.OpenAsync();
        raw.App.Answer = RawApp.Ok("Content-Type: text/javascript", "Service-Worker-Allowed: /", "Clear-Site-Data: \"cookies\"");
        var before = raw.App.Heads.Count;
        foreach (var path in (string[])["/sw.js", "/files/sw.js?x=1", "/", "/.portal/enter", "/.portal/to/lab/sw.js"])
            foreach (var cookie in (string[])["{own}", "none=1"])
                foreach (var header in (string[])["Service-Worker: script", "Sec-Fetch-Dest: serviceworker"])
                {
                    var answer = await visit.RequestAsync(path, cookie, "GET", header, "Sec-Fetch-Mode: same-origin", "Sec-Fetch-Site: same-origin");
                    answer.ShouldStartWith("HTTP/1.1 200 OK\r\n", customMessage: path);
                    answer.ShouldContain("Content-Type: text/javascript");
                    answer.ShouldContain("registration.unregister()");
                    answer.ShouldContain("Cache-Control: no-store");
                    answer.ShouldNotContain("Service-Worker-Allowed");
                }
        raw.App.Heads.Count.ShouldBe(before);
        var page = await visit.RequestAsync("/page");
        page.ShouldNotContain("Service-Worker-Allowed");
        page.ShouldNotContain("Clear-Site-Data", customMessage: "it would end the other open apps, which are on the same site");
    }
}
