namespace Portal.Tests.Infra;

/// <summary>The host's apt sources in both of apt's formats, rewritten for the release that images are built from.</summary>
public sealed class SourcesTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("portal-sources").FullName;

    [Fact]
    public async Task OneLineForm_Mirrors_BecomeStanzasOfTheSuite()
    {
        Debian("bookworm");
        Write("etc/apt/sources.list", """
            # deb http://commented.example/debian bookworm main
            deb http://mirror.example/debian bookworm main contrib # the archive
            deb-src http://mirror.example/debian bookworm main
            deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] https://mirror.example/security bookworm-security main
            deb http://mirror.example/debian bookworm-backports main
            deb cdrom:[Debian]/ bookworm main
            """);
        Write("etc/apt/sources.list.d/updates.list", "deb\thttp://mirror.example/debian\tbookworm-updates\tmain\n");
        Write("etc/apt/sources.list.d/docker.list", """
            deb [arch=amd64 signed-by=/etc/apt/keyrings/docker.asc] https://docker.example/linux/debian bookworm main
            deb https://node.example/node_22.x nodistro main
            deb https://other.example/debian bookworm stable
            """);

        (await ReadAsync()).ShouldBe("""
            Types: deb
            URIs: http://mirror.example/debian
            Suites: trixie
            Components: main

            Types: deb
            URIs: https://mirror.example/security
            Suites: trixie-security
            Components: main
            Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

            Types: deb
            URIs: http://mirror.example/debian
            Suites: trixie-updates
            Components: main
            """);
    }

    [Fact]
    public async Task Deb822Form_Mirrors_BecomeStanzasOfTheSuite()
    {
        Debian("bookworm");
        Write("etc/apt/sources.list.d/debian.sources", """
            Types: deb deb-src
            # where this came from
            URIs: http://mirror.example/debian
             http://second.example/debian
            Suites: bookworm bookworm-updates bookworm-backports
            Components: main contrib
            Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

            Types: deb
            URIs: http://mirror.example/security
            Suites: bookworm-security
            Components: main

            Types: deb
            URIs: http://off.example/debian
            Suites: bookworm
            Components: main
            Enabled: no
            """);
        Write("etc/apt/sources.list.d/docker.sources", """
            Types: deb
            URIs: https://docker.example/linux/debian
            Suites: bookworm
            Components: main
            Signed-By: /etc/apt/keyrings/docker.asc
            """);

        (await ReadAsync()).ShouldBe("""
            Types: deb
            URIs: http://mirror.example/debian
             http://second.example/debian
            Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
            Suites: trixie trixie-updates
            Components: main

            Types: deb
            URIs: http://mirror.example/security
            Suites: trixie-security
            Components: main
            """);
    }

    [Theory]
    [InlineData("debian", "deb https://docker.example/linux/debian bookworm stable")]
    [InlineData("ubuntu", "deb http://mirror.example/ubuntu bookworm main")]
    [InlineData("debian", "")]
    public async Task NoMirrorOfDebian_Fails(string system, string line)
    {
        Write("etc/os-release", $"ID={system}\nVERSION_CODENAME=bookworm\n");
        Write("etc/apt/sources.list", line + "\n");

        (await Script.RunAsync("common sources", "debian_sources trixie \"$ROOT_OF_TEST\"", ("ROOT_OF_TEST", _root))).ShouldBe((1, ""));
    }

    public void Dispose() => Directory.Delete(_root, recursive: true);

    private async Task<string> ReadAsync()
    {
        var (code, output) = await Script.RunAsync("common sources", "debian_sources trixie \"$ROOT_OF_TEST\"", ("ROOT_OF_TEST", _root));
        code.ShouldBe(0, output);
        return output;
    }

    private void Debian(string release) => Write("etc/os-release", $"PRETTY_NAME=\"Debian GNU/Linux\"\nID=debian\nVERSION_CODENAME={release}\n");

    private void Write(string path, string text)
    {
        var file = Path.Combine(_root, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text);
    }
}
