using System.Globalization;
using System.Net;

namespace Portal.Core.Clouds;

/// <summary>A port of a node that the portal reaches elsewhere than at the node's own address, because the node's host publishes it.</summary>
/// <param name="Port">Of the node, as its template names it.</param>
/// <param name="At">Where the portal connects instead.</param>
public sealed record MappedPort(int Port, IPEndPoint At)
{
    /// <summary>As rows keep it: 8888=192.0.2.7:31234.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Port}={At}");

    /// <summary>The inverse of <see cref="ToString"/>.</summary>
    public static MappedPort Parse(string text)
    {
        var at = text.IndexOf('=', StringComparison.Ordinal);
        return new(int.Parse(text.AsSpan(0, at), NumberStyles.None, CultureInfo.InvariantCulture), IPEndPoint.Parse(text.AsSpan(at + 1)));
    }

    /// <summary>Where the portal reaches a port of a node; null while the node has no address.</summary>
    public static IPEndPoint? EndPointOf(int port, string? address, IEnumerable<MappedPort> mapped) =>
        address is null || !IPAddress.TryParse(address, out var own) ? null
        : mapped.FirstOrDefault(m => m.Port == port)?.At ?? new(own, port);
}
