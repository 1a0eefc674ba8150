using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text.RegularExpressions;

namespace Portal.IntegrationTests.Access;

/// <summary>
/// A headless browser: cookies by host, Origin where a browser sends one, redirects only when followed. It keeps Secure
/// cookies over http as browsers do on localhost, and resolves *.localhost itself.
/// </summary>
public sealed partial class Visitor : IDisposable
{
    private readonly WebFixture _web;
    private readonly SocketsHttpHandler _handler;
    private readonly HttpClient _http;

    public Visitor(WebFixture web)
    {
        _web = web;
        _handler = new()
        {
            UseCookies = false,
            AllowAutoRedirect = false,
            UseProxy = false,
            ConnectCallback = async (_, cancel) =>
            {
                var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                await socket.ConnectAsync(IPAddress.Loopback, web.Port, cancel);
                return new NetworkStream(socket, ownsSocket: true);
            },
        };
        _http = new(_handler) { Timeout = TimeSpan.FromSeconds(60) };
    }

    /// <summary>Host and name → value.</summary>
    public IDictionary<(string Host, string Name), string> Cookies { get; } = new Dictionary<(string Host, string Name), string>();

    public string? Session => Cookies.TryGetValue((_web.Url.Authority, _web.SessionCookie), out var key) ? key : null;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async Task<HttpResponseMessage> SendAsync(HttpMethod method, string url, HttpContent? content = null, string? origin = null,
        Action<HttpRequestHeaders>? headers = null, HttpCompletionOption until = HttpCompletionOption.ResponseContentRead)
    {
        using var request = new HttpRequestMessage(method, new Uri(_web.Url, url)) { Content = content };
        if (CookieFor(request.RequestUri!) is { } cookie) request.Headers.TryAddWithoutValidation("Cookie", cookie);
        if (origin is not null) request.Headers.TryAddWithoutValidation("Origin", origin);
        headers?.Invoke(request.Headers);
        var answer = await _http.SendAsync(request, until, Cancel);
        if (answer.Headers.TryGetValues("Set-Cookie", out var set)) foreach (var one in set) Keep(request.RequestUri!.Authority, one);
        return answer;
    }

    public Task<HttpResponseMessage> GetAsync(string url, Action<HttpRequestHeaders>? headers = null) => SendAsync(HttpMethod.Get, url, headers: headers);

    public Task<HttpResponseMessage> PostFormAsync(string url, string? origin, params (string Name, string? Value)[] fields) =>
        SendAsync(HttpMethod.Post, url, new FormUrlEncodedContent(fields.Select(f => KeyValuePair.Create(f.Name, f.Value))), origin);

    public Task<HttpResponseMessage> PostJsonAsync(string url, object body) =>
        SendAsync(HttpMethod.Post, url, JsonContent.Create(body), _web.Origin, h => h.Add("X-Portal-Csrf", "1"));

    /// <summary>Signs in through the page, as a person does.</summary>
    public async Task<HttpResponseMessage> SignInAsync(string name, string? returnUrl = null)
    {
        using var page = await GetAsync($"/sign-in{(returnUrl is null ? "" : $"?returnUrl={Uri.EscapeDataString(returnUrl)}")}");
        page.StatusCode.ShouldBe(HttpStatusCode.OK);
        var html = await page.Content.ReadAsStringAsync(Cancel);
        return await PostFormAsync("/sign-in/demo", _web.Origin, ("person", _web.Person(name).ToString()), ("returnUrl", Field(html, "returnUrl")),
            ("__RequestVerificationToken", Field(html, "__RequestVerificationToken")));
    }

    /// <summary>A token for a form of this person, as their pages carry it.</summary>
    public async Task<string> FormTokenAsync()
    {
        using var page = await GetAsync("/sign-in");
        return Field(await page.Content.ReadAsStringAsync(Cancel), "__RequestVerificationToken");
    }

    /// <summary>Presses Open and returns the ticket that the page would post, and where to.</summary>
    public async Task<(string Ticket, string Address)> TicketAsync(Guid workspace, string app = "notebook")
    {
        using var page = await PostFormAsync($"/workspaces/{workspace}/apps/{app}/open", _web.Origin, ("__RequestVerificationToken", await FormTokenAsync()));
        page.StatusCode.ShouldBe(HttpStatusCode.OK);
        var html = await page.Content.ReadAsStringAsync(Cancel);
        return (Field(html, "ticket"), ActionOf().Match(html).Groups["to"].Value);
    }

    public Task<HttpResponseMessage> EnterAsync(string address, string ticket, string? origin) => PostFormAsync(address, origin, ("ticket", ticket));

    /// <summary>From signed in to working in the app.</summary>
    public async Task OpenAsync(Guid workspace, string app = "notebook")
    {
        var (ticket, address) = await TicketAsync(workspace, app);
        using var entered = await EnterAsync(address, ticket, _web.Origin);
        entered.StatusCode.ShouldBe(HttpStatusCode.SeeOther);
    }

    public async Task<ClientWebSocket> SocketAsync(string url, string? origin)
    {
        var socket = new ClientWebSocket();
        var uri = new Uri(url);
        if (CookieFor(uri) is { } cookie) socket.Options.SetRequestHeader("Cookie", cookie);
        if (origin is not null) socket.Options.SetRequestHeader("Origin", origin);
        socket.Options.CollectHttpResponseDetails = true;
        using var invoker = new HttpMessageInvoker(_handler, disposeHandler: false);
        try
        {
            await socket.ConnectAsync(new UriBuilder(uri) { Scheme = "ws" }.Uri, invoker, Cancel);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        _http.Dispose();
        _handler.Dispose();
    }

    private string? CookieFor(Uri uri) =>
        Cookies.Where(c => c.Key.Host == uri.Authority).Select(c => $"{c.Key.Name}={c.Value}").ToList() is { Count: > 0 } mine ? string.Join("; ", mine) : null;

    private void Keep(string host, string setCookie)
    {
        var pair = setCookie.Split(';')[0].Split('=', 2);
        if (setCookie.Contains("expires=Thu, 01 Jan 1970", StringComparison.OrdinalIgnoreCase)) Cookies.Remove((host, pair[0]));
        else Cookies[(host, pair[0])] = pair[1];
    }

    private static string Field(string html, string name) =>
        WebUtility.HtmlDecode(
            Regex.Match(html, $"name=\"{name}\"[^>]*value=\"(?<v>[^\"]*)\"", RegexOptions.ExplicitCapture, TimeSpan.FromSeconds(1)).Groups["v"].Value);

    [GeneratedRegex("<form method=\"post\" action=\"(?<to>[^\"]*)\"", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex ActionOf();
}
