using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;

namespace Portal.IntegrationTests.Clouds;

/// <summary>What answers at a server's address is not the server, or nothing does.</summary>
public sealed class EngineConnectionTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("portal-test-keys");
    private readonly X509Certificate2 _client;

    public EngineConnectionTests() => _client = new EngineKeys(_folder.FullName, TimeProvider.System).Client;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData(SslProtocols.Tls12)]
    [InlineData(SslProtocols.Tls13)]
    public async Task Connect_ToAnotherServer_SendsNothing(SslProtocols version)
    {
        await using var impostor = new Impostor(version);
        using var engine = new ContainerEngine(new EngineAddress.Tls(impostor.At, new string('0', 64), _client));

        var fault = await Should.ThrowAsync<CloudException>(() => engine.VersionAsync(Cancel));

        (fault.Fault, fault.MayPass).ShouldBe((CloudFault.Denied, false));
        fault.Message.ShouldBe($"Container engine: the server at {impostor.At} is not the one that the portal started.");
        (await impostor.HeardAsync()).ShouldBe("");
    }

    /// <summary>What the test above would hear if the fingerprint were not looked at.</summary>
    [Fact]
    public async Task Connect_ToTheServerOfThatFingerprint_Speaks()
    {
        await using var impostor = new Impostor(SslProtocols.Tls13);
        using var engine = new ContainerEngine(new EngineAddress.Tls(impostor.At, impostor.Fingerprint, _client));

        var fault = await Should.ThrowAsync<CloudException>(() => engine.VersionAsync(Cancel));

        fault.Fault.ShouldBe(CloudFault.Unavailable);
        (await impostor.HeardAsync()).ShouldStartWith("GET /version HTTP/1.1");
    }

    /// <summary>A student who has taken over the server cannot fill the portal's memory.</summary>
    [Fact]
    public async Task Answer_OfAServerThatDoesNotEnd_IsGivenUpOn()
    {
        await using var endless = new Impostor(SslProtocols.Tls13, endless: true);
        using var engine = new ContainerEngine(new EngineAddress.Tls(endless.At, endless.Fingerprint, _client));

        var fault = await Should.ThrowAsync<CloudException>(() => engine.VersionAsync(Cancel).WaitAsync(TimeSpan.FromSeconds(20), TimeProvider.System, Cancel));

        (fault.Fault, fault.Message).ShouldBe((CloudFault.Broken, "Container engine: it answered with more than 4 MiB."));
        await endless.HeardAsync();
        endless.Sent.ShouldBeLessThan(16 << 20);
    }

    [Fact]
    public async Task Connect_ToSomethingWithoutTls_IsDenied()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var answering = AnswerAsync(listener);
        using var engine = new ContainerEngine(new EngineAddress.Tls((IPEndPoint)listener.LocalEndpoint, new string('0', 64), _client));

        var fault = await Should.ThrowAsync<CloudException>(() => engine.VersionAsync(Cancel));

        (fault.Fault, fault.Message).ShouldBe(
            (CloudFault.Denied, $"Container engine: what answers at {listener.LocalEndpoint} does not speak TLS as the portal's servers do."));
        await answering;

        static async Task AnswerAsync(TcpListener listener)
        {
            using var client = await listener.AcceptTcpClientAsync(Cancel);
            await client.GetStream().ReadExactlyAsync(new byte[5], Cancel);
            await client.GetStream().WriteAsync("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"u8.ToArray(), Cancel);
        }
    }

    [Fact]
    public async Task Connect_WhereNothingListens_IsUnavailable()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var at = (IPEndPoint)listener.LocalEndpoint;
        listener.Stop();
        using var engine = new ContainerEngine(new EngineAddress.Tls(at, new string('0', 64), _client));

        var fault = await Should.ThrowAsync<CloudException>(() => engine.VersionAsync(Cancel));

        (fault.Fault, fault.Message, fault.MayPass).ShouldBe((CloudFault.Unavailable, $"Container engine: nothing is listening at {at}.", true));
    }

    [Fact]
    public async Task Connect_WhereNothingIsSaid_IsUnavailableAfterTenSeconds()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start(); // the kernel accepts, nobody answers
        using var engine = new ContainerEngine(new EngineAddress.Tls((IPEndPoint)listener.LocalEndpoint, new string('0', 64), _client));

        var fault = await Should.ThrowAsync<CloudException>(() => engine.VersionAsync(Cancel).WaitAsync(TimeSpan.FromSeconds(20), TimeProvider.System, Cancel));

        (fault.Fault, fault.Message).ShouldBe((CloudFault.Unavailable, $"Container engine: the server at {listener.LocalEndpoint} does not answer."));
    }

    /// <summary>A server over TLS that lets in everybody, hears what the first client says, and closes the connection; or answers without end.</summary>
    private sealed class Impostor : IAsyncDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly X509Certificate2 _certificate;
        private readonly Task<string> _heard;

        /// <summary>Far more than anybody should read; not endless only so that a failing test does not use up the memory.</summary>
        private const long Most = 64 << 20;

        public Impostor(SslProtocols version, bool endless = false)
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            _certificate = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256)
                .CreateSelfSigned(new(2019, 1, 1, 0, 0, 0, TimeSpan.Zero), new(2020, 1, 1, 0, 0, 0, TimeSpan.Zero));
            _listener.Start();
            _heard = HearAsync(version, endless);
        }

        public IPEndPoint At => (IPEndPoint)_listener.LocalEndpoint;
        public string Fingerprint => Convert.ToHexStringLower(SHA256.HashData(_certificate.RawData));

        /// <summary>Bytes of the answer.</summary>
        public long Sent { get; private set; }

        /// <summary>Of what came inside TLS, one packet.</summary>
        public Task<string> HeardAsync() => _heard.WaitAsync(TimeSpan.FromSeconds(10), TimeProvider.System, Cancel);

        public async ValueTask DisposeAsync()
        {
            await _heard;
            _listener.Stop();
            _certificate.Dispose();
        }

        private async Task<string> HearAsync(SslProtocols version, bool endless)
        {
            using var client = await _listener.AcceptTcpClientAsync();
            await using var stream = new SslStream(client.GetStream());
            try
            {
                await stream.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
                {
                    ServerCertificate = _certificate,
                    EnabledSslProtocols = version,
                    ClientCertificateRequired = true,
                    RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate is not null,
                });
                var buffer = new byte[4096];
                var heard = System.Text.Encoding.ASCII.GetString(buffer, 0, await stream.ReadAsync(buffer));
                if (endless) await stream.WriteAsync("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n\""u8.ToArray());
                for (var part = new byte[1 << 16]; endless && Sent < Most; Sent += part.Length) await stream.WriteAsync(part);
                return heard;
            }
            catch (Exception e) when (e is IOException or AuthenticationException)
            {
                return "";
            }
        }
    }
}
