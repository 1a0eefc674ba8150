using System.Text.RegularExpressions;
using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.Docker.Images.Fetch;

/// <summary>One of Debian's package clients. It knows its public default registry and honours the site's mirrors, proxies and credentials.</summary>
internal abstract partial class PackageClient(ILogger log)
{
    protected static readonly TimeSpan CheckLimit = TimeSpan.FromSeconds(90);
    private const int Timeout = 5;

    public abstract string Name { get; }

    /// <summary>Debian packages that contain it.</summary>
    public abstract string Packages { get; }

    /// <summary>Where the site configures mirrors and proxies for it.</summary>
    public abstract string Configuration { get; }

    public abstract bool Installed { get; }

    /// <summary>Seconds after which it gives up on a server when only checking.</summary>
    protected static int CheckTimeout => Timeout;

    public abstract bool Fetches(Distribution distribution);

    /// <summary>Checks whether it can reach a server that knows this distribution's project. Null if it can; otherwise the reason why not.</summary>
    public abstract Task<string?> CheckAsync(Distribution distribution, ClientRun run, CancellationToken cancel);

    /// <summary>Fetches distributions into the run's output folder, under their own names.</summary>
    /// <param name="kept">A folder in which it may leave files for the next run to reuse.</param>
    /// <param name="fetched">Called for each that is complete.</param>
    public abstract Task<ClientOutput> FetchAsync(IReadOnlyList<Distribution> distributions, ClientRun run, string kept, Action fetched,
        CancellationToken cancel);

    /// <summary>How many distributions are fetched in one run.</summary>
    public abstract IEnumerable<IReadOnlyList<Distribution>> Batches(IReadOnlyList<Distribution> distributions);

    /// <summary>Why it failed, in a few words without URLs; its own output goes to the log.</summary>
    public string Reason(ClientOutput output)
    {
        var telling = output.Lines.Where(Telling).ToList();
        var excerpt = string.Join(" | ", telling.TakeLast(6).Select(l => Secret().Replace(l.Length > 500 ? l[..500] : l, "//")));
        log.LogInformation("{Client} said: {Output}", Name, excerpt);
        bool Matches(string pattern) => telling.Exists(l => Regex.IsMatch(l, pattern, RegexOptions.IgnoreCase | RegexOptions.NonBacktracking));
        return true switch
        {
            _ when Matches("no space left|file too large|disk quota") =>
                throw PackageFaults.Make(CloudFault.Full, $"{Name} has no space for packages",
                    "Free up disk space in Images:Fetch:Folder; the download will then be retried."),
            _ when Matches("proxy authentication|\\b407\\b") => "the proxy rejects its credentials",
            _ when Matches("unauthori[sz]ed|not authorized|authentication failed|\\b40[13]\\b|forbidden|credentials not correct") =>
                "the package server rejects its credentials",
            _ when Matches("certificate|sslerror|PKIX|tls ") => "the certificate of the package server is not trusted",
            _ when Matches("name or service not known|name resolution|unknown host|no address associated|getaddrinfo") =>
                "the package server's name cannot be resolved",
            _ when Matches("refused|timed out|timeout|unreachable|no route|reset by peer|connection error|remote host terminated|connection aborted") =>
                "no package server responds",
            _ when Matches("\\b404\\b|not found|no matching distribution|could not find|failure to find") => "the package server does not have it",
            _ => $"{Name} failed; its last output is in the log of Portal.Jobs",
        };
    }

    /// <summary>Whether a line of its output describes a fault.</summary>
    private static bool Telling(string line) => Trouble().IsMatch(line);

    [GeneratedRegex("error|warning|could not|timed out", RegexOptions.IgnoreCase | RegexOptions.NonBacktracking)]
    private static partial Regex Trouble();

    [GeneratedRegex("//[^/@ ]+@", RegexOptions.NonBacktracking)]
    private static partial Regex Secret();
}
