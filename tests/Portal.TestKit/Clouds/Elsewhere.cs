using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;

namespace Portal.TestKit.Clouds;

/// <summary>
/// A machine that this host reaches over an interface of its own, as it would reach the world, and that serves one port: a network namespace
/// at the other end of a virtual cable. It knows the way back to every address by way of the host.
/// </summary>
public sealed class Elsewhere : IAsyncDisposable
{
    public const int Port = 9100;
    private const string Serve = "use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalPort => shift, Listen => 50, ReuseAddr => 1) or die; print qq(listens\\n); close STDOUT; while (my $c = $s->accept) { close $c }";
    private readonly string _name;
    private Process? _server;

    private Elsewhere(string name, string address) => (_name, Address) = (name, address);

    /// <summary>One of 198.18.0.0/15, which is for trials of networks and nobody's.</summary>
    public string Address { get; }

    public static async Task<Elsewhere> MakeAsync(CancellationToken cancel)
    {
        var number = RandomNumberGenerator.GetInt32(1 << 14);
        var net = string.Create(CultureInfo.InvariantCulture, $"198.{18 + (number >> 13)}.{(number >> 5) & 0xff}.");
        var (host, far) = ($"{net}{((number & 31) << 2) + 1}", $"{net}{((number & 31) << 2) + 2}");
        var name = string.Create(CultureInfo.InvariantCulture, $"ptest{number:x4}");
        var elsewhere = new Elsewhere(name, far);
        try
        {
            await IpAsync("netns", "add", name);
            await IpAsync("link", "add", name, "type", "veth", "peer", "name", "far", "netns", name);
            await IpAsync("addr", "add", $"{host}/30", "dev", name);
            await IpAsync("link", "set", name, "up");
            await IpAsync("-n", name, "addr", "add", $"{far}/30", "dev", "far");
            await IpAsync("-n", name, "link", "set", "far", "up");
            await IpAsync("-n", name, "route", "add", "default", "via", host);
            elsewhere._server = Process.Start(new ProcessStartInfo("ip", ["netns", "exec", name, "perl", "-e", Serve, Port.ToString(CultureInfo.InvariantCulture)]) { RedirectStandardOutput = true, UseShellExecute = false })!;
            if (await elsewhere._server.StandardOutput.ReadLineAsync(cancel) != "listens") throw new InvalidOperationException("the far machine does not listen");
            return elsewhere;
        }
        catch
        {
            await elsewhere.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        _server?.Kill();
        _server?.Dispose();
        await OwnDisk.RunAsync("ip", "netns", "delete", _name); // its end of the cable goes with it, and so does ours
    }

    private static async Task IpAsync(params string[] arguments)
    {
        if (await OwnDisk.RunAsync("ip", arguments) is not 0 and var code) throw new InvalidOperationException($"ip {string.Join(' ', arguments)}: exit {code}");
    }
}
