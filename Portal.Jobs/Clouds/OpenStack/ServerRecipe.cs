using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>
/// The container of a node on its server. It shares the server's network, in which the server's firewall isolates it by uid (see
/// infra/images/server); everything else is as in every container engine.
/// </summary>
internal sealed class ServerRecipe(Owned owned, ServerOptions options)
{
    private const string Identity = "/etc/portal/identity", Disks = "/var/lib/portal/disk";

    /// <param name="addresses">Of every node of the plan.</param>
    public NodeContainer Of(ClusterPlan plan, NodePlan node, IReadOnlyDictionary<string, string> addresses, SeccompProfile profile)
    {
        var exports = UserData.PathsOf(ServerPlans.FoldersOf(node));
        List<BoundFolder> folders = [.. node.Folders.Select(f => new BoundFolder(PathOf(f), f.Target, f.ReadOnly))];
        var labels = owned.Labels(plan, node, ContainerRecipe.StateHash(plan, node, profile, folders));
        return new(owned.Container(plan.Workspace, plan.Generation, node.Name), new NodeNetwork.Host(), node, labels,
            $"{Identity}/passwd", $"{Identity}/group", folders, profile)
        {
            Hosts = [.. addresses.OrderBy(a => a.Key, StringComparer.Ordinal).Select(a => $"{a.Key}:{a.Value}")],
            TmpPercent = options.TmpPercent,
            HomeMib = options.HomeMib,
        };

        string PathOf(FolderPlan folder) => folder.Source switch
        {
            MountSource.Export export => exports[(export.Location, export.SubPath)],
            MountSource.OwnDisk disk => $"{Disks}/{disk.Name}",
            MountSource.Content content => ServerContent.PlaceOf(content),
            _ => throw new CloudException(Services.Nova, CloudFault.Refused, "the plan is not allowed: a folder is on the portal's own host",
                "Fix the pool's storage."),
        };
    }
}
