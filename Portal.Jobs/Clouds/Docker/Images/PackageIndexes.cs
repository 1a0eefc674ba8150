using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.RegularExpressions;
using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.Docker.Images;

/// <summary>Fetches distributions by name from the package indexes that a site names. Faults: Away for an index that does not answer, Refused for a name it does not have.</summary>
internal sealed partial class PackageIndexes(ImagesOptions options) : IDisposable
{
    private const long Largest = 2L << 30;
    private readonly HttpClient _http = new(new SocketsHttpHandler { ConnectTimeout = TimeSpan.FromSeconds(20), AutomaticDecompression = DecompressionMethods.All }) { Timeout = TimeSpan.FromMinutes(20) };

    /// <summary>Whether the settings say where such a thing may be had.</summary>
    public static bool Knows(ImagesOptions options, Distribution distribution) => distribution switch
    {
        Distribution.PyPi => options.Index.Length > 0,
        Distribution.Maven => options.Maven.Length > 0,
        _ => false,
    };

    /// <summary>Writes the file to a path.</summary>
    public async Task FetchAsync(Distribution distribution, string to, CancellationToken cancel)
    {
        var from = distribution switch
        {
            Distribution.PyPi p => await FindAsync(p, cancel),
            Distribution.Maven m => new Uri(Folder(options.Maven), m.Path),
            _ => throw new InvalidOperationException("no such kind of distribution"),
        };
        using var answer = await AskAsync(new HttpRequestMessage(HttpMethod.Get, from), cancel);
        if (answer.Content.Headers.ContentLength > Largest)
        {
            throw EngineFaults.Make(CloudFault.Refused, $"{from} is larger than {Largest >> 30} GiB", "Correct Images:Index or Images:Maven.");
        }

        await using var file = File.Create(to);
        try
        {
            await answer.Content.CopyToAsync(file, cancel);
        }
        catch (HttpRequestException e)
        {
            throw Away(from, e.Message);
        }
    }

    public void Dispose() => _http.Dispose();

    /// <summary>The simple repository API of Python's packaging (PEP 503 and 691), in whichever of its forms the index has.</summary>
    private async Task<Uri> FindAsync(Distribution.PyPi wanted, CancellationToken cancel)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, new Uri(Folder(options.Index), $"{wanted.Project}/"));
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/vnd.pypi.simple.v1+json"));
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("text/html", 0.5));
        using var answer = await AskAsync(request, cancel);
        var page = answer.RequestMessage!.RequestUri!;
        var text = await answer.Content.ReadAsStringAsync(cancel);
        var link = answer.Content.Headers.ContentType?.MediaType?.EndsWith("json", StringComparison.Ordinal) == true ? InJson(page, text, wanted.File) : InHtml(text, wanted.File);
        return link is not null && Uri.TryCreate(page, link, out var found) && found.Scheme is "http" or "https" ? found
            : throw EngineFaults.Make(CloudFault.Refused, $"{page} does not have {wanted.File}", "Name an index in Images:Index that has this version, or put the archive into the folder that Images:Engines names.");
    }

    private static string? InJson(Uri page, string text, string file)
    {
        try
        {
            using var json = JsonDocument.Parse(text);
            return json.RootElement.GetProperty("files").EnumerateArray().Where(f => f.GetProperty("filename").GetString() == file).Select(f => f.GetProperty("url").GetString()).FirstOrDefault();
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw Away(page, "it is not an index of packages");
        }
    }

    private static string? InHtml(string text, string file) => Link().Matches(text).Where(m => WebUtility.HtmlDecode(m.Groups["text"].Value).Trim() == file).Select(m => WebUtility.HtmlDecode(m.Groups["to"].Value)).FirstOrDefault();

    private async Task<HttpResponseMessage> AskAsync(HttpRequestMessage request, CancellationToken cancel)
    {
        HttpResponseMessage answer;
        try
        {
            answer = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel);
        }
        catch (Exception e) when (e is HttpRequestException || (e is OperationCanceledException && !cancel.IsCancellationRequested))
        {
            throw Away(request.RequestUri!, e.Message);
        }

        if (answer.IsSuccessStatusCode)
        {
            return answer;
        }

        using (answer)
        {
            throw answer.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.Gone
                ? EngineFaults.Make(CloudFault.Refused, $"{request.RequestUri} is not there", "Name indexes in Images:Index and Images:Maven that have this version, or put the archive into the folder that Images:Engines names.")
                : Away(request.RequestUri!, $"it answered {(int)answer.StatusCode}");
        }
    }

    private static Uri Folder(string url) => new(url.EndsWith('/') ? url : $"{url}/");

    private static CloudException Away(Uri at, string why) =>
        EngineFaults.Make(CloudFault.Away, $"{at} cannot be read: {why}", "The package index that Images:Index or Images:Maven names cannot be used from this machine: correct the setting or mend the network, then it is tried again.");

    [GeneratedRegex("""<a\s[^>]*href\s*=\s*["'](?<to>[^"']+)["'][^>]*>(?<text>[^<]*)</a>""", RegexOptions.ExplicitCapture | RegexOptions.IgnoreCase | RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 5000)]
    private static partial Regex Link();
}
