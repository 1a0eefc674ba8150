using System.Diagnostics;

namespace Portal.E2E;

/// <summary>
/// The installation's database, as its administrator: for situations that a small machine and a short test cannot bring about by clicking,
/// such as a site that is full.
/// </summary>
public static class Rows
{
    private static string Server => Environment.GetEnvironmentVariable("PORTAL_STATE") is { Length: > 0 } state
        ? $"/run/portal-{File.ReadAllText(Path.Combine(state, "id")).Trim()}/pg"
        : throw new InvalidOperationException("PORTAL_STATE names no installation; infra/test e2e sets it.");

    /// <summary>Runs SQL and answers what it said; it must touch something.</summary>
    public static async Task ChangeAsync(string sql)
    {
        var start = new ProcessStartInfo("psql") { RedirectStandardError = true, RedirectStandardOutput = true, UseShellExecute = false, WorkingDirectory = "/" };
        foreach (var word in (string[])["-X", "-v", "ON_ERROR_STOP=1", "-h", Server, "-U", "postgres", "-d", "portal", "-c", sql]) start.ArgumentList.Add(word);
        using var process = Process.Start(start)!;
        var (said, complained) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        (process.ExitCode, await complained).ShouldBe((0, ""));
        (await said).Trim().ShouldNotEndWith(" 0", Case.Sensitive);
    }
}
