using System.Collections.Immutable;
using System.Globalization;
using Portal.Core.Quotas;

namespace Portal.Core.Catalog;

/// <param name="Name">Host name inside the workspace's network: notebook, worker0 …</param>
public sealed record NodeShape(string Name, RoleSpec Role, NodeSize Size)
{
    /// <summary>What it takes from quotas, including its scratch folder.</summary>
    public Amounts Amounts => new(Size.Vcpu, Size.MemoryMib, Role.ScratchGib, 0);

    /// <summary>Its vCPU and memory.</summary>
    public Amounts Limits => new(Size.Vcpu, Size.MemoryMib, 0, 0);
}

/// <summary>An app of one node, with its name in the host name; if a role has several nodes, each has its own app.</summary>
/// <param name="Id">First part of the host name, such as lab or node-2.</param>
/// <param name="Node">Name of the node that serves it.</param>
public sealed record AppOnNode(string Id, string Title, AppSpec Spec, string Node);

/// <summary>Which nodes and apps a template has, given a size and a number of workers. The only place that counts them.</summary>
public static class ClusterShape
{
    /// <summary>The role whose number of nodes can be chosen; null if there is none.</summary>
    public static RoleSpec? WorkerRole(this TemplateSpec spec) => spec.Roles.FirstOrDefault(r => r.Workers is not null);

    /// <summary>The number of workers if none was given; 0 for a template without workers.</summary>
    public static int DefaultWorkers(this TemplateSpec spec) => spec.WorkerRole()?.Workers!.Default ?? 0;

    /// <summary>Whether the template can have this many workers.</summary>
    public static bool Allows(this TemplateSpec spec, int workers) =>
        spec.WorkerRole()?.Workers is { } range ? workers >= range.Min && workers <= range.Max : workers == 0;

    /// <summary>Every node, in the order of the template's roles. Empty if the template does not have the size.</summary>
    public static IReadOnlyList<NodeShape> Nodes(this TemplateSpec spec, string size, int workers) => spec.Size(size) is not { } all ? [] :
    [
        .. spec.Roles.SelectMany(role =>
            role.Names(workers).Select(name => new NodeShape(name, role, role.Sizes.TryGetValue(size, out var own) ? own : new(all.Vcpu, all.MemoryMib)))),
    ];

    /// <summary>What a choice takes from quotas: all nodes and their scratch folders together.</summary>
    public static Amounts Amounts(this TemplateSpec spec, string size, int workers) =>
        spec.Nodes(size, workers).Aggregate(Quotas.Amounts.None, (sum, n) => sum + n.Amounts);

    /// <summary>vCPU and memory of each node of a choice.</summary>
    public static ImmutableArray<Amounts> NodeLimits(this TemplateSpec spec, string size, int workers) => [.. spec.Nodes(size, workers).Select(n => n.Limits)];

    /// <summary>Every app; if a role has several nodes, its apps once for each of them.</summary>
    public static IReadOnlyList<AppOnNode> AppsOnNodes(this TemplateSpec spec, int workers) =>
    [
        .. from app in spec.Apps
           let role = spec.Roles.First(r => r.Name == app.Role)
           from node in role.Names(workers).Select((name, at) => (name, at))
           select role.IsSingle
               ? new AppOnNode(app.Id, app.Title, app, node.name)
               : new AppOnNode(string.Create(CultureInfo.InvariantCulture, $"{app.Id}-{node.at}"), $"{app.Title} {node.name}", app, node.name),
    ];

    /// <summary>The app whose token the node of this app was given: the first of its role; null if the role asks for none.</summary>
    public static string? TokenApp(this TemplateSpec spec, AppSpec app) =>
        spec.Roles.First(r => r.Name == app.Role).Token is null ? null : spec.Apps.First(a => a.Role == app.Role).Id;

    // Callers and rows may contain any number; the result stays within what the role allows.
    private static IEnumerable<string> Names(this RoleSpec role, int workers) =>
        role.IsSingle
            ? [role.Name]
            : Enumerable.Range(0, role.Workers is { } range ? Math.Clamp(workers, 0, range.Max) : role.Count)
                .Select(i => string.Create(CultureInfo.InvariantCulture, $"{role.Name}{i}"));
}
