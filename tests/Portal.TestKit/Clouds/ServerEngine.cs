using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Docker.DotNet.Models;
using Portal.Jobs.Clouds.Containers;

namespace Portal.TestKit.Clouds;

/// <summary>
/// A real container engine as a workspace's server has it: listens on a TCP address over TLS, lets in clients of one authority, and has a certificate of its
/// own that no authority has signed, for a name that is not its own, and expired. Its containers are in the host's network; it touches no firewall.
/// </summary>
public sealed class ServerEngine : IAsyncDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("portal-test-server");
    private readonly Process _process;

    private ServerEngine(string authority)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=nobody.example", key, HashAlgorithmName.SHA256);
        using var certificate = request.CreateSelfSigned(new(2019, 1, 1, 0, 0, 0, TimeSpan.Zero), new(2020, 1, 1, 0, 0, 0, TimeSpan.Zero));
        Fingerprint = Convert.ToHexStringLower(SHA256.HashData(certificate.RawData));
        At = new IPEndPoint(IPAddress.Loopback, FreePort());
        _process = Process.Start(new ProcessStartInfo("dockerd",
        [
            "--host", string.Create(CultureInfo.InvariantCulture, $"tcp://{At}"), "--tlsverify",
            "--tlscacert", Written("authority.pem", authority),
            "--tlscert", Written("server.pem", certificate.ExportCertificatePem()),
            "--tlskey", Written("server.key", key.ExportPkcs8PrivateKeyPem()),
            "--data-root", PathOf("data"), "--exec-root", PathOf("exec"), "--pidfile", PathOf("pid"), "--storage-driver", "vfs",
            "--bridge", "none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--log-level", "error",
        ])
        { UseShellExecute = false, RedirectStandardError = true, RedirectStandardOutput = true })!;
        _process.OutputDataReceived += (_, _) => { };
        _process.ErrorDataReceived += (_, _) => { };
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public IPEndPoint At { get; }

    /// <summary>Of its certificate, as <see cref="EngineAddress.Tls"/> has it.</summary>
    public string Fingerprint { get; }

    /// <param name="authority">PEM of the authority whose clients it lets in.</param>
    public static async Task<ServerEngine> StartAsync(string authority)
    {
        var server = new ServerEngine(authority);
        try
        {
            await Eventually.HoldsAsync(server.ListensAsync, "the server's container engine listens");
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>Its address for this client.</summary>
    public EngineAddress.Tls For(X509Certificate2 client) => new(At, Fingerprint, client);

    /// <summary>Hands it an image of another container engine; it has the same id here.</summary>
    public static async Task LoadAsync(ContainerEngine from, string image, ContainerEngine to, CancellationToken cancel)
    {
        var file = await from.CallAsync(c => c.Images.SaveImageAsync(image, cancel), cancel);
        await using (file)
        {
            var quiet = new ImageLoadParameters { Quiet = true };
            await to.CallAsync(c => c.Images.LoadImageAsync(quiet, file, new SynchronousProgress<JSONMessage>(_ => { }), cancel), cancel);
        }
    }

    public async ValueTask DisposeAsync()
    {
        // Asked, not killed: only then does it end what it started itself.
        await OwnDisk.RunAsync("kill", "-TERM", _process.Id.ToString(CultureInfo.InvariantCulture));
        await _process.WaitForExitAsync();
        _process.Dispose();
        await OwnDisk.RunAsync("umount", PathOf("exec/netns/default"));
        _folder.Delete(recursive: true);
    }

    private async Task<bool> ListensAsync()
    {
        if (_process.HasExited) throw new InvalidOperationException($"dockerd ended with code {_process.ExitCode}.");
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(At);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private string PathOf(string name) => Path.Combine(_folder.FullName, name);

    private string Written(string name, string text)
    {
        File.WriteAllText(PathOf(name), text);
        return PathOf(name);
    }

    private static int FreePort()
    {
        using var any = new TcpListener(IPAddress.Loopback, 0);
        any.Start();
        return ((IPEndPoint)any.LocalEndpoint).Port;
    }
}
