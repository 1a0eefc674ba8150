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

/// <summary>
/// A Python package index and a Maven repository on loopback, as small as their protocols allow, with the files that a test adds. As an HTTP proxy it
/// answers for every site.
/// </summary>
public sealed class LocalIndex : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly bool _html;
    private readonly TaskCompletionSource _heldRequested = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private LocalIndex(bool html)
    {
        _html = html;
        var builder = WebApplication.CreateSlimBuilder();
        builder.Configuration["urls"] = "http://127.0.0.1:0";
        builder.Logging.ClearProviders();
        _app = builder.Build();
        _app.Use(Guard);
        _app.MapGet("/simple/{project}/", Project);
        _app.MapGet("/{**path}", File);
    }

    /// <summary>Path → content: under packages/ for the Python index, under maven/ for the repository.</summary>
    public ConcurrentDictionary<string, byte[]> Files { get; } = new(StringComparer.Ordinal);

    /// <summary>Paths of requested files, and how often.</summary>
    public ConcurrentDictionary<string, int> Requests { get; } = new(StringComparer.Ordinal);

    /// <summary>Path of a file of which only the first half is ever sent.</summary>
    public string? Held { get; set; }

    /// <summary>Ends when <see cref="Held"/> has been asked for.</summary>
    public Task HeldRequested => _heldRequested.Task;

    /// <summary>Credentials as name:password; null: everyone may read.</summary>
    public string? Credentials { get; set; }

    public Uri Address => new(_app.Urls.First());
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

    /// <summary>The checksum of a jar or wheel as README.md of the recipes defines it, computed from what was put in.</summary>
    public static string SumOfEntries(params (string Name, string Content)[] entries) =>
        Sum(string.Concat(entries.OrderBy(e => e.Name, StringComparer.Ordinal).Select(e => $"{e.Name}\0{Sum(e.Content)}\n")));

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    /// <summary>A home in which pip and Maven are configured to use these addresses.</summary>
    /// <param name="morePip">Further lines of pip.conf.</param>
    /// <param name="moreMaven">Further elements of settings.xml.</param>
    public static string Home(string? simple, string? maven, string morePip = "", string moreMaven = "")
    {
        var home = Directory.CreateTempSubdirectory("portal-test-home").FullName;
        if (simple is not null)
        {
            Directory.CreateDirectory($"{home}/.config/pip");
            System.IO.File.WriteAllText($"{home}/.config/pip/pip.conf", $"[global]\nindex-url = {simple}\n{morePip}");
        }

        if (maven is not null)
        {
            Directory.CreateDirectory($"{home}/.m2");
            System.IO.File.WriteAllText($"{home}/.m2/settings.xml",
                $"<settings><mirrors><mirror><id>site</id><mirrorOf>*</mirrorOf><url>{maven}</url></mirror></mirrors>{moreMaven}</settings>");
        }

        return home;
    }

    private Task Guard(HttpContext context, RequestDelegate next)
    {
        if (Credentials is null || context.Request.Headers.Authorization == $"Basic {Convert.ToBase64String(Encoding.UTF8.GetBytes(Credentials))}")
        {
            return next(context);
        }

        context.Response.StatusCode = StatusCodes.Status401Unauthorized;
        context.Response.Headers.WWWAuthenticate = "Basic realm=\"packages\"";
        return Task.CompletedTask;
    }

    private IResult File(string path, HttpContext context)
    {
        Requests.AddOrUpdate(path, 1, (_, times) => times + 1);
        return path == Held ? Results.Stream(async to =>
        {
            await to.WriteAsync(Files[path].AsMemory(0, Files[path].Length / 2));
            await to.FlushAsync();
            _heldRequested.TrySetResult();
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
        }) : Answer(path) is { } bytes ? Results.Bytes(bytes) : Results.NotFound();
    }

    /// <summary>A file, the description of a jar, or the checksum of either.</summary>
    private byte[]? Answer(string path) => path switch
    {
        _ when Files.TryGetValue(path, out var bytes) => bytes,
#pragma warning disable CA5350 // what Maven requests along with each file; nothing depends on it
        _ when path.EndsWith(".sha1", StringComparison.Ordinal) =>
            Answer(path[..^5]) is { } bytes ? Encoding.ASCII.GetBytes(Convert.ToHexStringLower(SHA1.HashData(bytes))) : null,
#pragma warning restore CA5350
        _
            when path.EndsWith(".pom", StringComparison.Ordinal)
                && Files.Keys.Any(f => f.StartsWith(path[..path.LastIndexOf('/')], StringComparison.Ordinal))
                && path.Split('/') is [_, .. var group, var artifact, var version, _] =>
            Encoding.UTF8.GetBytes(
                $"<project><modelVersion>4.0.0</modelVersion><groupId>{string.Join('.', group)}</groupId>"
                + $"<artifactId>{artifact}</artifactId><version>{version}</version></project>"),
        _ => null,
    };

    private IResult Project(string project)
    {
        Requests.AddOrUpdate($"simple/{project}/", 1, (_, times) => times + 1);
        var files = Files.Keys.Where(k => k.StartsWith($"packages/{project}/", StringComparison.Ordinal))
            .Select(k => (Name: Path.GetFileName(k), Url: $"../../{k}", Sum: Convert.ToHexStringLower(SHA256.HashData(Files[k])))).ToList();
        return files.Count == 0 ? Results.NotFound()
            : _html
            ? Results.Text(
                "<!DOCTYPE html><html><body>"
                + string.Concat(files.Select(f => $"<a href=\"{f.Url}#sha256={f.Sum}\" data-requires-python=\"&gt;=3\">{f.Name}</a><br/>"))
                + "</body></html>", "text/html")
            : Results.Text(JsonSerializer.Serialize(
                new
                {
                    meta = new Dictionary<string, string>(StringComparer.Ordinal) { ["api-version"] = "1.1" },
                    name = project,
                    files = files.Select(f => new { filename = f.Name, url = f.Url })
                }), "application/vnd.pypi.simple.v1+json");
    }
}
