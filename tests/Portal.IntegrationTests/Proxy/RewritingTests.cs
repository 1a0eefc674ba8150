using System.IO.Compression;
using System.Net;
using System.Text;
using Portal.Core.Workspaces;
using Portal.IntegrationTests.Access;
using Portal.TestKit;

namespace Portal.IntegrationTests.Proxy;

/// <summary>Pages of a cluster's apps: links to its own nodes are rewritten, everything else passes as it is.</summary>
public sealed class RewritingTests(ClusterFixture cluster) : IClassFixture<ClusterFixture>
{
    private WebFixture Web => cluster.Web;
    private int Port => cluster.Engine.Port;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("page")]
    [InlineData("chunked")]
    public async Task Html_LinksToOwnNodes_LeadToTheirHosts(string how)
    {
        var (visitor, w, block) = await cluster.OpenAsync("Ada", "hdfs");
        using var _ = visitor;
        string Node(int n) => Web.AppUrl(w.Slug, $"node-{n}");
        var hdfs = Web.AppUrl(w.Slug, "hdfs");
        (string From, string To)[] links =
        [
            ($"<a href=\"http://worker0:{Port}/node?a=1#b\">", $"<a href=\"{Node(0)}/node?a=1#b\">"),
            ($"<a href='//worker1:{Port}/x'>", $"<a href='{Node(1)}/x'>"), ($"<a href=//master:{Port}>", $"<a href={hdfs}>"),
            ($"HTTP://WORKER0:{Port}/", $"{Node(0)}/"), ($"http://127.1.{block}.4:{Port}", Node(1)),
            ($"url(//worker0:{Port}/a.png)", $"url({Node(0)}/a.png)"), ($"http://worker1:{Port}\"", $"{Node(1)}\""),
            ($"http://notebook:{Web.App.Port}/lab", $"{Web.AppUrl(w.Slug, "lab")}/lab"),
            ($"\"http://worker0:{Port}\"+\"http://worker1:{Port}\"", $"\"{Node(0)}\"+\"{Node(1)}\""),
        ];
        string[] left =
        [
            $"http://worker2:{Port}/", $"http://worker00:{Port}/", "http://worker0:1/", "http://worker0/", $"https://worker0:{Port}/",
            $"ftp://worker0:{Port}/", $"http://worker0:{Port}@evil.example/", $"http://worker0:{Port}0/", $"http://worker0:{Port}.evil.example/",
            $"http://worker0.evil.example:{Port}/", $"http://127.1.{block + 100}.3:{Port}/", $"http://127.0.0.1:{Port}/", $"// worker0:{Port}",
            $"x//worker0:{Port}/", $"xhttp://worker0:{Port}/", "http://", "//", "http:/", "hhttp:////", $"http:/worker0:{Port}", "ünï ☃",
            $"http://worker0%00:{Port}/", $"http://u@worker0:{Port}/",
        ];
        var all = links.Concat(left.Select(l => (From: l, To: l))).ToList();
        // In the middle of a page and at the boundary between two reads.
        cluster.Html = string.Join('\n', all.Select(l => l.From))
            + (how == "chunked" ? "" : new string(' ', 20_000 - 7))
            + string.Join('\n', all.Select(l => l.From));
        using var answer = await visitor.GetAsync(Web.AppUrl(w.Slug, "hdfs") + $"/{how}", h => h.AcceptEncoding.ParseAdd("gzip, br"));
        answer.Content.Headers.ContentEncoding.ShouldBeEmpty();
        cluster.Engine.Heard["Accept-Encoding"].ShouldBe("identity");
        var lines = (await TextAsync(answer)).Replace(new string(' ', 20_000 - 7), "\n", StringComparison.Ordinal).Split('\n');
        var expected = all.Select(l => l.To).ToList();
        lines.Take(all.Count - 1).ShouldBe(expected.Take(all.Count - 1));
        lines.TakeLast(all.Count - 1).ShouldBe(expected.TakeLast(all.Count - 1));
        answer.Headers.GetValues("Referrer-Policy").ShouldBe(["same-origin"]);
    }

    /// <summary>Requested uncompressed but compressed all the same: we do not decompress it.</summary>
    [Theory]
    [InlineData("gzip")]
    [InlineData("br")]
    [InlineData("deflate")]
    public async Task Html_PackedAlthoughAskedForPlain_PassesUntouched(string how)
    {
        var (visitor, w, _) = await cluster.OpenAsync("Ada", "hdfs");
        using var _ = visitor;
        cluster.Html = $"\"http://worker0:{Port}/\"";
        using var answer = await visitor.GetAsync(Web.AppUrl(w.Slug, "hdfs") + $"/{how}");
        cluster.Engine.Heard["Accept-Encoding"].ShouldBe("identity");
        answer.Content.Headers.ContentEncoding.ShouldBe([how]);
        await using var packed = await answer.Content.ReadAsStreamAsync(Cancel);
        await using Stream plain = how switch
        {
            "gzip" => new GZipStream(packed, CompressionMode.Decompress),
            "br" => new BrotliStream(packed, CompressionMode.Decompress),
            _ => new ZLibStream(packed, CompressionMode.Decompress),
        };
        (await new StreamReader(plain).ReadToEndAsync(Cancel)).ShouldBe(cluster.Html);
    }

    /// <summary>A few KiB that decompress to two GiB cost the web process nothing, and reach the browser unchanged.</summary>
    [Fact]
    public async Task Html_Bomb_CostsTheWebNothing()
    {
        var (visitor, w, _) = await cluster.OpenAsync("Ada", "hdfs");
        using var _ = visitor;
        await visitor.GetAsync(Web.AppUrl(w.Slug, "hdfs") + "/where");
        using var me = System.Diagnostics.Process.GetCurrentProcess();
        var before = me.TotalProcessorTime;
        using var answer = await visitor.SendAsync(HttpMethod.Get, Web.AppUrl(w.Slug, "hdfs") + "/bomb", until: HttpCompletionOption.ResponseHeadersRead);
        await using var body = await answer.Content.ReadAsStreamAsync(Cancel);
        var (buffer, sum) = (new byte[1 << 20], 0L);
        for (int got; (got = await body.ReadAsync(buffer, Cancel)) > 0;) sum += got;
        me.Refresh();
        var spent = me.TotalProcessorTime - before;
        TestContext.Current.TestOutputHelper!.WriteLine(
            $"{cluster.Bomb.Length} bytes sent, {sum} arrived, {spent.TotalMilliseconds:F0} ms of the processor in web, app and browser together");
        sum.ShouldBe(cluster.Bomb.Length);
        spent.ShouldBeLessThan(TimeSpan.FromSeconds(1));
    }

    [Fact]
    public async Task Html_CutAtEveryPosition_IsTheSame()
    {
        var (visitor, w, _) = await cluster.OpenAsync("Ada", "hdfs");
        using var _ = visitor;
        for (var pad = 16_384 - 60; pad <= 16_384 + 2; pad++)
        {
            cluster.Html = new string('x', pad) + $"\"http://worker0:{Port}/a\"";
            (await TextAsync(await visitor.GetAsync(Web.AppUrl(w.Slug, "hdfs") + "/page"))).ShouldEndWith($"x\"{Web.AppUrl(w.Slug, "node-0")}/a\"");
        }
    }

    [Theory]
    [InlineData("text", "hdfs")]
    [InlineData("script", "hdfs")]
    [InlineData("json", "hdfs")]
    [InlineData("json?noredirect=true", "hdfs")]
    public async Task NotHtml_IsLeftAlone(string path, string app)
    {
        var (visitor, w, _) = await cluster.OpenAsync("Ada", app);
        using var _ = visitor;
        cluster.Html = $"[\"http://worker0:{Port}/\"]" + new string(' ', path.Contains("noredirect", StringComparison.Ordinal) ? 200_000 : 0);
        (await TextAsync(await visitor.GetAsync(Web.AppUrl(w.Slug, app) + "/" + path))).ShouldBe(cluster.Html);
    }

    [Fact]
    public async Task Html_OfAnotherWorkspacesNodes_IsNeverMapped()
    {
        var (other, theirs, block) = await cluster.OpenAsync("Alan", "hdfs");
        using var _ = other;
        var (visitor, w, mine) = await cluster.OpenAsync("Ada", "hdfs");
        using var __ = visitor;
        cluster.Html = $"\"http://127.1.{block}.3:{Port}/\" \"http://127.1.{mine}.3:{Port}/\"";
        var seen = await TextAsync(await visitor.GetAsync(Web.AppUrl(w.Slug, "hdfs") + "/page"));
        seen.ShouldBe($"\"http://127.1.{block}.3:{Port}/\" \"{Web.AppUrl(w.Slug, "node-0")}/\"");
        seen.ShouldNotContain(theirs.Slug);
    }

    /// <summary>A page that says how long it is: at the limit it is rewritten, above it passes with the length it has.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task Html_LongerThanIsScanned_PassesByteForByte(int over)
    {
        var (visitor, w, _) = await cluster.OpenAsync("Ada", "hdfs");
        using var _ = visitor;
        var link = $"\"http://worker0:{Port}/\"";
        cluster.Html = link + new string(' ', (16 << 20) + over - (2 * link.Length)) + link;
        using var answer = await visitor.GetAsync(Web.AppUrl(w.Slug, "hdfs") + "/page");
        var led = over > 0 ? cluster.Html : cluster.Html.Replace($"http://worker0:{Port}/", $"{Web.AppUrl(w.Slug, "node-0")}/", StringComparison.Ordinal);
        answer.Content.Headers.NonValidated.Contains("Content-Length").ShouldBe(over > 0);
        (await answer.Content.ReadAsByteArrayAsync(Cancel)).AsSpan().SequenceEqual(Encoding.UTF8.GetBytes(led)).ShouldBeTrue();
    }

    /// <summary>Nothing waits for the end: each byte that begins no link is at the browser before the app sends the next one.</summary>
    [Fact]
    public async Task Html_ThatDrips_FlowsThroughAsItComes()
    {
        var (visitor, w, _) = await cluster.OpenAsync("Ada", "hdfs");
        using var _ = visitor;
        const string before = "<p>dripü ", after = " drop";
        var link = $"\"http://worker0:{Port}/\"";
        cluster.Html = before + link + after;
        cluster.Drops.Release(); // the head of a response leaves with its first byte
        using var answer = await visitor.SendAsync(HttpMethod.Get, Web.AppUrl(w.Slug, "hdfs") + "/drip", until: HttpCompletionOption.ResponseHeadersRead);
        await using var body = await answer.Content.ReadAsStreamAsync(Cancel);

        await ComesAsync(before[..1]);
        await EachAsync(before[1..]);
        cluster.Drops.Release(link.Length);
        await ComesAsync($"\"{Web.AppUrl(w.Slug, "node-0")}/\"");
        await EachAsync(after);
        (await body.ReadAsync(new byte[1], Cancel)).ShouldBe(0);

        async Task EachAsync(string text)
        {
            foreach (var b in Encoding.UTF8.GetBytes(text))
            {
                cluster.Drops.Release();
                await BytesAsync([b]);
            }
        }

        Task ComesAsync(string text) => BytesAsync(Encoding.UTF8.GetBytes(text));

        async Task BytesAsync(byte[] expected)
        {
            var got = new byte[expected.Length];
            await body.ReadExactlyAsync(got, Cancel).AsTask().WaitAsync(TimeSpan.FromSeconds(10), TimeProvider.System, Cancel);
            got.ShouldBe(expected);
        }
    }

    [Fact]
    public async Task Html_Long_FlowsThroughAndIsNotKept()
    {
        var (visitor, w, _) = await cluster.OpenAsync("Ada", "hdfs");
        using var _ = visitor;
        cluster.Html = $"\"http://worker0:{Port}/\"";
        var led = $"\"{Web.AppUrl(w.Slug, "node-0")}/\"";
        cluster.Rest = new();
        using var answer = await visitor.SendAsync(HttpMethod.Get, Web.AppUrl(w.Slug, "hdfs") + "/long", until: HttpCompletionOption.ResponseHeadersRead);
        await using var body = await answer.Content.ReadAsStreamAsync(Cancel);
        var buffer = new byte[1 << 16];
        await body.ReadExactlyAsync(buffer.AsMemory(0, led.Length), Cancel).AsTask().WaitAsync(TimeSpan.FromSeconds(10), TimeProvider.System, Cancel);
        Encoding.ASCII.GetString(buffer, 0, led.Length).ShouldBe(led);
        var before = GC.GetTotalMemory(forceFullCollection: true);
        cluster.Rest.SetResult();
        var (sum, most, tail) = (0L, 0L, new byte[200]);
        for (int got; (got = await body.ReadAsync(buffer, Cancel)) > 0;)
        {
            sum += got;
            if (sum % (8 << 20) < got) most = Math.Max(most, GC.GetTotalMemory(forceFullCollection: true) - before);
            if (got >= tail.Length) buffer.AsSpan(got - tail.Length, tail.Length).CopyTo(tail);
            else { tail.AsSpan(got).CopyTo(tail); buffer.AsSpan(0, got).CopyTo(tail.AsSpan(tail.Length - got)); }
        }
        sum.ShouldBe((100L << 20) + cluster.Html.Length);
        // Nothing after the first 16 MiB is scanned any more.
        Encoding.ASCII.GetString(tail).ShouldEndWith($"/{cluster.Html}");
        most.ShouldBeLessThan(32 << 20);
        TestContext.Current.TestOutputHelper!.WriteLine($"100 MiB of slashes through the rewriter; at most {most >> 10} KiB more in use");
    }

    private static Task<string> TextAsync(HttpResponseMessage answer) => answer.Content.ReadAsStringAsync(Cancel);
}
