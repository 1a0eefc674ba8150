using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Portal.Core.Access;

/// <summary>Keys that browsers hold and rows know only by their hash, so reading the rows is not enough to sign in or open an app.</summary>
public static class Secret
{
    /// <summary>256 random bits, as text for cookies and forms.</summary>
    public static string New() => Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));

    /// <summary>SHA-256, hex. The key is random and long, so it needs no salt and no slow hash.</summary>
    public static string Hash(string secret) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(secret)));
}
