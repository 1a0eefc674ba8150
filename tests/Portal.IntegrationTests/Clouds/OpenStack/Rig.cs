using System.Diagnostics;

namespace Portal.IntegrationTests.Clouds.OpenStack;

/// <summary>The rig of <c>infra/openstack</c> as its operator at the machine has it: programs, its namespace, the consoles of its servers.</summary>
internal static class Rig
{
    private static readonly Dictionary<string, string> Addresses =
        File.ReadAllLines($"{State}/addresses").Select(l => l.Split('=', 2)).ToDictionary(l => l[0], l => l[1]);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Its folder.</summary>
    public static string State => Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(OpenStackLab.Folder))!;

    /// <summary>Where this host is for servers; they may not reach it.</summary>
    public static string Host => Addresses["HOST"];

    /// <summary>Address of all APIs, and of the file server.</summary>
    public static string Api => Addresses["API"];

    /// <summary>Network namespace of the services, which is also the router of every network.</summary>
    public static string Namespace => $"os{File.ReadAllText($"{State}/id").Trim()}";

    /// <summary>Kills a service and all its processes, as a crash would; <see cref="UpAsync"/> starts it again.</summary>
    public static Task KillAsync(string service) => SignalAsync(service, "KILL");

    /// <summary>Sends a signal to all processes of a service.</summary>
    public static async Task SignalAsync(string service, string signal) =>
        await RunAsync("pkill", $"-{signal}", "-s", (await File.ReadAllTextAsync($"{State}/run/{service}.session", Cancel)).Trim());

    /// <summary>Starts what does not run, from the checkout that the rig was started from: from another one more would be started again.</summary>
    public static Task UpAsync(params string[] settings)
    {
        var program = File.ResolveLinkTarget($"{State}/bin/mmgetstate", returnFinalTarget: true)!.FullName; // infra/openstack/gpfs/mm
        return RunAsync("env", [$"PORTAL_OPENSTACK_STATE={State}", .. settings, Path.Combine(Path.GetDirectoryName(program)!, "../up")]);
    }

    /// <summary>Output of a program that must succeed.</summary>
    public static async Task<string> RunAsync(string program, params string[] arguments)
    {
        var (code, output, errors) = await EndAsync(program, arguments);
        code.ShouldBe(0, $"{program} {string.Join(' ', arguments)}\n{output}\n{errors}");
        return output;
    }

    /// <summary>As root on a server: output of a command that must succeed.</summary>
    public static Task<string> OnServerAsync(string server, params string[] command) => RunAsync(Docker, [.. Engine, "exec", $"guest-{server}", .. command]);

    /// <summary>The same, but empty if it fails, as while a server is down.</summary>
    public static async Task<string> MaybeOnServerAsync(string server, params string[] command) =>
        await EndAsync(Docker, [.. Engine, "exec", $"guest-{server}", .. command]) is (0, var output, _) ? output : "";

    /// <summary>What a server has written to its console since a moment.</summary>
    public static Task<string> ConsoleAsync(string server, DateTimeOffset since) =>
        RunAsync(Docker, [.. Engine, "logs", "--since", $"{since.ToUnixTimeSeconds()}", $"guest-{server}"]);

    private static string Docker => $"{State}/bin/docker";
    private static string[] Engine => ["-H", $"unix://{File.ReadAllText($"{State}/engine").Trim()}"];

    private static async Task<(int Code, string Output, string Errors)> EndAsync(string program, string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(Cancel), process.StandardError.ReadToEndAsync(Cancel));
        await process.WaitForExitAsync(Cancel);
        return (process.ExitCode, (await output).Trim(), await errors);
    }
}
