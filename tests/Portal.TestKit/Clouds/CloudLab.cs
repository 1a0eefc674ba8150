using System.Collections.Concurrent;
using System.Security.Cryptography;
using Docker.DotNet.Models;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds;
using Portal.Jobs.Clouds.Containers;
using Portal.Jobs.Clouds.Docker;
using Portal.Jobs.Clouds.Docker.Images;
using Portal.Jobs.Clouds.LocalStorage;

namespace Portal.TestKit.Clouds;

/// <summary>
/// A real container engine and a real btrfs under its own installation id. What it creates carries that id and is removed at the end; on a machine
/// that lacks something the test fails with an explanation.
/// </summary>
public sealed class CloudLab : IAsyncDisposable
{
    private readonly ServiceProvider _services;
    private readonly bool _ownsStorage;

    private CloudLab(string id, IReadOnlyDictionary<string, string?> settings, TimeProvider clock)
    {
        Id = id;
        Settings = settings;
        _ownsStorage = settings["Clouds:LocalStorage:Folder"]!.EndsWith(id, StringComparison.Ordinal);
        _services = ByClock(clock);
    }

    /// <summary>The same installation by another clock; the caller disposes it.</summary>
    public ServiceProvider ByClock(TimeProvider clock)
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(Settings).Build();
        return new ServiceCollection()
            .AddSingleton<IConfiguration>(configuration)
            .AddSingleton(clock)
            .AddLogging(l => l.SetMinimumLevel(LogLevel.Warning))
            .AddDockerCloud(configuration).AddLocalStorage(configuration).AddImages(configuration).BuildServiceProvider();
    }

    /// <summary>Removals, for any generation.</summary>
    public const int Every = int.MaxValue;

    /// <summary>Ten characters, like an installation's.</summary>
    public string Id { get; }

    public IReadOnlyDictionary<string, string?> Settings { get; }
    public T Get<T>() where T : notnull => _services.GetRequiredService<T>();
    public IClusterCloud Clusters => Get<IClusterCloud>();
    public IShareCloud Shares => Get<IShareCloud>();
    public IFilesetCloud Filesets => Get<IFilesetCloud>();

    public CloudKit Kit(string key) => new(key, key, new(key, "docker", key), Clusters, Shares, Filesets, Get<IImageCloud>(),
        new(System.Net.IPNetwork.Parse(Settings["Clouds:Docker:Pool"]!), "Clouds:Docker:Pool"));

    /// <summary>Usage of folders, once no rescan is running: tests share one disk, and some of them cause rescans.</summary>
    public async Task<IReadOnlyList<FilesetUsage>> UsageAsync(CancellationToken cancel)
    {
        IReadOnlyList<FilesetUsage>? usage = null;
        await Eventually.HoldsAsync(async () =>
        {
            try
            {
                usage = await Filesets.UsageAsync(cancel);
                return true;
            }
            catch (CloudException e) when (e.Fault == CloudFault.Unavailable)
            {
                return false;
            }
        }, "what folders hold is known", 60);
        return usage!;
    }

    public ContainerEngine ContainerEngine => Get<ContainerEngine>();
    public Owned Owned => Get<Owned>();
    public string Folder => Settings["Clouds:LocalStorage:Folder"]!;
    public string Mounts => Settings["Clouds:LocalStorage:Mounts"]!;

    /// <summary>A variable that names a part of the lab; if missing the test fails, it is not skipped.</summary>
    public static string Variable(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value
        ? value
        : throw new InvalidOperationException(
            $"{name} is not set: these tests need a real container engine and a btrfs mount; infra/test integration provides both.");

    /// <summary>A separate installation.</summary>
    /// <param name="change">Settings that differ.</param>
    public static CloudLab Open(params (string Key, string? Value)[] change) => OpenAt(TimeProvider.System, change);

    /// <summary>The same by another clock.</summary>
    public static CloudLab OpenAt(TimeProvider clock, params (string Key, string? Value)[] change)
    {
        var id = NewId();
        var run = $"/run/portal-test-{id}";
        var settings = new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["Installation:Id"] = id,
            ["Clouds:Docker:Socket"] = Variable("PORTAL_TEST_CONTAINER_ENGINE"),
            ["Clouds:Docker:SeccompBase"] = Variable("PORTAL_TEST_SECCOMP"),
            ["Clouds:Docker:Pool"] = "10.214.0.0/16",
            ["Clouds:Docker:ProbeUser"] = Environment.GetEnvironmentVariable("PORTAL_TEST_WEB_USER") is { Length: > 0 } web ? web : "nobody",
            ["Images:Recipes"] = Variable("PORTAL_TEST_RECIPES"),
            ["Images:Engines"] = Environment.GetEnvironmentVariable("PORTAL_TEST_ENGINES"), // may be empty: then from Debian's packages alone
            ["Images:AptSources"] = Variable("PORTAL_TEST_APT"),
            ["Clouds:LocalStorage:Folder"] = Path.Combine(Variable("PORTAL_TEST_SHARES"), $"test-{id}"),
            ["Clouds:LocalStorage:Mounts"] = $"{run}/mounts",
        };
        foreach (var (key, value) in change)
        {
            settings[key] = value;
        }

        var lab = new CloudLab(id, settings, clock);
        Directory.CreateDirectory(run);
        if (lab._ownsStorage)
        {
            Directory.CreateDirectory(lab.Folder);
            File.SetUnixFileMode(lab.Folder, (UnixFileMode)0x1C9); // 0711
        }

        return lab;
    }

    /// <summary>Ten characters of a-z and 0-9, the first a letter.</summary>
    public static string NewId() => "t" + RandomNumberGenerator.GetString("abcdefghijklmnopqrstuvwxyz0123456789", 9);

    public static Guid New() => Guid.CreateVersion7();

    /// <summary>A /27 of the lab's pool that nothing on this host uses.</summary>
    public async Task<string> SubnetAsync()
    {
        var taken = (await Clusters.ForeignRangesAsync(CancellationToken.None)).ToHashSet(StringComparer.Ordinal);
        for (var tries = 0; tries < 200; tries++)
        {
            var subnet = $"10.214.{RandomNumberGenerator.GetInt32(0, 200)}.{RandomNumberGenerator.GetInt32(0, 8) * 32}/27";
            if (!taken.Contains(subnet)
                && (await ContainerEngine.CallAsync(c => c.Networks.ListNetworksAsync(new NetworksListParameters()), CancellationToken.None))
                    .All(n => n.IPAM?.Config?.All(x => x.Subnet != subnet) ?? true))
            {
                return subnet;
            }
        }

        throw new InvalidOperationException("the lab's address pool is full");
    }

    /// <summary>The notebook image, by id; built first if the container engine lacks it, which takes minutes.</summary>
    public Task<string> PythonAsync() => ImageAsync("python");

    public Task<string> BaseAsync() => ImageAsync("base");

    /// <summary>A plan of nodes that wait for commands.</summary>
    public async Task<ClusterPlan> PlanAsync(Guid? workspace = null, int generation = 1, string? subnet = null, params NodePlan[] nodes) =>
        new(workspace ?? New(), generation, subnet ?? await SubnetAsync(), nodes is { Length: > 0 } ? nodes : [await NodeAsync()]);

    /// <summary>A node that waits for commands and ends immediately when asked to.</summary>
    public async Task<NodePlan> NodeAsync(string name = "notebook", int uid = 300_001, string? work = null, long memoryMib = 256, double vcpus = 1,
        string? image = null, string[]? command = null)
    {
        var none = new Dictionary<string, string>(StringComparer.Ordinal);
        return new NodePlan(name, "notebook", image ?? await PythonAsync(), uid, command ?? ["sleep", "infinity"],
            new Dictionary<string, string>(StringComparer.Ordinal) { ["HOME"] = "/home/student" }, none,
            work is null ? [] : [new FolderPlan(new MountSource.HostPath(work), "/home/student/work", ReadOnly: false)], memoryMib, vcpus);
    }

    /// <summary>Work folder of a new person in a class: created, allowed and mounted for a workspace.</summary>
    public async Task<(string Mount, string Folder, ShareAccess Access)> WorkAsync(Guid classId, int uid, long limit = 64 << 20,
        long classLimit = 1 << 30, Guid? workspace = null)
    {
        var person = New();
        var access = new ShareAccess(workspace ?? New(), 1, new FolderRef.Work(classId, person));
        await Shares.EnsureShareAsync(classId, classLimit, CancellationToken.None);
        await Filesets.EnsureAsync(access.Folder, uid, limit, CancellationToken.None);
        return (await AllowAsync(access, CancellationToken.None), Path.Combine(Folder, classId.ToString("n"), person.ToString("n")), access);
    }

    /// <summary>The path on this host where the folder is mounted now.</summary>
    public async Task<string> AllowAsync(ShareAccess access, CancellationToken cancel) =>
        await Shares.AllowAsync(access, "192.0.2.0/27", cancel) is AccessAnswer.Active { Source: MountSource.HostPath host }
            ? host.Path
            : throw new InvalidOperationException($"{access} is not active.");

    /// <summary>Runs a command inside a node as its person; returns its output, both streams, and its exit code.</summary>
    public async Task<(string Output, long Code)> InsideAsync(ClusterPlan plan, string node, params string[] command)
    {
        var name = Owned.Container(plan.Workspace, plan.Generation, node);
        var exec = await ContainerEngine.CallAsync(c =>
            c.Exec.CreateContainerExecAsync(name, new ContainerExecCreateParameters { AttachStdout = true, AttachStderr = true, Cmd = command }),
            CancellationToken.None);
        using var output =
            await ContainerEngine.CallAsync(c => c.Exec.StartContainerExecAsync(exec.ID, new ContainerExecStartParameters()), CancellationToken.None);
        var (stdout, stderr) = await output.ReadOutputToEndAsync(CancellationToken.None);
        var end = await ContainerEngine.CallAsync(c => c.Exec.InspectContainerExecAsync(exec.ID), CancellationToken.None);
        return ($"{stdout}{stderr}".Trim(), end.ExitCode ?? -1);
    }

    /// <summary>The same with Python.</summary>
    public Task<(string Output, long Code)> PythonInsideAsync(ClusterPlan plan, string node, string program) =>
        InsideAsync(plan, node, "python3", "-c", program);

    /// <summary>"reached", or the error with which the notebook's node could not open a connection.</summary>
    public async Task<string> ReachAsync(ClusterPlan plan, string address, int port) =>
        (await PythonInsideAsync(plan, "notebook", Reach(address, port))).Output;

    /// <summary>The same as a Python program.</summary>
    public static string Reach(string address, int port) => $$"""
        import errno, socket
        try: socket.create_connection(("{{address}}", {{port}}), 1.5).close(); print("reached")
        except socket.gaierror as e: print("no name")
        except TimeoutError as e: print("ETIMEDOUT")
        except OSError as e: print(errno.errorcode[e.errno])
        """;

    /// <summary>
    /// True if the notebook's node can open a connection; false if nothing answers, as when a rule drops its packets. A refused connection is neither:
    /// it got through.
    /// </summary>
    public async Task<bool> ReachesAsync(ClusterPlan plan, string address, int port) => await ReachAsync(plan, address, port) switch
    {
        "reached" => true,
        "ETIMEDOUT" => false,
        var other => throw new InvalidOperationException($"{address}:{port} answered {other}"),
    };

    /// <summary>Address of a node.</summary>
    public async Task<string> AddressAsync(ClusterPlan plan, string node) =>
        (await Clusters.LookAsync(plan.Workspace, CancellationToken.None))!.Nodes.Single(n => n.Name == node).Address
            ?? throw new InvalidOperationException($"{node} is not running");

    public async ValueTask DisposeAsync()
    {
        foreach (var container in await ContainerEngine.ListAsync(Mine(), CancellationToken.None))
        {
            await ContainerEngine.RemoveAsync(container.ID, CancellationToken.None);
        }

        foreach (var network in await Get<Networks>().ListAsync(Mine(), CancellationToken.None))
        {
            await Get<Networks>().RemoveAsync(network.ID, CancellationToken.None);
        }

        await LabCleaner.FirewallAsync(Owned);
        if (_ownsStorage)
        {
            await LabCleaner.StorageAsync(Folder, Mounts);
        }

        Directory.Delete($"/run/portal-test-{Id}", recursive: true);
        await _services.DisposeAsync();
    }

    private Dictionary<string, IDictionary<string, bool>> Mine() => new(StringComparer.Ordinal)
    {
        ["label"] = new Dictionary<string, bool>(StringComparer.Ordinal) { [$"{Owned.Installation}={Id}"] = true },
    };

    private async Task<string> ImageAsync(string name)
    {
        if (!Images.TryGetValue(name, out var id))
        {
            // The same recipes as the product's, so the same tags: built once for all labs on a machine.
            Images[name] = id = (await Get<ImageBuilder>().EnsureAsync(name, new SynchronousProgress<ImageProgress>(_ => { }), CancellationToken.None)).Id;
        }

        return id;
    }

    private static readonly ConcurrentDictionary<string, string> Images = new(StringComparer.Ordinal);
}

