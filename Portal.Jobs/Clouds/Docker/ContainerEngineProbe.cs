using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Docker.DotNet.Models;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;

namespace Portal.Jobs.Clouds.Docker;

/// <summary>
/// Verifies a container engine with a container like a student's: what must be closed is tried from inside, what must be open from outside.
/// The firewall and the container engine's features are checked each time; the container is started every ten minutes, or when something changed.
/// </summary>
public sealed class ContainerEngineProbe(ContainerEngine containerEngine, Networks networks, Owned owned, NodeRecipe recipe, Firewall firewall,
    DockerOptions options, TimeProvider time) : IDisposable
{
    private const int Uid = 399_999, Port = 8888;
    private static readonly TimeSpan Good = TimeSpan.FromMinutes(10), Bad = TimeSpan.FromSeconds(15), Patience = TimeSpan.FromSeconds(30);
    private readonly SemaphoreSlim _one = new(1);
    private (string Key, DateTimeOffset Until, CloudException? Fault)? _found;

    /// <summary>Checks everything and describes the container engine.</summary>
    public async Task<CloudReport> PrepareAsync(CancellationToken cancel)
    {
        await ProveAsync(image: null, cancel);
        var info = await InfoAsync(cancel);
        var version = await containerEngine.VersionAsync(cancel);
        return new CloudReport(
            $"Docker Engine {info.ServerVersion}, API {version}, cgroup v{(info.CgroupVersion is { Length: > 0 } v ? v : "1")}, "
            + $"{info.NCPU} CPUs, {info.MemTotal >> 30} GiB, {info.ContainersRunning} containers running; isolation verified by a probe",
            (int)info.NCPU, info.MemTotal >> 20)
        {
            Egress = options.EgressProxy.Length == 0
                ? "Nodes cannot reach anything outside their workspace."
                : $"Nodes reach the egress proxy at {options.EgressProxy}, and nothing else outside their workspace.",
        };
    }

    /// <summary>Throws with the reason unless limits and isolation work; returns the seccomp profile for containers.</summary>
    /// <param name="image">Id of an image to probe with; null: the portal's newest.</param>
    public async Task<SeccompProfile> ProveAsync(string? image, CancellationToken cancel)
    {
        var info = await InfoAsync(cancel);
        Refuse(Lacking(info));
        var profile = await SeccompProfile.LoadAsync(options.SeccompBase, $"{DockerOptions.Section}:{nameof(options.SeccompBase)}", cancel);
        await firewall.EnsureAsync(cancel);
        var key = $"{info.ID} {info.ServerVersion} {profile.Hash}";
        await _one.WaitAsync(cancel);
        try
        {
            if (_found is not { } found || found.Key != key || found.Until <= time.GetUtcNow())
            {
                _found = found = await TryAsync(key, image ?? await ImageAsync(cancel), profile, cancel);
            }

            return found.Fault is null ? profile : throw found.Fault;
        }
        finally
        {
            _one.Release();
        }
    }

    public void Dispose() => _one.Dispose();

    private Task<SystemInfoResponse> InfoAsync(CancellationToken cancel) => containerEngine.CallAsync(c => c.System.GetSystemInfoAsync(cancel), cancel);

    private static string? Lacking(SystemInfoResponse info)
    {
        string[] lacking = [
            .. new[] { ("memory limits", info.MemoryLimit), ("swap limits", info.SwapLimit), ("process limits", info.PidsLimit),
                ("CPU limits", info.CPUCfsQuota),
            ("seccomp", info.SecurityOptions?.Any(o => o.StartsWith("name=seccomp", StringComparison.Ordinal)) ?? false) }.Where(x => !x.Item2)
                .Select(x => x.Item1)];
        return lacking.Length == 0 ? null : $"it lacks {string.Join(", ", lacking)}|Enable these cgroup controllers on the host.";
    }

    private async Task<string> ImageAsync(CancellationToken cancel)
    {
        var filters = new Dictionary<string, IDictionary<string, bool>>(StringComparer.Ordinal)
        {
            ["reference"] = new Dictionary<string, bool>(StringComparer.Ordinal) { ["portal/*"] = true }
        };
        var images = await containerEngine.CallAsync(c => c.Images.ListImagesAsync(new ImagesListParameters { Filters = filters }, cancel), cancel);
        return images.MaxBy(i => i.Created)?.ID
            ?? throw ContainerEngineFaults.Make(CloudFault.Unavailable, "it has not been probed yet: there is no image to probe it with",
                "The first image is being built; see the catalogue for its progress.");
    }

    private async Task<(string, DateTimeOffset, CloudException?)> TryAsync(string key, string image, SeccompProfile profile, CancellationToken cancel)
    {
        try
        {
            await ProbeAsync(image, profile, cancel);
            return (key, time.GetUtcNow() + Good, null);
        }
        catch (CloudException e) when (e.Fault == CloudFault.Refused)
        {
            return (key, time.GetUtcNow() + Bad, e);
        }
    }

    /// <summary>Tests this exact profile, ignoring earlier results; throws with what fails.</summary>
    public async Task ProbeAsync(string image, SeccompProfile profile, CancellationToken cancel)
    {
        await RemoveAsync(cancel); // left by a killed process
        using var listener = new TcpListener(IPAddress.Any, 0);
        listener.Start();
        try
        {
            var network = $"portal-{owned.Id}-probe";
            var subnet = await NetworkAsync(network, cancel);
            var gateway = new IPAddress([.. subnet.BaseAddress.GetAddressBytes()[..3], (byte)(subnet.BaseAddress.GetAddressBytes()[3] + 1)]);
            string[] command = ["perl", "-e", ProbeScript.Perl, Port.ToString(CultureInfo.InvariantCulture),
                ((IPEndPoint)listener.LocalEndpoint).Port.ToString(CultureInfo.InvariantCulture),
                .. OwnAddresses().Prepend(gateway).Select(a => a.ToString()).Distinct(StringComparer.Ordinal)];
            var node = new NodePlan("probe", "probe", image, Uid, command, NoVariables, NoVariables, [], 128, 1);
            var wanted = recipe.Describe($"portal-{owned.Id}-probe", network, owned.Labels("probe"), node, profile);
            wanted.Entrypoint = ["/usr/bin/env"];
            var id = await containerEngine.CreateAsync(wanted, cancel);
            await containerEngine.CallAsync(c => c.Containers.StartContainerAsync(id, new ContainerStartParameters(), cancel), cancel);
            Judge(await HearAsync(id, cancel));
        }
        finally
        {
            await RemoveAsync(CancellationToken.None);
        }
    }

    /// <summary>A block at the upper end of the pool, where workspaces come last; the next lower one while it is taken.</summary>
    private async Task<IPNetwork> NetworkAsync(string name, CancellationToken cancel)
    {
        var pool = options.PoolNetwork;
        var first = BitConverter.ToUInt32([.. pool.BaseAddress.GetAddressBytes().Reverse()]);
        var end = first + (1u << (32 - pool.PrefixLength));
        for (var from = end - 32; ; from -= 32)
        {
            var subnet = new IPNetwork(new IPAddress([.. BitConverter.GetBytes(from).Reverse()]), 27);
            try
            {
                await networks.CreateAsync(name, owned.Bridge(name), subnet.ToString(), egress: false, owned.Labels("probe"), cancel);
                return subnet;
            }
            catch (CloudException e) when (e.Fault is CloudFault.Conflict or CloudFault.AddressesTaken && from > first && end - from < 16 * 32)
            {
                // another installation is probing with it, or a workspace has it
            }
            catch (CloudException e) when (e.Fault is CloudFault.AddressesTaken)
            {
                // Not those of a plan: nobody must give up a workspace's addresses because of this.
                throw new CloudException(e.Service, CloudFault.Full, "no block of addresses is free to probe isolation with",
                    "Configure a larger pool (Clouds:Docker:Pool), or stop workspaces.", e);
            }
        }
    }

    /// <summary>The container's answer to a connection from the web account.</summary>
    private async Task<string> HearAsync(string id, CancellationToken cancel)
    {
        var (start, output) = (time.GetTimestamp(), "");
        while (time.GetElapsedTime(start) < Patience)
        {
            var now = await containerEngine.CallAsync(c => c.Containers.InspectContainerAsync(id, cancel), cancel);
            if (now.State is { Running: false })
            {
                var log = await NodeLogs.TailAsync(containerEngine, id, 3, time, cancel);
                Refuse($"the probe container exited immediately with code {now.State.ExitCode}: {string.Join(' ', log)} {now.State.Error}"
                    + "|Images must contain Perl (Debian's perl-base) and run under any uid: fix the image.");
            }

            if (now.NetworkSettings?.Networks?.Values.FirstOrDefault()?.IPAddress is { Length: > 0 } address
                && (output = await ConnectAsync(address, cancel)).Contains("end of probe", StringComparison.Ordinal))
            {
                return output;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(200), time, cancel);
        }

        Refuse($"the probe container cannot be reached from {(options.ProbeUser.Length > 0 ? $"the account {options.ProbeUser}" : "this process")}: {output}"
            + "|Use a container engine on this host, and allow local processes to reach its bridges.");
        return output;
    }

    private async Task<string> ConnectAsync(string address, CancellationToken cancel)
    {
        const string Command = "exec 3<>\"/dev/tcp/$0/$1\" && cat <&3";
        string[] asWeb = options.ProbeUser.Length > 0 && Environment.IsPrivilegedProcess
            ? ["setpriv", $"--reuid={options.ProbeUser}", "--regid=65534", "--clear-groups"]
            : ["env"];
        var result = await Tool.RunAsync(ContainerEngineFaults.Service, asWeb[0],
            [.. asWeb[1..], "timeout", "5", "bash", "-c", Command, address, Port.ToString(CultureInfo.InvariantCulture)], TimeSpan.FromSeconds(10), time,
            cancel);
        return $"{result.Output} {result.Complaint}";
    }

    private static void Judge(string output)
    {
        var lines = output.Split('\n', StringSplitOptions.TrimEntries);
        Must("root read-only", "its root file system is writable");
        Must("namespaces refused", "it lets a container create user namespaces");
        Must("capabilities 0000000000000000", "it lets a container keep capabilities");
        Must("privileges 1", "it lets a container gain privileges");
        Must("seccomp 2", "it does not apply the seccomp profile");
        Must("subvolumes refused", "its seccomp profile lets a container create btrfs subvolumes, which escape quotas");
        Must("rings refused", "its seccomp profile lets a container use io_uring, whose operations no profile can filter");
        Must("vsock refused", "its seccomp profile lets a container open VSOCK sockets, which reach the machine underneath this one");
        Must("ipv6 none", "a container has an IPv6 address, although the portal uses no IPv6");
        if (lines.FirstOrDefault(l => l.StartsWith("reached ", StringComparison.Ordinal)) is { } reached)
        {
            Refuse($"a container can reach the host at {reached[8..]}"
                + "|Check for a rule in the INPUT chain of iptables that precedes the portal's and accepts traffic from bridges, "
                + "and for a container engine whose bridges are not on this host.");
        }

        void Must(string line, string otherwise)
        {
            if (!lines.Contains(line, StringComparer.Ordinal))
            {
                Refuse($"{otherwise}|Nothing can be launched here until the container engine enforces this: use Debian's docker.io with its defaults.");
            }
        }
    }

    private async Task RemoveAsync(CancellationToken cancel)
    {
        foreach (var container in await containerEngine.ListAsync(owned.Mine("probe"), cancel))
        {
            await containerEngine.RemoveAsync(container.ID, cancel);
        }

        foreach (var network in await networks.ListAsync(owned.Mine("probe"), cancel))
        {
            await networks.RemoveAsync(network.ID, cancel);
        }
    }

    private static IEnumerable<IPAddress> OwnAddresses() => NetworkInterface.GetAllNetworkInterfaces()
        .Where(i => i.OperationalStatus is OperationalStatus.Up or OperationalStatus.Unknown && i.NetworkInterfaceType != NetworkInterfaceType.Loopback)
        .SelectMany(i => i.GetIPProperties().UnicastAddresses).Select(a => a.Address).Where(a => a.AddressFamily == AddressFamily.InterNetwork).Take(8);

    /// <param name="reason">Reason, a bar, and the remedy; null: nothing to refuse.</param>
    private static void Refuse(string? reason)
    {
        if (reason?.Split('|') is { } parts)
        {
            throw ContainerEngineFaults.Make(CloudFault.Refused, parts[0], parts[^1]);
        }
    }

    private static readonly Dictionary<string, string> NoVariables = new(StringComparer.Ordinal);
}
