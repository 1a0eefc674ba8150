using System.Globalization;
using Portal.Core.Clouds;
using Portal.Core.Foreign;

namespace Portal.Jobs.Clouds.Docker.Images.Fetch;

/// <param name="Well">Whether it exited with 0 and in time.</param>
/// <param name="Lines">The last lines that it wrote to either stream.</param>
internal sealed record ClientOutput(bool Well, IReadOnlyList<string> Lines);

/// <summary>
/// One run of pip or Maven: in a new folder that it owns, under an unprivileged account with no capabilities and no way to gain them, with a time limit
/// and a disk limit. Dispose removes the folder; <see cref="RemoveOld"/> removes one left by a killed process.
/// </summary>
internal sealed class ClientRun : IDisposable
{
    private const string Prefix = "run-";
    private const int LinesKept = 40, LongestLine = 8192;
    private const long LargestFile = 2L << 30, LargestFolder = 6L << 30, LeastFree = 1L << 30;
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(1), Setup = TimeSpan.FromSeconds(30);
    private readonly FetchOptions _options;
    private readonly TimeProvider _time;
    private readonly Dictionary<string, string> _environment;

    /// <param name="parent">Where its folder is made.</param>
    public ClientRun(FetchOptions options, ClientSettings settings, TimeProvider time, string parent)
    {
        (_options, _time) = (options, time);
        Folder = Directory.CreateDirectory(Path.Combine(parent, $"{Prefix}{Guid.CreateVersion7():n}"),
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute).FullName;
        Output = Directory.CreateDirectory(Path.Combine(Folder, "out")).FullName;
        Home = Directory.CreateDirectory(Path.Combine(Folder, "home")).FullName;
        _environment = settings.Lay(Home);
        _environment["TMPDIR"] = Directory.CreateDirectory(Path.Combine(Folder, "tmp")).FullName;
    }

    public string Folder { get; }

    /// <summary>Folder for what it fetches.</summary>
    public string Output { get; }
    public string Home { get; }

    /// <summary>A folder through which the clients' account can reach its own, and see nothing else.</summary>
    public static void MakeParent(string folder)
    {
        Directory.CreateDirectory(folder);
        File.SetUnixFileMode(
            folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
    }

    /// <summary>Removes folders left by runs of a killed process.</summary>
    public static void RemoveOld(string parent)
    {
        foreach (var old in Directory.EnumerateDirectories(parent, $"{Prefix}*").ToList())
        {
            Directory.Delete(old, recursive: true);
        }
    }

    /// <summary>Runs it to its end; everything it may write must be under <see cref="Folder"/> or in <paramref name="also"/>.</summary>
    /// <param name="also">A folder that outlives the run; the account becomes its owner.</param>
    /// <param name="heard">Called for each line of output.</param>
    /// <exception cref="CloudException">Full if it uses too much disk.</exception>
    public async Task<ClientOutput> RunAsync(string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string> more, string? also,
        TimeSpan limit, Action<string> heard, CancellationToken cancel)
    {
        var environment = new Dictionary<string, string>(_environment, StringComparer.Ordinal);
        foreach (var (name, value) in more)
        {
            environment[name] = value;
        }

        await GiveAsync(also is null ? [Folder] : [Folder, also], cancel);
        // timeout also ends it if this process is killed.
        string[] command = ["-s", "KILL", Seconds(limit + Setup), "/usr/bin/prlimit", $"--fsize={LargestFile}", .. Drop(), program, .. arguments];
        using var process = Tool.Start(PackageFaults.Service, "/usr/bin/timeout", command, environment);
        using var deadline = new CancellationTokenSource(limit, _time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancel, deadline.Token);
        var lines = new Queue<string>();
        try
        {
            process.StandardInput.Close();
            var ended = Task.WhenAll(ListenAsync(process.StandardOutput, lines, heard, both.Token),
                ListenAsync(process.StandardError, lines, heard, both.Token), process.WaitForExitAsync(both.Token));
            await BoundAsync(ended, both.Token);
            return new ClientOutput(process.ExitCode == 0, [.. lines]);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return new ClientOutput(false, [.. lines, "timed out"]);
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
                await process.WaitForExitAsync(CancellationToken.None);
            }
        }
    }

    public void Dispose()
    {
        try
        {
            Directory.Delete(Folder, recursive: true);
        }
        catch (IOException)
        {
            // A child of the client may still write for a moment; the next fetch then removes the folder.
        }
    }

    private async Task GiveAsync(IEnumerable<string> folders, CancellationToken cancel)
    {
        if (_options.Account > 0 && Environment.IsPrivilegedProcess)
        {
            var result = await Tool.RunAsync(PackageFaults.Service, "chown", ["-R", "-h", $"{_options.Account}:{_options.Account}", .. folders], Setup,
                _time, cancel);
            if (!result.Well)
            {
                throw PackageFaults.Make(CloudFault.Broken,
                    $"ownership of the folder for pip and Maven cannot be given to their account: {result.InOneLine}", "Correct Images:Fetch:Folder.");
            }
        }
    }

    private IEnumerable<string> Drop() => _options.Account > 0 && Environment.IsPrivilegedProcess
        ? ["/usr/bin/setpriv", $"--reuid={_options.Account}", $"--regid={_options.Account}", "--clear-groups", "--inh-caps=-all",
            "--ambient-caps=-all", "--bounding-set=-all", "--no-new-privs"]
        : [];

    private static async Task ListenAsync(StreamReader stream, Queue<string> lines, Action<string> heard, CancellationToken cancel)
    {
        var chunk = new char[4096];
        var rest = "";
        while (await stream.ReadAsync(chunk, cancel) is > 0 and var read)
        {
            var text = rest + new string(chunk, 0, read);
            var end = text.Length > LongestLine ? text.Length : text.LastIndexOf('\n') + 1;
            rest = text[end..];
            foreach (var line in ForeignText.Lines(text[..end], int.MaxValue))
            {
                lock (lines)
                {
                    lines.Enqueue(line);
                    if (lines.Count > LinesKept)
                    {
                        lines.Dequeue();
                    }
                }

                heard(line);
            }
        }
    }

    private async Task BoundAsync(Task ended, CancellationToken cancel)
    {
        using var timer = new PeriodicTimer(Look, _time);
        while (true)
        {
            var tick = timer.WaitForNextTickAsync(cancel).AsTask();
            if (await Task.WhenAny(ended, tick) == ended)
            {
                await ended;
                return;
            }

            await tick;
            if (SizeOf(Folder) > LargestFolder)
            {
                throw PackageFaults.Make(CloudFault.Full, $"the download takes up more than {LargestFolder >> 30} GiB",
                    "Check which package server pip and Maven are configured to use.");
            }

            if (new DriveInfo(Folder).AvailableFreeSpace < LeastFree)
            {
                throw PackageFaults.Make(CloudFault.Full, $"less than {LeastFree >> 30} GiB of disk is left for packages",
                    $"Free up disk space in {_options.Folder}; the download will then be retried.");
            }
        }
    }

    private static long SizeOf(string folder)
    {
        long size = 0;
        var all = new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint, IgnoreInaccessible = true };
        try
        {
            size += new DirectoryInfo(folder).EnumerateFiles("*", all).Sum(f => f.Exists ? f.Length : 0);
        }
        catch (IOException)
        {
            // files come and go while this runs; the next check counts them
        }

        return size;
    }

    private static string Seconds(TimeSpan time) => ((int)time.TotalSeconds).ToString(CultureInfo.InvariantCulture);
}
