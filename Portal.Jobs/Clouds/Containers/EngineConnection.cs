using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Portal.Jobs.Clouds.Containers;

/// <summary>Opens connections to a container engine.</summary>
internal static class EngineConnection
{
    /// <summary>Maximum for reaching a server and for the handshake together.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>A server that vanishes closes nothing: after half a minute without a sign of life a followed stream ends.</summary>
    private const int QuietSeconds = 15, BetweenSeconds = 5, Unanswered = 3;

    /// <summary>Of a server every failure is a <see cref="Portal.Core.Clouds.CloudException"/>; of a socket it is the system's own.</summary>
    public static ValueTask<Stream> OpenAsync(EngineAddress address, CancellationToken cancel) => address switch
    {
        EngineAddress.Socket socket => OpenAsync(socket, cancel),
        EngineAddress.Tls server => OpenAsync(server, cancel),
        _ => throw new NotSupportedException($"{address.GetType()} is no address of a container engine."),
    };

    private static async ValueTask<Stream> OpenAsync(EngineAddress.Socket address, CancellationToken cancel)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(address.Path), cancel);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static async ValueTask<Stream> OpenAsync(EngineAddress.Tls server, CancellationToken cancel)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(Patience);
        var socket = new Socket(server.At.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        Stream opened = Stream.Null;
        try
        {
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, QuietSeconds);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, BetweenSeconds);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, Unanswered);
            await socket.ConnectAsync(server.At, limit.Token);
            opened = new NetworkStream(socket, ownsSocket: true);
            return opened = await HandshakeAsync(opened, server, limit.Token);
        }
        catch (Exception e)
        {
            await opened.DisposeAsync();
            socket.Dispose();
            if (e is OperationCanceledException && !cancel.IsCancellationRequested) throw ContainerEngineFaults.Silent(server, e);
            if (ContainerEngineFaults.OfConnecting(e, server) is { } fault) throw fault;
            throw;
        }
    }

    private static async Task<Stream> HandshakeAsync(Stream connection, EngineAddress.Tls server, CancellationToken cancel)
    {
        var seen = "";
        var stream = new SslStream(connection);
        try
        {
            await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
            {
                TargetHost = server.At.Address.ToString(),
                EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
                ClientCertificateContext = SslStreamCertificateContext.Create(server.Client, additionalCertificates: null, offline: true),
                RemoteCertificateValidationCallback = (_, certificate, _, _) =>
                {
                    seen = certificate is null ? "" : Convert.ToHexStringLower(SHA256.HashData(certificate.GetRawCertData()));
                    return seen == server.Fingerprint;
                },
                // A chain is built before the fingerprint is looked at, and a foreign certificate could name addresses to fetch for it.
                CertificateChainPolicy = new X509ChainPolicy { DisableCertificateDownloads = true, RevocationMode = X509RevocationMode.NoCheck },
                AllowTlsResume = false, // every connection checks the fingerprint
                AllowRenegotiation = false,
            }, cancel);
            return stream;
        }
        catch (AuthenticationException e) when (seen.Length > 0 && seen != server.Fingerprint)
        {
            await stream.DisposeAsync();
            throw ContainerEngineFaults.AnotherServer(server, e);
        }
        catch
        {
            await stream.DisposeAsync();
            throw;
        }
    }
}
