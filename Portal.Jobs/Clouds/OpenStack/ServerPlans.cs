using System.Text.RegularExpressions;
using Portal.Core.Clouds;
using Portal.Core.Quotas;
using Portal.Jobs.Clouds.Containers;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>Turns a plan into what its stack needs: for each node a server of the smallest flavor that holds it, an address and a first script.</summary>
internal sealed partial class ServerPlans(Nova nova, HeatNames names, ServerOptions options, EngineKeys keys)
{
    /// <param name="addresses">Addresses that nodes already have.</param>
    public async Task<StackWish> OfAsync(ClusterPlan plan, IReadOnlyDictionary<string, string> addresses, CancellationToken cancel)
    {
        Check(plan);
        var (machines, image, authority) = (await nova.MachinesAsync(cancel), await nova.ImageAsync(cancel), options.Keys.Length > 0 ? keys.Authority : "");
        var key = new StackKey(plan.Workspace, plan.Generation);
        var portal = ServerOptions.NetworkOf(options.PortalAddress);
        var ports = options.AppRange ?? throw Refused("no range of ports for apps is set", $"Correct {ServerOptions.Section}:AppPorts.");
        var given = AddressesOf(plan, addresses);
        return new(key, plan.Subnet, [.. plan.Nodes.Select(node => new ServerWish(node.Name, names.ServerOf(key, node.Name), FlavorOf(machines, node).Name,
            given[node.Name], UserData.Of(new(key, node.Name, node.Uid, plan.Subnet, FoldersOf(node))
            {
                MountOptions = options.MountOptions,
                Program = options.Program,
                ClientAuthority = authority,
                Portal = portal,
                EnginePort = options.EnginePort,
                AppPorts = ports,
                Disks = [.. node.Folders.Select(f => f.Source).OfType<MountSource.OwnDisk>().Select(d => d.Name)],
            }), names.MetadataOf(key, node.Name, node.Role)))])
        {
            Portal = portal,
            Ports = [(options.EnginePort, options.EnginePort), ports],
            Router = options.Router,
            Image = image,
            BootLimit = options.BootLimit,
        };
    }

    /// <summary>The smallest flavor that holds a node and what its server needs for itself. Refused if none does.</summary>
    public static Flavor FlavorOf(Machines machines, NodePlan node)
    {
        var amounts = AmountsOf(node);
        return machines.For(amounts) ?? throw Refused(machines.Lacks(amounts) is Resource.Memory
            ? $"no flavor has {node.MemoryMib} MiB for the node {node.Name} and {machines.OverheadMib} MiB for its server"
            : $"no flavor has {amounts.Vcpu} vCPU for the node {node.Name}",
            "Choose a smaller node, or ask the administrators of the OpenStack cloud for a larger flavor.");
    }

    /// <summary>Whole processors, rounded up: no flavor has part of one.</summary>
    private static Amounts AmountsOf(NodePlan node) => new((int)Math.Ceiling(node.Vcpus), (int)node.MemoryMib, 0, 0);

    /// <summary>Folders on storage; those on the server's own disk are made by the program on the server.</summary>
    public static IReadOnlyList<ServerFolder> FoldersOf(NodePlan node) =>
        [.. from folder in node.Folders
            let export = folder.Source as MountSource.Export
            where export is not null
            select new ServerFolder(export.Location, export.SubPath, folder.Target, folder.ReadOnly)];

    private static IReadOnlyDictionary<string, string> AddressesOf(ClusterPlan plan, IReadOnlyDictionary<string, string> kept)
    {
        try { return StackParts.AddressesOf(plan.Subnet, [.. plan.Nodes.Select(n => n.Name)], kept); }
        catch (ArgumentException e) { throw Refused(e.Message, "Choose fewer nodes."); }
    }

    private static void Check(ClusterPlan plan)
    {
        foreach (var node in plan.Nodes)
        {
            if (!NodeName().IsMatch(node.Name)) throw Refused($"'{node.Name}' is not a valid node name", "Fix the template.");
            if (node.Folders.Any(f => f.Source is MountSource.HostPath)) throw Refused("a folder is on the portal's own host", "Fix the pool's storage.");
        }
        if (plan.Nodes.Select(n => n.Name).Distinct(StringComparer.Ordinal).Count() != plan.Nodes.Count)
            throw Refused("two nodes have the same name", "Fix the template.");
    }

    private static CloudException Refused(string message, string whatToDo) =>
        new(Services.Nova, CloudFault.Refused, $"the plan is not allowed: {message}", whatToDo);

    [GeneratedRegex("^[a-z][a-z0-9-]{0,30}$", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex NodeName();
}
