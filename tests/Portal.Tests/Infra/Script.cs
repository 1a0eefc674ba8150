using System.Diagnostics;

namespace Portal.Tests.Infra;

/// <summary>Calls parts of <c>infra/lib</c> on their own.</summary>
public static class Script
{
    /// <summary>Sources the parts in this order, with the shell options of the scripts, then runs the commands. Both outputs together, trimmed.</summary>
    public static async Task<(int Code, string Output)> RunAsync(string parts, string commands, params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo("bash", ["-c", $"set -euo pipefail; for part in {parts}; do . \"$LIB/$part.sh\"; done\n{commands}"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        start.Environment["LIB"] = Path.Combine(Root(), "infra", "lib");
        start.Environment.Remove("DOCKER_HOST"); // set by the environment of the tests
        foreach (var (name, value) in environment) start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        return (process.ExitCode, (await output + await errors).Trim());
    }

    public static string Root()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "infra", "lib", "common.sh"))) return folder.FullName;
        throw new InvalidOperationException("No folder above the tests contains infra/lib.");
    }
}
