using System.Net;
using System.Security.Cryptography.X509Certificates;

namespace Portal.Jobs.Clouds.Containers;

/// <summary>Where a container engine listens, and how both ends know each other.</summary>
public abstract record EngineAddress
{
    private EngineAddress() { }

    /// <summary>On this machine: whoever may open the socket may do everything.</summary>
    /// <param name="Path">Full path of the Unix socket; empty if no container engine is named, and then every call says so.</param>
    public sealed record Socket(string Path) : EngineAddress;

    /// <summary>
    /// On a server, over TLS with certificates on both sides. The server is known by its fingerprint alone: what its certificate says
    /// (name, dates, issuer) proves nothing, because the server made it itself.
    /// </summary>
    /// <param name="Fingerprint">SHA-256 of the server's certificate (DER), lower-case hex.</param>
    /// <param name="Client">The portal's own certificate, with its key.</param>
    public sealed record Tls(IPEndPoint At, string Fingerprint, X509Certificate2 Client) : EngineAddress;
}
