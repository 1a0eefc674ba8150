using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;

namespace Portal.TestKit.Clouds;

/// <summary>
/// A machine that this host reaches over an interface of its own, as it would reach the internet, and that serves one port: a network namespace
/// at the other end of a veth pair. It routes everything back by way of this host. It may also be the site's proxy, and then it
/// answers for every host name from a folder.
/// </summary>
public sealed class ExternalHost : IAsyncDisposable
{
    public const int Port = 9100, ProxyPort = 3128;
    private const string Serve =
        "use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalPort => shift, Listen => 50, ReuseAddr => 1) or die; "
        + "print qq(listens\\n); close STDOUT; while (my $c = $s->accept) { close $c }";

    // The question comes back with 192.0.2.1 if it asks for an address, and without an answer otherwise.
    private const string Names = """
        use strict; use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalPort => 53, Proto => 'udp') or die; print "listens\n"; close STDOUT;
        while (my $from = $s->recv(my $q, 512)) {
            my $end = index($q, "\0", 12) + 5; my $known = unpack('n', substr($q, $end - 4, 2)) == 1;
            $s->send(pack('n6', unpack('n', $q), 0x8180, 1, $known ? 1 : 0, 0, 0) . substr($q, 12, $end - 12)
                . ($known ? pack('n3 N n C4', 0xc00c, 1, 1, 60, 4, 192, 0, 2, 1) : ''), 0, $from);
        }
        """;

    // GET of a full address: the file FOLDER/host/path; the line is logged in FOLDER/asked. A
    // CONNECT is connected to itself, so what follows is answered the same way.
    private const string Proxy = """
        use strict; use IO::Socket::INET; my ($port, $folder) = @ARGV; $SIG{CHLD} = 'IGNORE';
        my $s = IO::Socket::INET->new(LocalPort => $port, Listen => 50, ReuseAddr => 1) or die; print "listens\n"; close STDOUT;
        while (1) {
            my $c = $s->accept or next; if (fork) { close $c; next }
            my $inside = '';
            while (my $line = <$c>) {
                while (<$c>) { last if /^\s*$/ }
                open(my $log, '>>', "$folder/asked"); print $log "$line"; close $log;
                my ($verb, $what) = split ' ', $line;
                if ($verb eq 'CONNECT') { $inside = $what =~ s/:.*//r; syswrite $c, "HTTP/1.1 200 through\r\n\r\n"; next }
                my $path = $what =~ s{^http://}{}r; $path = "$inside$what" if $inside; $path =~ s/[?#].*//; $path =~ s{/$}{/index.html};
                my $file; my $found = $path !~ /\.\./ && -f "$folder/$path" && open($file, '<:raw', "$folder/$path");
                my $body = $found ? do { local $/; <$file> } : 'nothing'; my $type = $path =~ /html$/ ? 'text/html' : 'application/octet-stream';
                syswrite $c, "HTTP/1.1 " . ($found ? "200 OK" : "404 Nothing")
                    . "\r\nContent-Type: $type\r\nContent-Length: " . length($body) . "\r\nConnection: close\r\n\r\n"
                    . ($verb eq 'HEAD' ? '' : $body);
                last;
            }
            exit 0;
        }
        """;

    private readonly string _name;
    private readonly List<Process> _servers = [];

    private ExternalHost(string name, string host, string address) => (_name, Host, Address) = (name, host, address);

    /// <summary>This host's end of the pair.</summary>
    public string Host { get; }

    /// <summary>One of 198.18.0.0/15, which is reserved for network tests.</summary>
    public string Address { get; }

    public static async Task<ExternalHost> MakeAsync(CancellationToken cancel)
    {
        var number = RandomNumberGenerator.GetInt32(1 << 14);
        var net = string.Create(CultureInfo.InvariantCulture, $"198.{18 + (number >> 13)}.{(number >> 5) & 0xff}.");
        var (host, far) = ($"{net}{((number & 31) << 2) + 1}", $"{net}{((number & 31) << 2) + 2}");
        var name = string.Create(CultureInfo.InvariantCulture, $"ptest{number:x4}");
        var externalHost = new ExternalHost(name, host, far);
        try
        {
            await IpAsync("netns", "add", name);
            await IpAsync("link", "add", name, "type", "veth", "peer", "name", "far", "netns", name);
            await IpAsync("addr", "add", $"{host}/30", "dev", name);
            await IpAsync("link", "set", name, "up");
            await IpAsync("-n", name, "addr", "add", $"{far}/30", "dev", "far");
            await IpAsync("-n", name, "link", "set", "far", "up");
            await IpAsync("-n", name, "route", "add", "default", "via", host);
            await externalHost.RunAsync(Serve, [$"{Port}"], cancel);
            return externalHost;
        }
        catch
        {
            await externalHost.DisposeAsync();
            throw;
        }
    }

    /// <summary>It is also a name server, which knows the address of every name.</summary>
    public Task ResolveAsync(CancellationToken cancel) => RunAsync(Names, [], cancel);

    /// <summary>It answers as an HTTP proxy on <see cref="ProxyPort"/>: for each host from the subfolder of its name.</summary>
    public Task ProxyAsync(string folder, CancellationToken cancel) => RunAsync(Proxy, [$"{ProxyPort}", folder], cancel);

    private async Task RunAsync(string program, string[] arguments, CancellationToken cancel)
    {
        var server = Process.Start(
            new ProcessStartInfo("ip", ["netns", "exec", _name, "perl", "-e", program, .. arguments])
            {
                RedirectStandardOutput = true,
                UseShellExecute = false
            })!;
        _servers.Add(server);
        if (await server.StandardOutput.ReadLineAsync(cancel) != "listens") throw new InvalidOperationException("the external host is not listening");
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var server in _servers)
        {
            server.Kill();
            server.Dispose();
        }
        await OwnDisk.RunAsync("ip", "netns", "delete", _name); // its end of the pair is deleted with it, and so is ours
    }

    private static async Task IpAsync(params string[] arguments)
    {
        if (await OwnDisk.RunAsync("ip", arguments) is not 0 and var code)
            throw new InvalidOperationException($"ip {string.Join(' ', arguments)}: exit {code}");
    }
}
