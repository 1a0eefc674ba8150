using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>The container engines of servers, each with connections of its own that are kept while the server is seen.</summary>
internal sealed class ServerEngines(EngineKeys keys, Owned owned, ServerOptions options, TimeProvider clock)
{
    private readonly ConcurrentDictionary<string, (string Address, string Fingerprint, NodeEngine Engine)> _engines = new(StringComparer.Ordinal);

    /// <summary>The engine of a server; null while it has no address, or before its certificate is pinned.</summary>
    public NodeEngine? Of(NovaServer server)
    {
        if (server.Address is not { } address || FingerprintOf(server) is not { } fingerprint) return null;
        if (_engines.TryGetValue(server.Id, out var known) && (known.Address, known.Fingerprint) == (address, fingerprint)) return known.Engine;
        var engine = new ContainerEngine(new EngineAddress.Tls(new IPEndPoint(IPAddress.Parse(address), options.EnginePort), fingerprint, Client()));
        return (_engines[server.Id] = (address, fingerprint, new(engine, owned, clock))).Engine;
    }

    /// <summary>The portal's own certificate. Refused, with the reason, if it cannot be used.</summary>
    public X509Certificate2 Client()
    {
        try { return keys.Client; }
        catch (InvalidOperationException e) { throw new CloudException(Services.Nova, CloudFault.Refused, e.Message, "See the message.", e); }
    }

    /// <summary>Forgets all other servers. Their connections end by themselves: somebody may still be using one.</summary>
    public void Keep(IEnumerable<NovaServer> servers)
    {
        var there = servers.Select(s => s.Id).ToHashSet(StringComparer.Ordinal);
        foreach (var id in _engines.Keys.Where(id => !there.Contains(id))) _engines.TryRemove(id, out _);
    }

    /// <summary>The pinned fingerprint; null before it is pinned.</summary>
    public static string? FingerprintOf(NovaServer server) => server.Metadata.GetValueOrDefault(HeatNames.Fingerprint) is { } text && IsFingerprint(text)
        ? text : null;

    /// <summary>SHA-256 in lower-case hex.</summary>
    public static bool IsFingerprint(string text) => text.Length == 64 && text.All(char.IsAsciiHexDigitLower);
}
