using System.Diagnostics;

namespace Portal.E2E;

/// <summary>The machine of the installation named by <c>PORTAL_STATE</c>: its folders, its processes, and commands run under its accounts.</summary>
public static class Machine
{
    /// <summary>Whether this test may inspect the installation's machine and end its processes.</summary>
    public static bool IsKnown => Environment.GetEnvironmentVariable("PORTAL_STATE") is { Length: > 0 } state && File.Exists(Path.Combine(state, "id"));

    public static string State =>
        IsKnown
            ? Environment.GetEnvironmentVariable("PORTAL_STATE")!
            : throw new InvalidOperationException("PORTAL_STATE does not name an installation; infra/test e2e sets it.");

    /// <summary>Sockets, mounts and what processes run.</summary>
    public static string Run => $"/run/portal-{File.ReadAllText(Path.Combine(State, "id")).Trim()}";

    /// <summary>Status of the web or jobs process, from the kernel: field → value.</summary>
    public static IReadOnlyDictionary<string, string> Status(string program) =>
        File.ReadAllLines($"/proc/{ProcessOf(program)}/status")
            .Select(l => l.Split(':', 2))
            .ToDictionary(l => l[0], l => l[1].Trim('\t', ' '), StringComparer.Ordinal);

    /// <summary>A setting that a program was started with.</summary>
    public static string Setting(string program, string name) =>
        File.ReadAllText($"/proc/{ProcessOf(program)}/environ")
            .Split('\0')
            .Single(l => l.StartsWith(name + "=", StringComparison.Ordinal))[(name.Length + 1)..];

    public static string ProcessOf(string program) => File.ReadAllText($"{Run}/{program}.process").Split(' ', '\n')[0];

    /// <summary>Runs a command with nothing but the uid and gid of the web account.</summary>
    public static (int Code, string Output) AsTheWeb(params string[] command)
    {
        var status = Status("web");
        return As(status["Uid"].Split('\t')[0], status["Gid"].Split('\t')[0], command);
    }

    /// <summary>Runs a command under an account without any groups or privileges.</summary>
    public static (int Code, string Output) As(string uid, string gid, params string[] command) =>
        Try("setpriv", [$"--reuid={uid}", $"--regid={gid}", "--clear-groups", .. command]);

    /// <summary>Runs a command as the account of the tests: root, if the machine is known.</summary>
    public static (int Code, string Output) Try(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
            UseShellExecute = false,
            WorkingDirectory = "/"
        };
        using var process = Process.Start(start)!;
        var words = process.StandardError.ReadToEnd() + process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, words);
    }

    /// <summary>Ends the container of a workspace's notebook, which nobody ordered.</summary>
    public static void KillNotebook(string slug)
    {
        var name = Sql($"select 'portal-{File.ReadAllText(Path.Combine(State, "id")).Trim()}-' || replace(id::text, '-', '') || '-' || generation "
            + $"from portal.workspaces where slug = '{slug}'");
        var (code, words) = Try("curl", "-sS", "--fail", "--max-time", "20", "-X", "POST", "--unix-socket", Setting("jobs", "Clouds__Docker__Socket"),
            $"http://engine/containers/{name}-notebook/kill");
        code.ShouldBe(0, words);
    }

    /// <summary>Runs SQL as the administrator of the installation's database; what it answers.</summary>
    public static string Sql(string statement)
    {
        var (code, words) = Try("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", $"{Run}/pg", "-U", "postgres", "-d", "portal", "-c", statement);
        code.ShouldBe(0, words);
        return words.Trim();
    }

    /// <summary>Takes the database away until the returned value is disposed of: its socket has another name, and every connection is ended.</summary>
    public static IDisposable WithoutDatabase()
    {
        var away = new AwayDatabase($"{Run}/pg/.s.PGSQL.5432", $"{Run}/pg/.s.PGSQL.5499");
        var (code, words) = Try("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", $"{Run}/pg", "-p", "5499", "-U", "postgres", "-d", "postgres",
            "-c", "select pg_terminate_backend(pid) from pg_stat_activity where datname = 'portal'");
        if (code == 0) return away;
        away.Dispose();
        throw new InvalidOperationException(words);
    }

    /// <summary>Suspends Jobs until the returned value is disposed of, as on a machine that has stalled; its supervisor sees it running.</summary>
    public static IDisposable WithoutJobs() => new SuspendedProcess(ProcessOf("jobs"));

    private sealed class SuspendedProcess : IDisposable
    {
        private readonly string _process;

        public SuspendedProcess(string process)
        {
            _process = process;
            Try("kill", "-STOP", process).Code.ShouldBe(0);
        }

        public void Dispose() => Try("kill", "-CONT", _process).Code.ShouldBe(0);
    }

    private sealed class AwayDatabase : IDisposable
    {
        private readonly string _socket, _elsewhere;

        public AwayDatabase(string socket, string elsewhere)
        {
            (_socket, _elsewhere) = (socket, elsewhere);
            File.Move(_socket, _elsewhere);
        }

        public void Dispose() => File.Move(_elsewhere, _socket);
    }

    /// <summary>The file exists and root can read it; the web account cannot.</summary>
    public static void ShouldBeClosedToTheWeb(string file)
    {
        string[] read = ["head", "-c", "1", file];
        Try(read[0], read[1..]).Code.ShouldBe(0, file);
        var (code, words) = AsTheWeb(read);
        code.ShouldNotBe(0, file);
        words.ShouldContain("Permission denied", customMessage: file);
    }
}