/// <summary>Removes what a lab created outside the container engine.</summary>
internal static class LabCleaner
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public static async Task FirewallAsync(Owned owned)
    {
        foreach (var tool in (string[])["iptables", "ip6tables"])
        {
            foreach (var table in (string[])["raw", "mangle", "nat", "filter"])
            {
                var rules = (await RunAsync(tool, "-w", "10", "-t", table, "-S")).Output.Split('\n');
                var mine = rules.Where(l => l.StartsWith("-A ", StringComparison.Ordinal) && l.Contains(owned.BridgePrefix, StringComparison.Ordinal));
                foreach (var rule in mine)
                {
                    // The only quoted words are those of a comment.
                    var words = rule["-A ".Length..].Split('"')
                        .SelectMany((part, i) => i % 2 == 1 ? [part] : part.Split(' ', StringSplitOptions.RemoveEmptyEntries));
                    await RunAsync(tool, ["-w", "10", "-t", table, "-D", .. words]);
                }
            }
        }
    }

    public static async Task StorageAsync(string folder, string mounts)
    {
        if (Directory.Exists(mounts))
        {
            foreach (var mount in Directory.GetDirectories(mounts))
            {
                await RunAsync("umount", mount);
            }
        }

        foreach (var share in Directory.GetDirectories(folder))
        {
            var id = (await RunAsync("btrfs", "inspect-internal", "rootid", share)).Output.Trim();
            foreach (var person in Directory.GetDirectories(share))
            {
                await RunAsync("btrfs", "subvolume", "delete", person);
            }

            await RunAsync("btrfs", "subvolume", "delete", share);
            await RunAsync("btrfs", "qgroup", "destroy", $"1/{id}", folder);
        }

        Directory.Delete(folder, recursive: true);
    }

    private static Task<Tool.Result> RunAsync(string program, params string[] arguments) =>
        Tool.RunAsync("lab", program, arguments, Limit, TimeProvider.System, CancellationToken.None);
}
