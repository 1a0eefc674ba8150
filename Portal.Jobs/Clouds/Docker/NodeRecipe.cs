using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.RegularExpressions;
using Docker.DotNet.Models;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;

namespace Portal.Jobs.Clouds.Docker;

/// <summary>Turns a node of a plan into a container: every limit and isolation setting is here.</summary>
public sealed partial class NodeRecipe(Owned owned, DockerOptions options, Identities identities)
{
    private const int Addresses = 32; // of a workspace
    private const int LeastTmpMib = 64; // the default of container engines
    private const int Version = 2; // increase when Describe changes: containers of running workspaces keep theirs until their next generation

    /// <summary>
    /// Hash of the wanted state of this node. It covers our own plan, not the package's model, so that a package upgrade replaces nothing; of the
    /// secrets it covers only the names.
    /// </summary>
    public static string StateHash(ClusterPlan plan, NodePlan node, SeccompProfile profile)
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
            Folders = node.Folders.Select(f => new { Source = PathOf(f), f.Target, f.ReadOnly }),
            node.MemoryMib,
            node.Vcpus,
            node.Pids,
        };
        return Convert.ToHexStringLower(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(wanted)))[..16];
    }

    /// <summary>Throws <see cref="CloudFault.Refused"/> for a plan that cannot come from the portal's own templates.</summary>
    public static void Check(ClusterPlan plan)
    {
        foreach (var node in plan.Nodes)
        {
            Wrong(!NodeName().IsMatch(node.Name), $"'{node.Name}' is not a valid node name");
            Wrong(!ImageId().IsMatch(node.Image), $"image '{node.Image}' is not pinned by its ID");
            Wrong(node.Uid < 1000, $"uid {node.Uid} belongs to the host");
            Wrong(node.MemoryMib < 16 || node.Vcpus is < 0.01 or > 1024 || node.Pids < 16, "a limit is missing");
            Wrong(node.Environment.Keys.Concat(node.Secrets.Keys).Any(k => k.Length == 0 || k.Contains('=', StringComparison.Ordinal)),
                "an environment variable has an invalid name");
            Wrong(node.Folders.Any(f => f.Source is not MountSource.HostPath), "a folder is not mounted on the container engine's host");
            Wrong(node.Folders.Any(f =>
                !Path.IsPathFullyQualified(PathOf(f)) || !Path.IsPathFullyQualified(f.Target) || Dotted(PathOf(f)) || Dotted(f.Target)),
                "a folder is not given as a full path");
        }

        Wrong(plan.Nodes.Select(n => n.Name).Distinct(StringComparer.Ordinal).Count() != plan.Nodes.Count, "two nodes have the same name");

        static bool Dotted(string path) => path.Split('/').Contains("..", StringComparer.Ordinal);

        static void Wrong(bool so, string message)
        {
            if (so)
            {
                throw ContainerEngineFaults.Make(CloudFault.Refused, $"the plan is not allowed: {message}", "Fix the template.");
            }
        }
    }

    /// <summary>The container of a workspace's node.</summary>
    public CreateContainerParameters Describe(ClusterPlan plan, NodePlan node, SeccompProfile profile)
    {
        var labels = owned.Labels(plan.Workspace, plan.Generation);
        labels[Owned.Vcpus] = node.Vcpus.ToString(CultureInfo.InvariantCulture);
        labels[Owned.Role] = node.Role;
        labels[Owned.Node] = node.Name;
        labels[Owned.State] = StateHash(plan, node, profile);
        return Describe(owned.Container(plan.Workspace, plan.Generation, node.Name), owned.Network(plan.Workspace, plan.Generation), labels,
            node with { Environment = WithEgressProxy(plan, node.Environment) }, profile);
    }

    /// <summary>Variables that pip, git, curl and Python read. Nodes of the workspace are reached
    /// without the proxy, including those that a resize adds.</summary>
    private IReadOnlyDictionary<string, string> WithEgressProxy(ClusterPlan plan, IReadOnlyDictionary<string, string> environment)
    {
        if (options.EgressEndpoint is not { } proxy) return environment;
        var near = plan.Nodes.SelectMany(n => n.Name == n.Role ? [n.Name] : Enumerable.Range(0, Addresses).Select(i => $"{n.Role}{i}").Prepend(n.Name))
            .Distinct(StringComparer.Ordinal);
        var (to, never) = ($"http://{proxy}", string.Join(',', [.. near, "localhost", "127.0.0.1", plan.Subnet]));
        return new Dictionary<string, string>(environment, StringComparer.Ordinal)
        {
            ["PORTAL_EGRESS_PROXY"] = to,
            ["http_proxy"] = to,
            ["https_proxy"] = to,
            ["HTTPS_PROXY"] = to,
            ["no_proxy"] = never,
            ["NO_PROXY"] = never,
        };
    }

    /// <summary>The same container under any name and labels, so that the probe tests exactly what a student gets.</summary>
    public CreateContainerParameters Describe(string name, string network, IDictionary<string, string> labels, NodePlan node, SeccompProfile profile)
    {
        var (passwd, group) = identities.Ensure(node.Uid);
        var tmpMib = Math.Max(LeastTmpMib, node.MemoryMib * options.TmpPercent / 100);
        return new CreateContainerParameters
        {
            Name = name,
            Image = node.Image,
            Hostname = node.Name,
            User = $"{node.Uid}:{node.Uid}",
            Cmd = [.. node.Command],
            Env = [.. node.Environment.Concat(node.Secrets).OrderBy(e => e.Key, StringComparer.Ordinal).Select(e => $"{e.Key}={e.Value}")],
            Labels = labels,
            StopTimeout = TimeSpan.FromSeconds(10),
            HostConfig = new HostConfig
            {
                NetworkMode = network,
                NanoCPUs = (long)(node.Vcpus * 1e9),
                Memory = node.MemoryMib << 20,
                MemorySwap = node.MemoryMib << 20, // same as memory: no swap
                PidsLimit = node.Pids,
                CapDrop = ["ALL"],
                SecurityOpt = ["no-new-privileges", "seccomp=" + profile.Json],
                ReadonlyRootfs = true,
                Tmpfs = new Dictionary<string, string>(StringComparer.Ordinal)
                {
                    ["/tmp"] = $"size={tmpMib}m,uid={node.Uid},gid={node.Uid},mode=700,exec,nosuid,nodev", // exec: Java software unpacks native libraries there
                    ["/home/student"] = $"size={options.HomeMib}m,uid={node.Uid},gid={node.Uid},mode=700,nosuid,nodev",
                },
                Mounts = [Bind(passwd, "/etc/passwd", readOnly: true), Bind(group, "/etc/group", readOnly: true),
                    .. node.Folders.Select(f => Bind(PathOf(f), f.Target, f.ReadOnly))],
                LogConfig = new LogConfig
                {
                    Type = "json-file",
                    Config = new Dictionary<string, string>(StringComparer.Ordinal) { ["max-size"] = "5m", ["max-file"] = "2" }
                },
                Ulimits = [new Ulimit { Name = "nofile", Soft = 8192, Hard = 8192 }, new Ulimit { Name = "core", Soft = 0, Hard = 0 }],
                ExtraHosts = ["any:0.0.0.0"], // Hadoop looks up the name of its bind address
                // The container engine would forward DNS queries to the host's name servers, and data could leave that way. Nothing
                // listens at this address: names of other nodes resolve, everything else fails after a second.
                DNS = ["127.0.0.1"],
                DNSOptions = ["timeout:1", "attempts:1"],
                IpcMode = "private",
                ShmSize = tmpMib << 20,
            },
            NetworkingConfig =
                new NetworkingConfig
                {
                    EndpointsConfig = new Dictionary<string, EndpointSettings>(StringComparer.Ordinal) { [network] = new() { Aliases = [node.Name] } }
                },
        };
    }

    /// <summary>Of a plan that was checked.</summary>
    private static string PathOf(FolderPlan folder) => ((MountSource.HostPath)folder.Source).Path;

    private static Mount Bind(string source, string target, bool readOnly) => new()
    {
        Type = "bind",
        Source = source,
        Target = target,
        ReadOnly = readOnly,
        BindOptions = new BindOptions { Propagation = "rprivate" },
    };

    [GeneratedRegex("^[a-z][a-z0-9-]{0,30}$", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex NodeName();

    [GeneratedRegex("^sha256:[0-9a-f]{64}$", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex ImageId();
}
