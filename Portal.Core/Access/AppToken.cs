using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Portal.Core.Access;

/// <summary>
/// The token that an app requires of its clients: a keyed hash of installation, workspace, generation and app.
/// Web and Jobs both compute it, no row holds it, and each generation has a new one.
/// </summary>
public sealed class AppToken
{
    private const int KeyBytes = 32;
    private readonly byte[] _key;

    /// <param name="key">32 bytes that belong to this installation alone.</param>
    public AppToken(byte[] key)
    {
        if (key.Length != KeyBytes) throw new InvalidOperationException($"The installation key has {key.Length} bytes, not {KeyBytes}.");
        _key = key;
    }

    /// <summary>Reads 64 hexadecimal digits from a file. Throws with the name of the setting if they are missing.</summary>
    public static AppToken FromFile(string path)
    {
        try
        {
            return new(Convert.FromHexString(File.ReadAllText(path).Trim()));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException or InvalidOperationException)
        {
            throw new InvalidOperationException(
                $"Installation:KeyFile names {path}, but this process cannot read a key of 64 hexadecimal digits from it: {e.Message}", e);
        }
    }

    /// <summary>64 hexadecimal digits.</summary>
    public string Of(Guid workspace, int generation, string app) =>
        Convert.ToHexStringLower(HMACSHA256.HashData(_key, Encoding.UTF8.GetBytes($"portal app\n{workspace:D}\n{generation}\n{app}")));
}

public static class AppTokenServices
{
    /// <summary>Requires <c>Installation:KeyFile</c> and reads it immediately, so that a process without a key does not start.</summary>
    public static IServiceCollection AddAppTokens(this IServiceCollection services, IConfiguration configuration) =>
        services.AddSingleton(
            AppToken.FromFile(
                configuration["Installation:KeyFile"]
                    ?? throw new InvalidOperationException("Installation:KeyFile is not set: it names the file with the installation's key.")));
}
