using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Clouds;
using Portal.Core.Quotas;
using Portal.TestKit.Clouds;
using Portal.TestKit.Scripted;

namespace Portal.TestKit;

/// <summary>
/// The running product: web and Jobs as separate processes, on a real container engine, btrfs and database under an installation id of its own.
/// A test kills, stops and restarts them.
/// </summary>
public sealed class Installation : IAsyncDisposable
{
    private readonly string _folder;
    private readonly int _port;
    private readonly string[] _templates;

    private Installation(CloudLab lab, TestDatabase database, TestSite site, int port, string[] templates)
    {
        (Lab, Database, Site, _port, _templates) = (lab, database, site, port, templates);
        _folder = Path.GetDirectoryName(lab.Mounts)!;
        File.WriteAllText(Path.Combine(_folder, "key"), RandomNumberGenerator.GetHexString(64));
        Jobs = new("Portal.Jobs.dll", Path.Combine(_folder, "jobs.log"), Settings(database.Jobs, Path.Combine(_folder, "jobs.sock")));
        Web = new("Portal.dll", Path.Combine(_folder, "web.log"), Settings(database.Web, Path.Combine(_folder, "jobs.sock")));
    }

    public CloudLab Lab { get; }
    public TestDatabase Database { get; }
    public TestSite Site { get; }
    public Child Jobs { get; }
    public Child Web { get; }
    public Uri Address => new($"http://portal.localhost:{_port}");
    public int Port => _port;

    /// <summary>A folder of this installation's own, for logs and sockets; deleted with it.</summary>
    public string Folder => _folder;

    /// <summary>Started, with the notebook image available and its clouds healthy. It offers only templates
    /// of that one image, so that no others are built during tests.</summary>
    public static Task<Installation> StartAsync(int students, CancellationToken cancel, params (string Key, string Value)[] settings) =>
        StartAsync(students, ["notebook", "dask"], cancel, settings);

    /// <param name="templates">The templates that are offered, by id.</param>
    public static async Task<Installation> StartAsync(int students, string[] templates, CancellationToken cancel, params (string Key, string Value)[] settings)
    {
        var lab = CloudLab.Open();
        await lab.PythonAsync();
        var database = await TestDatabase.CreateAsync(cancel);
        var site = await TestSite.CreateAsync(database, students, new(1000, 1_000_000, 1000, 1000), cancel);
        var it = new Installation(lab, database, site, FreePort(), templates);
        foreach (var (key, value) in settings)
        {
            it.Jobs.Set(key, value);
            it.Web.Set(key, value);
        }
        it.Web.Start();
        it.Jobs.Start();
        await Until.TrueAsync("the installation is healthy and its image ready", async () =>
        {
            it.Jobs.MustRun();
            it.Web.MustRun();
            await using var db = database.Open();
            return await db.Images.AnyAsync(i => i.Name == "python" && i.State == ImageState.Ready && i.Reference != "sha256:test", cancel)
                && await db.Pools.AnyAsync(p => p.Title == LocalCloud.Title && p.Clusters.Ok && p.Storage.Ok, cancel);
        }, cancel, TimeSpan.FromMinutes(3));
        return it;
    }

    /// <summary>A second process of Jobs alongside the first.</summary>
    public Child SecondJobs() => new("Portal.Jobs.dll", Path.Combine(_folder, "jobs2.log"), Settings(Database.Jobs, Path.Combine(_folder, "jobs2.sock")));

    public async ValueTask DisposeAsync()
    {
        Jobs.Kill();
        Web.Kill();
        await Site.DisposeAsync();
        await Database.DisposeAsync();
        await Lab.DisposeAsync();
    }

    private Dictionary<string, string> Settings(string connection, string socket)
    {
        var settings = Lab.Settings.Where(s => s.Value is not null).ToDictionary(s => s.Key, s => s.Value!, StringComparer.Ordinal);
        settings["ConnectionStrings:portal"] = connection;
        settings["Installation:KeyFile"] = Path.Combine(_folder, "key");
        settings["Site:PublicUrl"] = Address.AbsoluteUri.TrimEnd('/');
        settings["Site:AppsDomain"] = "apps.localhost";
        settings["Site:ConnectTo"] = $"127.0.0.1:{_port}";
        settings["urls"] = $"http://127.0.0.1:{_port}";
        settings["SignIn:Demo"] = "true";
        settings["DataProtection:KeysFolder"] = Path.Combine(_folder, "keys");
        settings["Jobs:Socket"] = socket;
        settings["Catalog:Templates"] = Offered(_folder);
        return settings;
    }

