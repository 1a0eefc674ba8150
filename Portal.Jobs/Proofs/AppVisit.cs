using System.Net;
using System.Net.WebSockets;

namespace Portal.Jobs.Proofs;

/// <summary>A browser's visit to one app: a ticket for a cookie, and requests as pages of the app's own host send them.</summary>
public sealed class AppVisit
{
    private const string EnterPath = "/.portal/enter";
    private readonly PublicSite _site;
    private readonly string _cookie;

    private AppVisit(PublicSite site, string origin, string cookie) => (_site, Origin, _cookie) = (site, origin, cookie);

    /// <summary>Of the app's host.</summary>
    public string Origin { get; }

    /// <summary>Spends the ticket. Answers the status as well, because a refusal (404) and a web that is away mean different things.</summary>
    public static async Task<(AppVisit? Visit, HttpStatusCode Status)> EnterAsync(PublicSite site, string appOrigin, string ticket, CancellationToken cancel)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, appOrigin + EnterPath) { Content = new FormUrlEncodedContent([new("ticket", ticket)]) };
        request.Headers.TryAddWithoutValidation("Origin", site.Origin);
        using var answer = await site.Invoker.SendAsync(request, cancel);
        if (answer.StatusCode != HttpStatusCode.SeeOther || !answer.Headers.TryGetValues("Set-Cookie", out var set)) return (null, answer.StatusCode);
        // By hand: the cookie is Secure, which no cookie container of .NET sends over http, also not to localhost.
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
