using System.Net.Sockets;

namespace Portal.Jobs.Proofs;

/// <summary>
/// The portal as people reach it: the public addresses, Origin included. Connections go to <c>Site:ConnectTo</c> (host:port),
/// because .NET does not resolve *.localhost and a machine may not reach itself by its public name; if not set, DNS is used.
/// </summary>
public sealed class PublicSite : IDisposable
{
    private readonly SocketsHttpHandler _handler;

    public PublicSite(string? publicUrl, string? appsDomain, string? connectTo)
    {
        if (!Uri.TryCreate(publicUrl, UriKind.Absolute, out var url))
            throw new InvalidOperationException($"Site:PublicUrl is '{publicUrl}': it must be the portal's address.");
        (Url, AppsDomain) = (url, appsDomain);
        _handler = new()
        {
            UseCookies = false,
            AllowAutoRedirect = false,
            UseProxy = false,
            ConnectTimeout = TimeSpan.FromSeconds(5),
            ActivityHeadersPropagator = null,
            PooledConnectionLifetime = TimeSpan.FromMinutes(1)
        };
        if (!string.IsNullOrEmpty(connectTo))
        {
            var colon = connectTo.LastIndexOf(':');
            if (colon <= 0 || !ushort.TryParse(connectTo[(colon + 1)..], out var port))
                throw new InvalidOperationException($"Site:ConnectTo is '{connectTo}': it must be an address and a port, such as 127.0.0.1:8080.");
            var host = connectTo[..colon].Trim('[', ']');
            _handler.ConnectCallback = (_, cancel) => ConnectAsync(host, port, cancel);
        }
        Invoker = new(_handler, disposeHandler: false);
    }

    public Uri Url { get; }
    public string? AppsDomain { get; }

    /// <summary>Origin of the portal, in the form browsers send.</summary>
    public string Origin => Url.GetLeftPart(UriPartial.Authority);

    public HttpMessageInvoker Invoker { get; }

    /// <summary>Origin of one app's own host.</summary>
    public string AppOrigin(string app, string slug) =>
        $"{Url.Scheme}://{app}--{slug}."
        + (AppsDomain ?? throw new InvalidOperationException("Site:AppsDomain is not set."))
        + (Url.IsDefaultPort ? "" : $":{Url.Port}");

    public void Dispose()
    {
        Invoker.Dispose();
        _handler.Dispose();
    }

    private static async ValueTask<Stream> ConnectAsync(string host, int port, CancellationToken cancel)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(host, port, cancel);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
