using System.ComponentModel;
using System.Diagnostics;
using Portal.Core.Clouds;
using Portal.Jobs.Foreign;

namespace Portal.Jobs.Clouds;

/// <summary>Runs a host program with a list of arguments: no shell, so no argument can become a command.</summary>
public static class Tool
{
    /// <summary>Output of a finished program, in the C locale.</summary>
    public sealed record Result(int ExitCode, string Output, string Complaint)
    {
        public bool Well => ExitCode == 0;

        /// <summary>Both streams in one line, for a message.</summary>
        public string InOneLine => string.Join(' ', $"{Complaint} {Output}".Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
    }

    /// <summary>Maximum output of either stream.</summary>
    private const int MostBytes = 16 << 20;

    /// <summary>Runs to the end. Throws <see cref="CloudFault.Refused"/> if the program is not
    /// installed, TimedOut if it does not end in time (it is then killed).</summary>
    public static async Task<Result> RunAsync(string service, string program, IEnumerable<string> arguments, TimeSpan limit, TimeProvider time,
        CancellationToken cancel)
    {
        using var process = Start(service, program, arguments);
        using var deadline = new CancellationTokenSource(limit, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancel, deadline.Token);
        try
        {
            process.StandardInput.Close();
            var reader = new ForeignReader(time);
            var output = reader.TextAsync(process.StandardOutput.BaseStream, new(MostBytes, limit), both.Token);
            var complaint = reader.TextAsync(process.StandardError.BaseStream, new(MostBytes, limit), both.Token);
            await Task.WhenAll(output, complaint);
            await process.WaitForExitAsync(both.Token);
            return new Result(process.ExitCode, await output, await complaint);
        }
        catch (ReadLimitException e) when (e.TooLong)
        {
            var what = $"{program} wrote more than {MostBytes >> 20} MiB";
            throw new CloudException(service, CloudFault.Broken, what, "Run it by hand and check its output.", e);
        }
        catch (ReadLimitException e)
        {
            throw Late(service, program, limit, e);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            throw Late(service, program, limit, null);
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }
        }
    }

    private static CloudException Late(string service, string program, TimeSpan limit, Exception? cause) =>
        new(service, CloudFault.TimedOut, $"{program} did not respond within {limit.TotalSeconds:0} s",
            "The host is busy or its disk is not responding: check its load, then try again.", cause);

    /// <summary>Starts with all three streams redirected; the caller ends and disposes it.</summary>
    /// <param name="environment">The complete environment; null: this process's own.</param>
    public static Process Start(string service, string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false
        };
        if (environment is null)
        {
            start.Environment["LC_ALL"] = "C";
            start.Environment["PATH"] = $"{Environment.GetEnvironmentVariable("PATH")}:/usr/local/sbin:/usr/sbin:/sbin";
        }
        else
        {
            start.Environment.Clear();
            foreach (var (name, value) in environment)
            {
                start.Environment[name] = value;
            }
        }

        try
        {
            return Process.Start(Found(program) is { } path ? With(start, path) : start)!;
        }
        catch (Win32Exception e)
        {
            throw new CloudException(service, CloudFault.Refused, $"the program {program} cannot be run here ({e.Message})",
                $"Install the package that provides {program} on the portal's host.", e);
        }
    }

    // An unprivileged account's PATH often lacks sbin, where iptables, btrfs and mmdebstrap are.
    private static string? Found(string program) => program.Contains('/', StringComparison.Ordinal)
        ? program
        : $"{Environment.GetEnvironmentVariable("PATH")}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin".Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Select(folder => Path.Combine(folder, program))
            .FirstOrDefault(File.Exists);

    private static ProcessStartInfo With(ProcessStartInfo start, string path)
    {
        start.FileName = path;
        return start;
    }
}
