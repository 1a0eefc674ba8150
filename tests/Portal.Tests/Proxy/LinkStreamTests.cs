using System.Net;
using System.Text;
using Microsoft.Extensions.Time.Testing;
using Portal.Access;
using Portal.Core.Access;
using Portal.Proxy;

namespace Portal.Tests.Proxy;

/// <summary>Wherever the network splits a page, its links are rewritten the same way.</summary>
public sealed class LinkStreamTests
{
    private static readonly Site Site = new("http://portal.localhost:8080", "apps.localhost", "abcdefghij");

    private static readonly AppAccess Access = new("hash", Guid.Empty, "slug123456", 1, "hdfs", null, "/", new(IPAddress.Parse("10.213.0.2"), 9870))
    {
        Links = [new("master", "10.213.0.2", 9870, "hdfs", false),
            new("worker0", "10.213.0.3", 9864, "node-0", false), new("notebook", null, 8888, "lab", true)],
    };

    private const string Page = """
        <a href="http://worker0:9864/logs?x=1">node</a> <a href='//master:9870/'>master</a>
        (http://10.213.0.3:9864) http://worker0:9864
        https://worker0:9864/ http://elsewhere:9864/ http://worker0:9864@elsewhere/ http://worker0:98640/ ahttp://worker0:9864/
        // a comment http:// https:// {"h":"http://WORKER0:9864/"} src=//worker0:9864/x http:
        """;

    private const string Led = """
        <a href="http://node-0--slug123456.apps.localhost:8080/logs?x=1">node</a> <a href='http://hdfs--slug123456.apps.localhost:8080/'>master</a>
        (http://node-0--slug123456.apps.localhost:8080) http://node-0--slug123456.apps.localhost:8080
        https://worker0:9864/ http://elsewhere:9864/ http://worker0:9864@elsewhere/ http://worker0:98640/ ahttp://worker0:9864/
        // a comment http:// https:// {"h":"http://node-0--slug123456.apps.localhost:8080/"} src=http://node-0--slug123456.apps.localhost:8080/x http:
        """;

    [Fact]
    public async Task Read_CutAtEverySeam_LeadsTheSameLinks()
    {
        var page = Encoding.UTF8.GetBytes(Page);
        for (var seam = 0; seam <= page.Length; seam++)
            (await ThroughAsync([page[..seam], page[seam..]])).ShouldBe(Led, $"cut after {seam} bytes");
    }

    [Fact]
    public async Task Read_ByteByByte_LeadsTheSameLinks() => (await ThroughAsync([.. Encoding.UTF8.GetBytes(Page).Select(b => new[] { b })])).ShouldBe(Led);

    [Fact]
    public async Task Read_EndsInsideALink_GivesAllThatCame()
    {
        for (var end = 0; end <= "http://worker0:9864".Length; end++)
        {
            var text = "x " + "http://worker0:9864"[..end];
            var through = await ThroughAsync([Encoding.UTF8.GetBytes(text)]);
            if (end == "http://worker0:9864".Length) through.ShouldBe("x http://node-0--slug123456.apps.localhost:8080");
            else through.ShouldBe(text);
        }
    }

    [Fact]
    public async Task Read_PageLongerThanPeoplesPages_PassesUnchangedFromThereOn()
    {
        var link = "\"http://worker0:9864/\""u8.ToArray();
        byte[] all = [.. link, .. Enumerable.Repeat((byte)' ', (int)LinkStream.Longest), .. link];
        var through = await ThroughAsync([.. all.Chunk(8 << 10)]);
        through.ShouldStartWith("\"http://node-0--slug123456.apps.localhost:8080/\" ");
        through.ShouldEndWith(" \"http://worker0:9864/\"");
    }

    /// <summary>A page that costs a tenth of a second for each piece: what follows after a second passes unchanged, byte for byte.</summary>
    [Fact]
    public async Task Read_PageThatCostsTooMuch_PassesUnchangedFromThereOn()
    {
        const string piece = "\"http://worker0:9864/\" ü ";
        var through = await TimedAsync(new Costly(TimeSpan.FromMilliseconds(100)), [.. Enumerable.Repeat(Encoding.UTF8.GetBytes(piece), 30)]);

        var led = piece.Replace("http://worker0:9864/", "http://node-0--slug123456.apps.localhost:8080/", StringComparison.Ordinal);
        through.ShouldBe(string.Concat(Enumerable.Repeat(led, 10).Concat(Enumerable.Repeat(piece, 20))));
    }

    /// <summary>Whatever an app takes from one piece to the next is no work: a page that drips for hours is treated like any other.</summary>
    [Fact]
    public async Task Read_PageThatDrips_LeadsTheSameLinks()
    {
        var clock = new FakeTimeProvider();
        (await TimedAsync(clock, [.. Encoding.UTF8.GetBytes(Page).Select(b => new[] { b })], () => clock.Advance(TimeSpan.FromHours(1)))).ShouldBe(Led);
    }

    // Each of these is work: a name, a port, a search.
    [Theory]
    [InlineData("//a:9864\"")]
    [InlineData("\"//")]
    [InlineData("http://10.213.0.3:9864/")]
    [InlineData("http://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:9864")]
    public async Task Read_HostilePage_CostsNoMoreThanItsShare(string piece)
    {
        var page = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat(piece, (64 << 20) / piece.Length)));
        await using var rewriter = new LinkStream(new MemoryStream(page), new AppLinks(Site, Access), TimeProvider.System);
        using var me = System.Diagnostics.Process.GetCurrentProcess();
        var (before, sum, buffer) = (me.TotalProcessorTime, 0L, new byte[64 << 10]);
        for (int got; (got = await rewriter.ReadAsync(buffer, TestContext.Current.CancellationToken)) > 0;) sum += got;
        me.Refresh();
        var spent = me.TotalProcessorTime - before;
        TestContext.Current.TestOutputHelper!.WriteLine($"{sum >> 20} MiB out of {page.Length >> 20}, {spent.TotalMilliseconds:F0} ms of the processor");
        sum.ShouldBeLessThan(4L * page.Length);
        spent.ShouldBeLessThan(TimeSpan.FromSeconds(5));
    }

    private static Task<string> ThroughAsync(byte[][] pieces) => TimedAsync(TimeProvider.System, pieces);

    /// <param name="before">Called before each piece.</param>
    private static async Task<string> TimedAsync(TimeProvider clock, byte[][] pieces, Action? before = null)
    {
        await using var rewriter = new LinkStream(new Pieces(pieces, before), new AppLinks(Site, Access), clock);
        using var all = new MemoryStream();
        await rewriter.CopyToAsync(all, TestContext.Current.CancellationToken);
        return Encoding.UTF8.GetString(all.ToArray());
    }

    /// <summary>A page that arrives in these pieces, one per read.</summary>
    private sealed class Pieces(byte[][] pieces, Action? before) : MemoryStream
    {
        private int _next;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            before?.Invoke();
            while (_next < pieces.Length && pieces[_next].Length == 0) _next++;
            if (_next == pieces.Length) return ValueTask.FromResult(0);
            pieces[_next].CopyTo(buffer);
            return ValueTask.FromResult(pieces[_next++].Length);
        }
    }

    /// <summary>Every piece of work takes this long.</summary>
    private sealed class Costly(TimeSpan each) : TimeProvider
    {
        private long _now;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _now += each.Ticks;
    }
}
