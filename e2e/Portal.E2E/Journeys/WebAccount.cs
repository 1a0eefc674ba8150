using System.Diagnostics;

namespace Portal.E2E.Journeys;

/// <summary>The web's process and account on the machine of a real installation, looked at from outside and tried from inside the account.</summary>
public sealed class WebAccount
{
    private static string State => Environment.GetEnvironmentVariable("PORTAL_STATE") is { Length: > 0 } state ? state : throw new InvalidOperationException("PORTAL_STATE names no installation; infra/test e2e sets it.");
    private static string Run => $"/run/portal-{File.ReadAllText(Path.Combine(State, "id")).Trim()}";

    [Fact]
    public void Process_OfTheWeb_HasNoPrivilege()
    {
        var status = Status();
        status["Uid"].Split('\t').ShouldAllBe(u => u != "0");
        status["Gid"].Split('\t').ShouldAllBe(g => g != "0");
        status["Groups"].Trim().ShouldBeEmpty();
        foreach (var set in (string[])["CapInh", "CapPrm", "CapEff", "CapAmb"]) status[set].ShouldBe("0000000000000000", set);
        status["NoNewPrivs"].ShouldBe("1");
    }

    [Theory]
    [InlineData("portal_jobs")]
    [InlineData("portal_migrator")]
    [InlineData("postgres")]
    public void Account_AsAnotherRole_CannotLogIn(string role)
    {
        var (code, words) = AsTheWeb("psql", "-X", "-h", $"{Run}/pg", "-U", role, "-d", "portal", "-c", "select 1");
        code.ShouldNotBe(0);
        words.ShouldContain("authentication failed");
    }

    [Fact]
    public void Account_AsItsOwnRole_LogsIn() => AsTheWeb("psql", "-X", "-h", $"{Run}/pg", "-U", "portal_web", "-d", "portal", "-c", "select 1").Code.ShouldBe(0);

    [Fact]
    public void Account_FilesOfOthers_AreClosed()
    {
        foreach (var path in (string[])[$"{State}/pg/PG_VERSION", $"{State}/shares.btrfs", $"{State}/shares/x"])
            AsTheWeb("cat", path).Code.ShouldNotBe(0, path);
        AsTheWeb("ls", $"{State}/shares").Code.ShouldNotBe(0, "the folders of students");
    }

    [Fact]
    public void Account_SocketOfTheEngine_IsClosed()
    {
        foreach (var socket in new[] { "/run/portal-engine/docker.sock", "/var/run/docker.sock" }.Where(File.Exists))
            AsTheWeb("test", "-w", socket).Code.ShouldNotBe(0, socket);
    }

    private static Dictionary<string, string> Status()
    {
        var process = File.ReadAllText($"{Run}/web.process").Split(' ', '\n')[0];
        return File.ReadAllLines($"/proc/{process}/status").Select(l => l.Split(':', 2)).ToDictionary(l => l[0], l => l[1].Trim('\t', ' '), StringComparer.Ordinal);
    }

    private static (int Code, string Words) AsTheWeb(params string[] command)
    {
        var uid = Status()["Uid"].Split('\t')[0];
        var gid = Status()["Gid"].Split('\t')[0];
        var start = new ProcessStartInfo("setpriv") { RedirectStandardError = true, RedirectStandardOutput = true, UseShellExecute = false, WorkingDirectory = "/" };
        foreach (var word in (string[])[$"--reuid={uid}", $"--regid={gid}", "--clear-groups", .. command]) start.ArgumentList.Add(word);
        using var process = Process.Start(start)!;
        var words = process.StandardError.ReadToEnd() + process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, words);
    }
}