    private string Offered(string below)
    {
        var templates = Path.Combine(below, "templates");
        foreach (var name in _templates)
        {
            if (Directory.Exists(Path.Combine(templates, name))) continue;
            Directory.CreateDirectory(Path.Combine(templates, name));
            File.Copy(Path.Combine(AppContext.BaseDirectory, "Catalog", "Templates", name, "template.yaml"), Path.Combine(templates, name, "template.yaml"));
        }
        return templates;
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}

/// <summary>One process of the product, which a test may kill.</summary>
public sealed class Child(string program, string log, IReadOnlyDictionary<string, string> settings)
{
    private readonly Dictionary<string, string> _settings = new(settings, StringComparer.Ordinal);
    private readonly ConcurrentQueue<string> _lines = new();
    private Process? _process;

    public int Id => _process!.Id;
    public bool Runs => _process is { HasExited: false };

    public void Set(string key, string value) => _settings[key] = value;

    /// <summary>How it is started: program, settings and nothing from the tests' environment. PORTAL_TEST_PROGRAMS
    /// names a folder of published programs, else those beside the tests are used.</summary>
    public ProcessStartInfo Command()
    {
        var published = Environment.GetEnvironmentVariable("PORTAL_TEST_PROGRAMS") is { Length: > 0 } folder
            ? Path.Combine(folder, program == "Portal.dll" ? "web" : "jobs")
            : null;
        var start = new ProcessStartInfo("dotnet")
        {
            ArgumentList = { Path.Combine(published ?? AppContext.BaseDirectory, program) },
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false
        };
        if (published is not null) start.WorkingDirectory = published; // the web process finds its files there
        foreach (var name in start.Environment.Keys.Where(k => k.StartsWith("PORTAL_TEST", StringComparison.Ordinal)).ToList()) start.Environment.Remove(name);
        foreach (var (key, value) in _settings) start.Environment[key.Replace(":", "__", StringComparison.Ordinal)] = value;
        // For the key "urls" a web application reads only this environment variable.
        if (_settings.TryGetValue("urls", out var urls)) start.Environment["ASPNETCORE_URLS"] = urls;
        return start;
    }

    public void Start()
    {
        _process = Process.Start(Command())!;
        _process.OutputDataReceived += Keep;
        _process.ErrorDataReceived += Keep;
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    /// <summary>Sends SIGKILL; the process is gone when this returns.</summary>
    public void Kill()
    {
        if (_process is null) return;
        _process.Kill();
        _process.WaitForExit();
        File.WriteAllLines(log, _lines);
    }

    /// <summary>Waits until it exits on its own; returns its exit code once all output has arrived. Kills it and throws after the deadline.</summary>
    public async Task<int> EndAsync(TimeSpan deadline, CancellationToken cancel)
    {
        using var most = new CancellationTokenSource(deadline, TimeProvider.System);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancel, most.Token);
        try
        {
            await _process!.WaitForExitAsync(either.Token);
            return _process.ExitCode;
        }
        catch (OperationCanceledException e)
        {
            Kill();
            throw new TimeoutException($"{program} still ran after {deadline.TotalSeconds:F0} s: {LastOutput}", e);
        }
    }

    /// <summary>Its peak memory in bytes, as counted by the kernel.</summary>
    public long ResidentMost
    {
        get
        {
            var line = File.ReadLines($"/proc/{_process!.Id}/status").First(l => l.StartsWith("VmHWM:", StringComparison.Ordinal));
            return long.Parse(line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[1], System.Globalization.CultureInfo.InvariantCulture) << 10;
        }
    }

    public void Pause() => Signal(19);

    public void Resume() => Signal(18);

    /// <summary>Fails with its last output if it has exited on its own.</summary>
    public void MustRun()
    {
        if (!Runs) throw new InvalidOperationException($"{program} ended with {_process?.ExitCode}: {string.Join('\n', _lines.TakeLast(30))}");
    }

    public string LastOutput => string.Join('\n', _lines.TakeLast(30));

    private void Keep(object sender, DataReceivedEventArgs e)
    {
        if (e.Data is not null) _lines.Enqueue(e.Data);
        while (_lines.Count > 2000) _lines.TryDequeue(out _);
    }

    private void Signal(int signal)
    {
        if (kill(_process!.Id, signal) != 0) throw new InvalidOperationException($"Signal {signal} was refused.");
    }

    [DllImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int kill(int process, int signal);
}
