using System.Xml.Linq;

namespace Portal.Jobs.Clouds.Docker.Images.Fetch;

/// <summary>Maven with its dependency plugin. The plugin and its dependencies are Debian's own files, so no code from a package server runs here.</summary>
internal sealed class Maven(ILogger<Maven> log) : PackageClient(log)
{
    /// <summary>Where Debian puts the plugin, one folder per version.</summary>
    public const string Plugins = "/usr/share/maven-repo/org/apache/maven/plugins/maven-dependency-plugin";
    private const string Program = "/usr/bin/mvn", DebianFiles = "/usr/share/maven-repo", Junit = "/usr/share/maven-repo/junit/junit/4.x";
    private static readonly TimeSpan FetchLimit = TimeSpan.FromMinutes(30);

    public override string Name => "Maven";
    public override string Packages => "maven libmaven-dependency-plugin-java junit4";
    public override string Configuration => "/etc/maven/settings.xml (mirrors, proxies)";
    public override bool Installed => File.Exists(Program) && Plugin() is not null && Directory.Exists(Junit);

    public override bool Fetches(Distribution distribution) => distribution is Distribution.Maven;

    public override async Task<string?> CheckAsync(Distribution distribution, ClientRun run, CancellationToken cancel)
    {
        // The description is small, and where it exists so does the file.
        var wanted = (Distribution.Maven)distribution with { Classifier = null };
        await WriteAsync([wanted], "pom", run, Path.Combine(run.Folder, "repository"), cancel);
        var output = await run.RunAsync(Program, Arguments(run, CheckTimeout, retries: 0), Environment, null, CheckLimit, _ => { }, cancel);
        return output.Well ? null : Reason(output);
    }

    public override async Task<ClientOutput> FetchAsync(IReadOnlyList<Distribution> distributions, ClientRun run, string kept, Action fetched,
        CancellationToken cancel)
    {
        var repository = Directory.CreateDirectory(Path.Combine(kept, "maven")).FullName;
        await WriteAsync(distributions.Cast<Distribution.Maven>(), "jar", run, repository, cancel);
        return await run.RunAsync(Program, Arguments(run, timeout: 30, retries: 3), Environment, repository, FetchLimit, line =>
        {
            if (line.Contains("Configured Artifact: ", StringComparison.Ordinal)) fetched();
        }, cancel);
    }

    /// <summary>All in one run, because starting Maven costs seconds.</summary>
    public override IEnumerable<IReadOnlyList<Distribution>> Batches(IReadOnlyList<Distribution> distributions) =>
        distributions.Count > 0 ? [distributions] : [];

    private static Dictionary<string, string> Environment => new(StringComparer.Ordinal)
    {
        ["MAVEN_OPTS"] = $"{System.Environment.GetEnvironmentVariable("MAVEN_OPTS")} -Xmx512m".Trim(),
    };

    private static string[] Arguments(ClientRun run, int timeout, int retries)
    {
        var settings = Path.Combine(run.Home, ".m2", "settings.xml");
        return
        [
            "-B", "-U", .. File.Exists(settings) ? (string[])["-s", settings] : [], "-f", Path.Combine(run.Folder, "pom.xml"),
            $"-Dmaven.repo.local={DebianFiles}", $"-Duser.home={run.Home}",
            $"-Dsettings.security={Path.Combine(run.Home, ".m2", "settings-security.xml")}", "-Dstyle.color=never",
            // Its wagon takes the larger of the first two for connecting, and neither for reading.
            $"-Daether.connector.connectTimeout={timeout}000", $"-Daether.connector.requestTimeout={timeout}000", $"-Dmaven.wagon.rto={timeout}000",
            $"-Dmaven.wagon.http.retryHandler.count={retries}",
            $"org.apache.maven.plugins:maven-dependency-plugin:{Plugin()}:copy",
        ];
    }

    private static string? Plugin() => Directory.Exists(Plugins)
        ? Directory.EnumerateFiles(Plugins, "*.jar", SearchOption.AllDirectories)
            .Select(f => Path.GetFileName(Path.GetDirectoryName(f)))
            .Order(StringComparer.Ordinal)
            .LastOrDefault()
        : null;

    /// <summary>A project that only copies these. Fetched files go to a separate repository,
    /// because Debian's has other versions under the same names.</summary>
    private static async Task WriteAsync(IEnumerable<Distribution.Maven> wanted, string type, ClientRun run, string repository, CancellationToken cancel)
    {
        XNamespace ns = "http://maven.apache.org/POM/4.0.0";
        XElement Item(Distribution.Maven w) =>
            new(ns + "artifactItem", new XElement(ns + "groupId", w.Group), new XElement(ns + "artifactId", w.Artifact),
                new XElement(ns + "version", w.Version),
            new XElement(ns + "type", type), w.Classifier is { } c ? new XElement(ns + "classifier", c) : null);
        var project = new XElement(ns + "project", new XElement(ns + "modelVersion", "4.0.0"), new XElement(ns + "groupId", "portal"),
            new XElement(ns + "artifactId", "packages"), new XElement(ns + "version", "1"),
            new XElement(ns + "packaging", "pom"), new XElement(ns + "build", new XElement(ns + "plugins", new XElement(ns + "plugin",
                new XElement(ns + "groupId", "org.apache.maven.plugins"), new XElement(ns + "artifactId", "maven-dependency-plugin"),
                new XElement(ns + "version", Plugin()),
                new XElement(ns + "configuration", new XElement(ns + "localRepositoryDirectory", repository),
                    new XElement(ns + "outputDirectory", run.Output), new XElement(ns + "artifactItems", wanted.Select(Item)))))));
        await using var file = File.Create(Path.Combine(run.Folder, "pom.xml"));
        await project.SaveAsync(file, SaveOptions.None, cancel);
    }
}
