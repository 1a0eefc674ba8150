using System.Net.Sockets;

namespace Portal.Proxy;

/// <summary>The web process's connection to Jobs: HTTP over the Unix socket <c>Jobs:Socket</c>. Callers must have checked that a request may be sent.</summary>
internal sealed class JobsClient(IConfiguration configuration) : IDisposable
{
    /// <summary>A placeholder host name; the socket decides where requests go.</summary>
    public const string Address = "http://jobs";

    /// <summary>While Jobs is unavailable: seconds until its supervisor has restarted it, for Retry-After.</summary>
    public const string RetryAfter = "5";

    public HttpMessageInvoker Invoker { get; } = new(new SocketsHttpHandler
    {
        UseProxy = false,
        UseCookies = false,
        AllowAutoRedirect = false,
        ActivityHeadersPropagator = null,
        ConnectCallback = async (_, cancel) =>
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            try
            {
                await socket.ConnectAsync(
                    new UnixDomainSocketEndPoint(configuration["Jobs:Socket"] ?? throw new InvalidOperationException("Jobs:Socket is not set.")), cancel);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        },
    });

    public void Dispose() => Invoker.Dispose();
}
