using System.Net;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace Portal.Access;

/// <summary>
/// Whether anyone may sign in as a demo person with a click. Only if no other machine can connect: switched on,
/// bound to loopback only, requested under the portal's own host, and not forwarded by a proxy that listens elsewhere.
/// </summary>
public sealed class DemoSignIn
{
    private readonly bool _on;
    private readonly IServer _server;
    private readonly Site _site;

    public DemoSignIn(IConfiguration configuration, IServer server, Site site)
    {
        (_on, _server, _site) = (configuration.GetValue("SignIn:Demo", false), server, site);
        if (!_on) return;
        var bound = (configuration["urls"] ?? "").Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Concat(configuration.GetSection("Kestrel:Endpoints").GetChildren().Select(e => e["Url"] ?? ""));
        if (bound.FirstOrDefault(a => !IsLoopback(a)) is { } open)
            throw new InvalidOperationException(
                $"SignIn:Demo is on, but the portal is bound to {open}: "
                + "anyone on that network could sign in as anyone. Bind it to 127.0.0.1, or turn SignIn:Demo off.");
    }

    public bool IsOpen(HttpContext http) =>
        _on
        && _server.Features.Get<IServerAddressesFeature>()?.Addresses is { Count: > 0 } addresses && addresses.All(IsLoopback)
        && http.Connection.LocalIpAddress is { } local && IPAddress.IsLoopback(local)
        && http.Connection.RemoteIpAddress is { } remote && IPAddress.IsLoopback(remote)
        && _site.IsPortal(http.Request.Host)
        && !http.Request.Headers.Any(h => IsForwarding(h.Key));

    private static bool IsForwarding(string header) =>
        header.StartsWith("X-Forwarded", StringComparison.OrdinalIgnoreCase) || header.StartsWith("X-Original", StringComparison.OrdinalIgnoreCase)
        || header.Equals("Forwarded", StringComparison.OrdinalIgnoreCase)
            || header.Equals("X-Real-IP", StringComparison.OrdinalIgnoreCase)
            || header.Equals("Via", StringComparison.OrdinalIgnoreCase);

    private static bool IsLoopback(string address)
    {
        if (!Uri.TryCreate(address, UriKind.Absolute, out var url)) return false; // http://*:80 and the like
        return url.Host == "localhost" || (IPAddress.TryParse(url.Host.Trim('[', ']'), out var ip) && IPAddress.IsLoopback(ip));
    }
}
