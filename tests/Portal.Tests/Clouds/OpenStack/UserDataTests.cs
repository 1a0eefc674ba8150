using System.Diagnostics;
using System.Text.Json;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.OpenStack;

namespace Portal.Tests.Clouds.OpenStack;

/// <summary>The first script of a server, run by a real shell in which only what changes the system is replaced.</summary>
public sealed class UserDataTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("portal-user-data").FullName;

    [Fact]
    public void Script_WithHostileValues_PassesThemUnchanged()
    {
        const string evil = """$(touch EVIL) `touch EVIL` ' " \ ; touch EVIL # * ${HOME} %s && |""";

        var ran = Run(Setup with
        {
            Folders = [new($"192.0.2.1:/{evil}", evil.Replace("/", "", StringComparison.Ordinal), $"/home/{evil}", false)],
            Node = evil,
            ClientAuthority = $"-----BEGIN {evil}-----\nabc\n-----END",
            Subnet = evil,
            MountOptions = "hard",
            Program = "/usr/bin/true",
        });

        File.Exists(Path.Combine(_folder, "EVIL")).ShouldBeFalse();
        ran.Calls[0].ShouldBe(["mount_share", $"192.0.2.1:/{UserData.FstabField(evil)}", "/mnt/portal/0", "rw,hard"]);
        ran.Calls[1].ShouldBe(["make_folder", "70123", $"/mnt/portal/0/{evil}"]);
        ran.Calls[2].ShouldBe(["write_file", "/etc/portal/client-authority.pem", $"-----BEGIN {evil}-----\nabc\n-----END"]);
        using var settings = JsonDocument.Parse(ran.Calls[3][2]);
        settings.RootElement.GetProperty("node").GetString().ShouldBe(evil);
        settings.RootElement.GetProperty("folders")[0].GetProperty("target").GetString().ShouldBe($"/home/{evil}");
        ran.Calls[4].ShouldBe(["start_program", "/usr/bin/true"]);
        UserData.FstabField("a b\tc\\d#e").ShouldBe(@"a\040b\011c\134d\043e");
    }

    [Theory]
    [InlineData("a\nb")]
    [InlineData("../other")]
    [InlineData("/absolute")]
    [InlineData("work/../../other")]
    public void Folder_ThatIsNoPlainPath_IsRefused(string folder) => Should.Throw<CloudException>(() =>
        UserData.Of(Setup with { Folders = [new("192.0.2.1:/x", folder, "/home/student/work", false)] })).Fault.ShouldBe(CloudFault.Refused);

    [Fact]
    public void Values_ThatNoShellTakes_AreRefused()
    {
        Should.Throw<CloudException>(() => UserData.Of(Setup with { Folders = [new("192.0.2.1:/x\n/y", "work", "/w", false)] }));
        Should.Throw<CloudException>(() => UserData.Of(Setup with { Node = "a\0b" }));
        Should.Throw<CloudException>(() => UserData.Of(Setup with { Uid = 0 })).Message.ShouldContain("uid 0");
        Should.Throw<CloudException>(() => UserData.Of(Setup with { ClientAuthority = new('x', 50_000) })).Message.ShouldContain("longer than Nova accepts");
    }

    [Fact]
    public void Exports_AreMountedOnce_AndReadOnlyFoldersAreNotMade()
    {
        var ran = Run(Setup with
        {
            Folders = [new("192.0.2.1:/a", "work", "/home/student/work", false), new("192.0.2.1:/b", "", "/data/b", true),
                new("192.0.2.1:/a", "more", "/more", true)],
        });

        ran.Calls.Where(c => c[0] is "mount_share" or "make_folder" or "see_folder").Select(c => string.Join(' ', c)).ShouldBe(
        [
            "mount_share 192.0.2.1:/a /mnt/portal/0 rw,hard,_netdev", "mount_share 192.0.2.1:/b /mnt/portal/1 ro,hard,_netdev",
            "make_folder 70123 /mnt/portal/0/work", "see_folder 70123 /mnt/portal/0/more",
        ]);
    }

    /// <summary>What programs say is signalled as JSON, whatever it is.</summary>
    [Theory]
    [InlineData("mount.nfs: access denied by server", "mount.nfs: access denied by server")]
    [InlineData("a \"quoted\" \\ word\nand a line\tand a tab", "a \"quoted\" \\ word and a line and a tab")]
    [InlineData("bell \a, escape \e[31m, umlaut ä", "bell , escape [31m, umlaut ")]
    public void Failure_IsSignalledInItsOwnWords(string said, string reason)
    {
        var ran = Run(Setup with { Folders = [] }, $"fail {UserData.Quote("share: " + said)}");

        ran.Exit.ShouldBe(1);
        using var signal = JsonDocument.Parse(ran.Signals.ShouldHaveSingleItem());
        signal.RootElement.GetProperty("status").GetString().ShouldBe("FAILURE");
        signal.RootElement.GetProperty("reason").GetString().ShouldBe("share: " + reason);
        signal.RootElement.GetProperty("id").GetString().ShouldBe("server");
    }

    [Fact]
    public void Program_ThatPrints_IsHandedOn_AndOneThatFails_IsAFailure()
    {
        var works = Write("works", "#!/bin/sh\necho '{\"fingerprint\": \"ab\"}'; echo noise >&2");
        var fails = Write("fails", "#!/bin/sh\necho data; echo 'no key' >&2; exit 3");

        using var signal = JsonDocument.Parse(Run(Setup with { Program = works }, $"start_program {works}").Signals.ShouldHaveSingleItem());
        signal.RootElement.GetProperty("data").GetString().ShouldBe("""{"fingerprint": "ab"}""");
        signal.RootElement.GetProperty("status").GetString().ShouldBe("SUCCESS");

        Reason(Run(Setup, $"start_program {fails}")).ShouldBe("program: no key");
        Reason(Run(Setup, "start_program /no/such")).ShouldBe("image: it has no /no/such");
    }

    [Fact]
    public void Script_HoldsNoSecretOfTheNode()
    {
        var script = UserData.Of(Setup);

        // Nothing that is secret is a parameter; what it takes is listed here, so that an addition is seen.
        typeof(ServerSetup).GetProperties().Where(p => p.Name != "EqualityContract").Select(p => p.Name).Order(StringComparer.Ordinal).ShouldBe(
            ["AppPorts", "ClientAuthority", "Disks", "EnginePort", "Folders", "Key", "MountOptions", "Node", "Portal", "Program", "Subnet", "Uid"]);
        script.Before.ShouldStartWith("#!/bin/bash\n");
        script.Before.ShouldEndWith("post() {\n");
        (script.Before + "true" + script.After).ShouldNotContain("token", Case.Insensitive);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static ServerSetup Setup => new(new(Guid.Parse("0190a6d2-7d0c-7b4e-9d3c-5a0c4e6f1a2b"), 3), "notebook", 70_123, "10.9.0.32/27",
        [new("192.0.2.1:/a", "work", "/home/student/work", false)])
    {
        MountOptions = "hard,_netdev",
        Program = "/usr/sbin/portal-server",
        ClientAuthority = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        Portal = "192.0.2.7/32",
        EnginePort = 2376,
        AppPorts = (8000, 9999),
    };

    private static string? Reason((int Exit, List<string[]> Calls, List<string> Signals) ran)
    {
        using var signal = JsonDocument.Parse(ran.Signals.Single());
        return signal.RootElement.GetProperty("reason").GetString();
    }

    private string Write(string name, string text)
    {
        var path = Path.Combine(_folder, name);
        File.WriteAllText(path, text + "\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }

    /// <summary>
    /// Runs the script's functions and then either <paramref name="instead"/>, or its own calls, which are noted with their arguments. The command
    /// for the signal, which Heat writes, is one that notes the body.
    /// </summary>
    private (int Exit, List<string[]> Calls, List<string> Signals) Run(ServerSetup setup, string? instead = null)
    {
        var script = UserData.Of(setup);
        var (calls, signals) = (Path.Combine(_folder, "calls"), Path.Combine(_folder, "signals"));
        File.Delete(calls);
        File.Delete(signals);
        var post = Write("post", $"#!/bin/bash\nprintf '%s\\0' \"${{@: -1}}\" >> {signals}");
        var at = script.After.LastIndexOf("\n}\n", StringComparison.Ordinal) + 3;
        var note = "mount_share make_folder see_folder write_file start_program".Split(' ')
            .Select(f => $"{f}() {{ printf '%s\\0' {f} \"$@\" >> {calls}; printf '\\0' >> {calls}; }}\n");
        var path = Write("script", script.Before + post + script.After[..at]
            + (instead ?? string.Concat(note) + script.After[at..]));
        using var bash = Process.Start(new ProcessStartInfo("bash", [path])
        {
            WorkingDirectory = _folder,
            RedirectStandardError = true,
            RedirectStandardOutput = true,
            UseShellExecute = false,
        })!;
        bash.StandardOutput.ReadToEnd();
        bash.WaitForExit();
        return (bash.ExitCode,
            File.Exists(calls) ? [.. File.ReadAllText(calls).Split("\0\0", StringSplitOptions.RemoveEmptyEntries).Select(c => c.Split('\0'))] : [],
            File.Exists(signals) ? [.. File.ReadAllText(signals).Split('\0', StringSplitOptions.RemoveEmptyEntries)] : []);
    }
}
