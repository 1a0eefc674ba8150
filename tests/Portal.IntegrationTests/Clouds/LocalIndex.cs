using System.Collections.Concurrent;
using System.Formats.Tar;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Portal.IntegrationTests.Clouds;

/// <summary>A Python package index and a Maven repository on loopback, as small as their protocols allow, with whatever files a test puts in.</summary>
public sealed class LocalIndex : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly bool _html;

    private LocalIndex(bool html)
    {
        _html = html;
        var builder = WebApplication.CreateSlimBuilder();
        builder.Configuration["urls"] = "http://127.0.0.1:0";
        builder.Logging.ClearProviders();
        _app = builder.Build();
        _app.MapGet("/simple/{project}/", Project);
        _app.MapGet("/{**path}", File);
    }

    /// <summary>Path → content: below packages/ of the Python index, below maven/ of the repository.</summary>
    public ConcurrentDictionary<string, byte[]> Files { get; } = new(StringComparer.Ordinal);

    /// <summary>The paths of files that somebody asked for, and how often.</summary>
    public ConcurrentDictionary<string, int> Asked { get; } = new(StringComparer.Ordinal);

    public string Simple => $"{_app.Urls.First()}/simple";
    public string Maven => $"{_app.Urls.First()}/maven/";

    /// <param name="html">Whether it knows only the older of the two forms of the protocol.</param>
    public static async Task<LocalIndex> StartAsync(bool html = false)
    {
        var index = new LocalIndex(html);
        await index._app.StartAsync();
        return index;
    }

    /// <summary>A jar or wheel as registries have them: deflated.</summary>
    public static byte[] Zip(params (string Name, string Content)[] entries) => Zip([.. entries.Select(e => (e.Name, Encoding.UTF8.GetBytes(e.Content)))]);

    public static byte[] Zip(params (string Name, byte[] Content)[] entries)
    {
        var bytes = new MemoryStream();
        using (var zip = new ZipArchive(bytes, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (var (name, content) in entries)
            {
                using var entry = zip.CreateEntry(name, CompressionLevel.Optimal).Open();
                entry.Write(content);
            }
        }

        return bytes.ToArray();
    }

    /// <summary>A source distribution.</summary>
    public static byte[] TarGz(params (string Name, byte[] Content)[] entries)
    {
        var bytes = new MemoryStream();
        using (var zip = new GZipStream(bytes, CompressionLevel.Fastest, leaveOpen: true))
        using (var tar = new TarWriter(zip))
        {
            foreach (var (name, content) in entries)
            {
                tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(content) });
            }
        }

        return bytes.ToArray();
    }

    public static string Sum(string content) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(content)));

    /// <summary>The sum of a jar or wheel as README.md of the recipes defines it, reckoned from what was put in.</summary>
    public static string SumOfEntries(params (string Name, string Content)[] entries) =>
        Sum(string.Concat(entries.OrderBy(e => e.Name, StringComparer.Ordinal).Select(e => $"{e.Name}\0{Sum(e.Content)}\n")));

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private IResult File(string path)
    {
        Asked.AddOrUpdate(path, 1, (_, times) => times + 1);
        return Files.TryGetValue(path, out var bytes) ? Results.Bytes(bytes) : Results.NotFound();
    }

    private IResult Project(string project)
    {
        var files = Files.Keys.Where(k => k.StartsWith($"packages/{project}/", StringComparison.Ordinal)).Select(k => (Name: Path.GetFileName(k), Url: $"../../{k}")).ToList();
        return files.Count == 0 ? Results.NotFound()
            : _html ? Results.Text($"<!DOCTYPE html><html><body>{string.Concat(files.Select(f => $"<a href=\"{f.Url}#sha256=00\" data-requires-python=\"&gt;=3\">{f.Name}</a><br/>"))}</body></html>", "text/html")
            : Results.Text(JsonSerializer.Serialize(new { meta = new Dictionary<string, string>(StringComparer.Ordinal) { ["api-version"] = "1.1" }, name = project, files = files.Select(f => new { filename = f.Name, url = f.Url }) }), "application/vnd.pypi.simple.v1+json");
    }
}
