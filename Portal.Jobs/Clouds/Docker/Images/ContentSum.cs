using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace Portal.Jobs.Clouds.Docker.Images;

/// <summary>
/// The checksum by which a file is recognised wherever it is found. For a jar or wheel it covers the entries, because archives store them uncompressed where
/// registries deflate, and leave native libraries of other systems out of jars; for any other file it is the SHA-256 of its bytes.
/// </summary>
public static partial class ContentSum
{
    public static bool IsZip(string name) => name.EndsWith(".jar", StringComparison.Ordinal) || name.EndsWith(".whl", StringComparison.Ordinal);

    /// <param name="name">Its extension decides what is hashed.</param>
    /// <param name="content">Seekable; read from its beginning.</param>
    public static async Task<string> OfAsync(string name, Stream content, CancellationToken cancel)
    {
        content.Position = 0;
        if (!IsZip(name))
        {
            return Convert.ToHexStringLower(await SHA256.HashDataAsync(content, cancel));
        }

        var sums = new SortedDictionary<string, string>(StringComparer.Ordinal);
        using var zip = new ZipArchive(content, ZipArchiveMode.Read, leaveOpen: true);
        foreach (var entry in zip.Entries.Where(e => !e.FullName.EndsWith('/') && !(name.EndsWith(".jar", StringComparison.Ordinal) && IsForeign(e.FullName))))
        {
            await using var bytes = await entry.OpenAsync(cancel);
            sums.TryAdd(entry.FullName, Convert.ToHexStringLower(await SHA256.HashDataAsync(bytes, cancel)));
        }

        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Concat(sums.Select(s => $"{s.Key}\0{s.Value}\n")))));
    }

    private static bool IsForeign(string entry) =>
        Native().IsMatch(entry) && Foreign().IsMatch(entry.Replace("x86_64", "", StringComparison.Ordinal).Replace("x86-64", "", StringComparison.Ordinal));

    [GeneratedRegex(@"\.(so|dll|dylib|jnilib|a)(\.[0-9]+)*$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture,
        matchTimeoutMilliseconds: 1000)]
    private static partial Regex Native();

    [GeneratedRegex("aarch|arm|ppc|s390|riscv|loongarch|sparc|mips|i[3-6]86|x86_32|linux32|/x86/|win|mac|osx|darwin|sunos|freebsd|openbsd|aix|android|musl",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Foreign();
}
