using Docker.DotNet.Models;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;

namespace Portal.Jobs.Clouds.Docker;

/// <summary>The container of a node on the portal's own host: its folders are paths of this host, its network is the workspace's.</summary>
public sealed class NodeRecipe(Owned owned, DockerOptions options, Identities identities)
{
    private const int Addresses = 32; // of a workspace

    /// <inheritdoc cref="ContainerRecipe.StateHash"/>
    public static string StateHash(ClusterPlan plan, NodePlan node, SeccompProfile profile) =>
        ContainerRecipe.StateHash(plan, node, profile, FoldersOf(node));

    /// <summary>Throws <see cref="CloudFault.Refused"/> for a plan that cannot come from the portal's own templates.</summary>
    public static void Check(ClusterPlan plan)
    {
        ContainerRecipe.Check(plan);
        foreach (var folder in plan.Nodes.SelectMany(n => n.Folders))
        {
            ContainerRecipe.Refuse(folder.Source is not (MountSource.HostPath or MountSource.Content),
                "a folder is not mounted on the container engine's host");
            ContainerRecipe.Refuse(!ContainerRecipe.IsPlainPath(PathOf(folder)), "a folder is not given as a full path");
        }
    }

    /// <summary>The container of a workspace's node.</summary>
    public CreateContainerParameters Describe(ClusterPlan plan, NodePlan node, SeccompProfile profile) =>
        Describe(owned.Container(plan.Workspace, plan.Generation, node.Name), owned.Network(plan.Workspace, plan.Generation),
            owned.Labels(plan, node, StateHash(plan, node, profile)), node with { Environment = WithEgressProxy(plan, node.Environment) }, profile);

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
        return ContainerRecipe.Describe(new(name, new NodeNetwork.Named(network), node, labels, passwd, group, [.. FoldersOf(node)], profile)
        {
            TmpPercent = options.TmpPercent,
            HomeMib = options.HomeMib,
        });
    }

    private static IEnumerable<BoundFolder> FoldersOf(NodePlan node) => node.Folders.Select(f => new BoundFolder(PathOf(f), f.Target, f.ReadOnly));

    /// <summary>Of a plan that was checked.</summary>
    private static string PathOf(FolderPlan folder) => folder.Source is MountSource.Content content ? content.Path : ((MountSource.HostPath)folder.Source).Path;
}
