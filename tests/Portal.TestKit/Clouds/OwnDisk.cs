using System.Diagnostics;
using Portal.Jobs.Clouds.LocalStorage;

namespace Portal.TestKit.Clouds;

/// <summary>A separate btrfs in a sparse file, for tests that would disturb others; on a small separate disk if requested.</summary>
public sealed class OwnDisk : IAsyncDisposable
{
    private readonly string _folder;

    private OwnDisk(string folder) => _folder = folder;

    public string Mount => Path.Combine(_folder, "mount");

    private string Host => Path.Combine(_folder, "host");

    /// <param name="hostMib">Size of the disk (a tmpfs) that holds the file; null: wherever temporary files are.</param>
    public static async Task<OwnDisk> MakeAsync(int sizeMib = 300, int? hostMib = null)
    {
        var disk = new OwnDisk(Directory.CreateTempSubdirectory("portal-test-disk").FullName);
        Directory.CreateDirectory(disk.Mount);
        Directory.CreateDirectory(disk.Host);
        if (hostMib is { } size)
        {
            await MustAsync("mount", "-t", "tmpfs", "-o", $"size={size}m", "tmpfs", disk.Host);
        }

        var file = Path.Combine(disk.Host, "shares.btrfs");
        await MustAsync("truncate", "-s", $"{sizeMib}M", file);
        await MustAsync("mkfs.btrfs", "-q", file);
        await MustAsync("mount", "-o", "loop", file, disk.Mount);
        await MustAsync("btrfs", "quota", "enable", disk.Mount);
        return disk;
    }

    /// <summary>A file about its quota groups in /sys.</summary>
    public string QuotaGroups(string file) => Storage.QuotaGroups(Mount, file) ?? throw new InvalidOperationException($"{Mount} has no {file}");

    public async ValueTask DisposeAsync()
    {
        await RunAsync("umount", Mount);
        await RunAsync("umount", Host);
        Directory.Delete(_folder, recursive: true);
    }

    public static async Task<int> RunAsync(string program, params string[] arguments)
    {
        using var process =
            Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true, UseShellExecute = false })!;
        var (output, complaint) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        await output;
        await complaint;
        return process.ExitCode;
    }

    private static async Task MustAsync(string program, params string[] arguments)
    {
        if (await RunAsync(program, arguments) is not 0 and var code)
        {
            throw new InvalidOperationException($"{program} {string.Join(' ', arguments)}: exit {code}");
        }
    }
}
