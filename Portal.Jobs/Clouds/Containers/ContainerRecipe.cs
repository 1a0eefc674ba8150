using System.Security.Cryptography;
using System.Text.Json;
using System.Text.RegularExpressions;
using Docker.DotNet.Models;
using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.Containers;

/// <summary>Turns a node into a container: every limit and isolation setting is here, and the same on every container engine.</summary>
public static partial class ContainerRecipe
{
    private const int LeastTmpMib = 64; // the default of container engines
    private const int Version = 2; // increase when Describe changes: containers of running workspaces keep theirs until their next generation

    /// <summary>
    /// Hash of the wanted state of this node. It covers our own plan, not the package's model, so that a package upgrade replaces nothing; of the
    /// secrets it covers only the names.
    /// </summary>
    /// <param name="folders">What will be mounted, as in <see cref="NodeContainer.Folders"/>.</param>
    public static string StateHash(ClusterPlan plan, NodePlan node, SeccompProfile profile, IEnumerable<BoundFolder> folders)
    {
        var wanted = new
        {
            Version,
            plan.Workspace,
            plan.Generation,
            plan.Subnet,
            Profile = profile.Hash,
            node.Name,
            node.Role,
            node.Image,
            node.Uid,
            node.Command,
            Environment = node.Environment.OrderBy(e => e.Key, StringComparer.Ordinal),
            Secrets = node.Secrets.Keys.Order(StringComparer.Ordinal),
            Folders = folders.Select(f => new { f.Source, f.Target, f.ReadOnly }),
            node.MemoryMib,
            node.Vcpus,
            node.Pids,
        };
        return Convert.ToHexStringLower(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(wanted)))[..16];
    }

    /// <summary>Throws <see cref="CloudFault.Refused"/> for a plan that cannot come from the portal's own templates, whatever its folders' sources.</summary>
    public static void Check(ClusterPlan plan)
    {
        foreach (var node in plan.Nodes)
        {
            Refuse(!NodeName().IsMatch(node.Name), $"'{node.Name}' is not a valid node name");
            Refuse(!ImageId().IsMatch(node.Image), $"image '{node.Image}' is not pinned by its ID");
            Refuse(node.Uid < 1000, $"uid {node.Uid} belongs to the host");
            Refuse(node.MemoryMib < 16 || node.Vcpus is < 0.01 or > 1024 || node.Pids < 16, "a limit is missing");
            Refuse(node.Environment.Keys.Concat(node.Secrets.Keys).Any(k => k.Length == 0 || k.Contains('=', StringComparison.Ordinal)),
                "an environment variable has an invalid name");
            Refuse(node.Folders.Any(f => !IsPlainPath(f.Target)), "a folder is not given as a full path");
        }

        Refuse(plan.Nodes.Select(n => n.Name).Distinct(StringComparer.Ordinal).Count() != plan.Nodes.Count, "two nodes have the same name");
    }

    /// <summary>Whether a path is full, and does not climb.</summary>
    public static bool IsPlainPath(string path) => Path.IsPathFullyQualified(path) && !path.Split('/').Contains("..", StringComparer.Ordinal);

    /// <summary>Throws <see cref="CloudFault.Refused"/> if so.</summary>
    /// <param name="message">What is wrong with the plan.</param>
    public static void Refuse(bool so, string message)
    {
        if (so)
        {
            throw ContainerEngineFaults.Make(CloudFault.Refused, $"the plan is not allowed: {message}", "Fix the template.");
        }
    }

    /// <summary>What to ask a container engine for.</summary>
    public static CreateContainerParameters Describe(NodeContainer wanted)
    {
        var node = wanted.Node;
        return new CreateContainerParameters
        {
            Name = wanted.Name,
            Image = node.Image,
            Hostname = node.Name,
            User = $"{node.Uid}:{node.Uid}",
            Cmd = [.. node.Command],
            Env = [.. node.Environment.Concat(node.Secrets).OrderBy(e => e.Key, StringComparer.Ordinal).Select(e => $"{e.Key}={e.Value}")],
            Labels = wanted.Labels,
            StopTimeout = TimeSpan.FromSeconds(10),
            HostConfig = HostOf(wanted, node),
            NetworkingConfig = wanted.Network is NodeNetwork.Named { Name: var network }
                ? new NetworkingConfig
                {
                    EndpointsConfig = new Dictionary<string, EndpointSettings>(StringComparer.Ordinal) { [network] = new() { Aliases = [node.Name] } }
                }
                : null,
        };
    }

    private static HostConfig HostOf(NodeContainer wanted, NodePlan node)
    {
        var tmpMib = Math.Max(LeastTmpMib, node.MemoryMib * wanted.TmpPercent / 100);
        return new HostConfig
        {
            NetworkMode = wanted.Network is NodeNetwork.Named { Name: var network } ? network : "host",
            NanoCPUs = (long)(node.Vcpus * 1e9),
            Memory = node.MemoryMib << 20,
            MemorySwap = node.MemoryMib << 20, // same as memory: no swap
            PidsLimit = node.Pids,
            CapDrop = ["ALL"],
            SecurityOpt = ["no-new-privileges", "seccomp=" + wanted.Profile.Json],
            ReadonlyRootfs = true,
            Tmpfs = new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["/tmp"] = $"size={tmpMib}m,uid={node.Uid},gid={node.Uid},mode=700,exec,nosuid,nodev", // exec: Java software unpacks native libraries there
                ["/home/student"] = $"size={wanted.HomeMib}m,uid={node.Uid},gid={node.Uid},mode=700,nosuid,nodev",
            },
            Mounts = [Bind(new(wanted.Passwd, "/etc/passwd", ReadOnly: true)), Bind(new(wanted.Group, "/etc/group", ReadOnly: true)),
                .. wanted.Folders.Select(Bind)],
            LogConfig = new LogConfig
            {
                Type = "json-file",
                Config = new Dictionary<string, string>(StringComparer.Ordinal) { ["max-size"] = "5m", ["max-file"] = "2" }
            },
            Ulimits = [new Ulimit { Name = "nofile", Soft = 8192, Hard = 8192 }, new Ulimit { Name = "core", Soft = 0, Hard = 0 }],
            ExtraHosts = ["any:0.0.0.0", .. wanted.Hosts], // any: Hadoop looks up the name of its bind address
            // The container engine would forward DNS queries to the host's name servers, and data could leave that way. Nothing
            // listens at this address: names of other nodes resolve, everything else fails after a second.
            DNS = ["127.0.0.1"],
            DNSOptions = ["timeout:1", "attempts:1"],
            IpcMode = "private",
            ShmSize = tmpMib << 20,
        };
    }

    private static Mount Bind(BoundFolder folder) => new()
    {
        Type = "bind",
        Source = folder.Source,
        Target = folder.Target,
        ReadOnly = folder.ReadOnly,
        BindOptions = new BindOptions { Propagation = "rprivate" },
    };

    [GeneratedRegex("^[a-z][a-z0-9-]{0,30}$", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex NodeName();

    [GeneratedRegex("^sha256:[0-9a-f]{64}$", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex ImageId();
}
