using System.Globalization;

namespace Portal.Jobs.Clouds.Docker.Images.Fetch;

/// <summary>pip. Wheels are requested by the tags in their names, so the image's Python matters and not
/// the host's; no code of a source distribution runs (download.py).</summary>
internal sealed class Pip(ILogger<Pip> log) : PackageClient(log)
{
    /// <summary>The client is installed if this file exists.</summary>
    public const string Program = "/usr/lib/python3/dist-packages/pip/__main__.py";
    private const string Python = "/usr/bin/python3";
    private const int AtOnce = 10;
    private static readonly TimeSpan FetchLimit = TimeSpan.FromMinutes(30);
    private static readonly Dictionary<string, string> Environment = new(StringComparer.Ordinal)
    {
        ["PIP_NO_INPUT"] = "1",
        ["PIP_DISABLE_PIP_VERSION_CHECK"] = "1",
        ["PIP_REQUIRE_VIRTUALENV"] = "0",
        ["PIP_NO_CACHE_DIR"] = "1",
    };

    public override string Name => "pip";
    public override string Packages => "python3-pip";
    public override string Configuration => "/etc/pip.conf (index-url, proxy)";
    public override bool Installed => File.Exists(Program);

    public override bool Fetches(Distribution distribution) => distribution is Distribution.PyPi;

    public override async Task<string?> CheckAsync(Distribution distribution, ClientRun run, CancellationToken cancel)
    {
        var wanted = (Distribution.PyPi)distribution;
        string[] arguments =
        [
            "-I", "-m", "pip", "index", "versions", "-vv", "--timeout", CheckTimeout.ToString(CultureInfo.InvariantCulture), "--retries", "0",
            .. Target(wanted), "--ignore-requires-python", "--pre", wanted.Project,
        ];
        var output = await run.RunAsync(Python, arguments, Environment, null, CheckLimit, _ => { }, cancel);
        return output.Well ? null : Reason(output);
    }

    public override Task<ClientOutput> FetchAsync(IReadOnlyList<Distribution> distributions, ClientRun run, string kept, Action fetched,
        CancellationToken cancel)
    {
        var wanted = distributions.Cast<Distribution.PyPi>().ToList();
        string[] arguments =
        [
            "-I", "-c", Script.Value, "download", "--no-deps", "--dest", run.Output, "--timeout", "30", "--progress-bar", "off", "--pre",
            "--ignore-requires-python",
            .. Target(wanted[0]), .. wanted.Select(w => $"{w.Project}=={w.Version}"),
        ];
        return run.RunAsync(Python, arguments, Environment, null, FetchLimit, line =>
        {
            if (line.StartsWith("Collecting ", StringComparison.Ordinal)) fetched();
        }, cancel);
    }

    /// <summary>Distributions with the same tags, because pip takes one set per run; only a few, so that little is lost when one fails.</summary>
    public override IEnumerable<IReadOnlyList<Distribution>> Batches(IReadOnlyList<Distribution> distributions) =>
        distributions.Cast<Distribution.PyPi>().GroupBy(d => string.Join(' ', Target(d)), StringComparer.Ordinal).SelectMany(g => g.Chunk(AtOnce));

    /// <summary>The pip options that select exactly one kind of file.</summary>
    private static IEnumerable<string> Target(Distribution.PyPi wanted)
    {
        if (wanted.Tags is not var (python, abi, platform))
        {
            return ["--no-binary", ":all:"];
        }

        var version = python.Split('.')[^1]; // cp313, py3
        return
        [
            "--only-binary", ":all:", "--implementation", version[..2], "--python-version", version[2..],
            .. abi.Split('.').SelectMany(a => new[] { "--abi", a }), .. platform.Split('.').SelectMany(p => new[] { "--platform", p }),
        ];
    }

    private static readonly Lazy<string> Script = new(() =>
    {
        using var reader = new StreamReader(typeof(Pip).Assembly.GetManifestResourceStream("download.py")!);
        return reader.ReadToEnd();
    });
}
