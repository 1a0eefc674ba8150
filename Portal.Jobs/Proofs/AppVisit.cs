using System.Net;
using System.Net.WebSockets;

namespace Portal.Jobs.Proofs;

/// <summary>A browser's visit to one app: exchanges a ticket for a cookie, and sends requests as pages on the app's own host do.</summary>
public sealed class AppVisit
{
    private const string EnterPath = "/.portal/enter";
    private readonly PublicSite _site;
    private readonly string _cookie;

    private AppVisit(PublicSite site, string origin, string cookie) => (_site, Origin, _cookie) = (site, origin, cookie);

    /// <summary>Origin of the app's host.</summary>
    public string Origin { get; }

    /// <summary>Uses the ticket. Returns the status as well, because a refusal (404) and an unavailable web process mean different things.</summary>
    public static async Task<(AppVisit? Visit, HttpStatusCode Status)> EnterAsync(PublicSite site, string appOrigin, string ticket, CancellationToken cancel)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, appOrigin + EnterPath) { Content = new FormUrlEncodedContent([new("ticket", ticket)]) };
        request.Headers.TryAddWithoutValidation("Origin", site.Origin);
        using var answer = await site.Invoker.SendAsync(request, cancel);
        if (answer.StatusCode != HttpStatusCode.SeeOther || !answer.Headers.TryGetValues("Set-Cookie", out var set)) return (null, answer.StatusCode);
        // Set manually: the cookie is Secure, and .NET's cookie container never sends those over http, not even to localhost.
        return (new(site, appOrigin, set.First().Split(';')[0]), answer.StatusCode);
    }

    public Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, CancellationToken cancel, HttpContent? content = null)
    {
        var request = new HttpRequestMessage(method, Origin + path) { Content = content };
        request.Headers.TryAddWithoutValidation("Cookie", _cookie);
        if (method != HttpMethod.Get) request.Headers.TryAddWithoutValidation("Origin", Origin);
        return _site.Invoker.SendAsync(request, cancel);
    }

    public async Task<ClientWebSocket> ConnectAsync(string path, CancellationToken cancel)
    {
        var socket = new ClientWebSocket();
        socket.Options.SetRequestHeader("Cookie", _cookie);
        socket.Options.SetRequestHeader("Origin", Origin);
        try
        {
            var url = new UriBuilder(Origin + path);
            url.Scheme = url.Scheme == "https" ? "wss" : "ws";
            await socket.ConnectAsync(url.Uri, _site.Invoker, cancel);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
