using System.Collections;
using System.Text.RegularExpressions;

namespace Portal.Jobs.Clouds.Docker.Images.Fetch;

/// <summary>
/// A site's settings for pip and Maven: mirrors, proxies, credentials. The clients read system-wide files themselves; those in a home, which the
/// clients' account cannot enter, are copied to the home that a client gets for one run. Nothing else of Jobs' environment reaches a client.
/// </summary>
internal sealed partial class ClientSettings(FetchOptions options)
{
    private const long Largest = 1 << 20;
    private static readonly string[] OfHome = [".config/pip/pip.conf", ".pip/pip.conf", ".netrc", ".m2/settings.xml", ".m2/settings-security.xml"];
    private static readonly string[] OfSystem = ["/etc/pip.conf", "/etc/xdg/pip/pip.conf", "/etc/maven/settings.xml"];
    private static readonly string[] NamingFiles = ["PIP_CONFIG_FILE", "NETRC"];

    private string Home => options.Home.Length > 0 ? options.Home : Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);

    /// <summary>Changes whenever one of the files does, or a client is installed.</summary>
    public string Stamp() =>
        string.Join('\n', Files().Concat(OfSystem).Append(Pip.Program).Append(Maven.Plugins).Select(f => $"{f} {File.GetLastWriteTimeUtc(f).Ticks}"));

    /// <summary>Copies the files of the home and returns the environment of a client that uses the copy as its home.</summary>
    public Dictionary<string, string> Lay(string home)
    {
        var environment = Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
            .Where(e => Passed().IsMatch((string)e.Key)).ToDictionary(e => (string)e.Key, e => (string?)e.Value ?? "", StringComparer.Ordinal);
        foreach (var file in OfHome)
        {
            Copy(Path.Combine(Home, file), Path.Combine(home, file));
        }

        foreach (var name in NamingFiles.Where(environment.ContainsKey))
        {
            var copy = Path.Combine(home, $"named-{name}");
            environment[name] = Copy(environment[name], copy) ? copy : environment[name];
        }

        (environment["HOME"], environment["LC_ALL"], environment["PATH"]) = (home, "C.UTF-8", "/usr/bin:/bin");
        return environment;
    }

    private IEnumerable<string> Files() =>
        OfHome.Select(f => Path.Combine(Home, f)).Concat(
            NamingFiles.Select(Environment.GetEnvironmentVariable).OfType<string>().Where(Path.IsPathFullyQualified));

    private static bool Copy(string from, string to)
    {
        if (new FileInfo(from) is not { Exists: true, Length: <= Largest })
        {
            return false;
        }

        Directory.CreateDirectory(Path.GetDirectoryName(to)!);
        File.Copy(from, to);
        return true;
    }

    [GeneratedRegex("^(PIP_[A-Z_]+|(http|https|ftp|all|no)_proxy|(HTTP|HTTPS|FTP|ALL|NO)_PROXY|MAVEN_OPTS|MAVEN_ARGS|JAVA_HOME|"
        + "SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|NETRC)$",
        RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex Passed();
}
