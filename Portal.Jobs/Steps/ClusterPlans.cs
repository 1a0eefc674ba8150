using System.Globalization;
using Portal.Core.Access;
using Portal.Core.Catalog;
using Portal.Core.Clouds;
using Portal.Core.Policy;
using Portal.Core.Workspaces;
using Portal.Jobs.Catalog;

namespace Portal.Jobs.Steps;

/// <summary>Turns a template, a size and a number of workers into the plan for a cloud. Paths, uids, images and commands have no other source.</summary>
public sealed class ClusterPlans(IShareCloud shares, AppToken tokens, TemplateStore store)
{
    public const string WorkFolder = "/home/student/work", ScratchFolder = "/scratch", ExamplesFolder = "/opt/examples";

    /// <summary>Mounts what the nodes need on the workspace's host; returns the path by node, "" for the work folder.</summary>
    public async Task<IReadOnlyDictionary<string, string>> MountAsync(RunFacts facts, Workspace now, CancellationToken cancel)
    {
        var paths = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            [""] = await shares.AllowAsync(new(now.Id, now.Generation, now.ClassId, now.PersonId), cancel)
        };
        foreach (var node in facts.Nodes.Where(n => n.Role.ScratchGib > 0))
            paths[node.Name] = await shares.AllowAsync(new(now.Id, now.Generation, now.ClassId, now.PersonId, node.Name), cancel);
        return paths;
    }

    /// <param name="now">The workspace with its current generation and addresses.</param>
    public async Task<ClusterPlan> MakeAsync(RunFacts facts, Workspace now, CancellationToken cancel)
    {
        var paths = await MountAsync(facts, now, cancel);
        var settings = ParameterPolicy.Environment(facts.Spec, now.Parameters);
        var worker = facts.Nodes.FirstOrDefault(n => n.Role.Workers is not null);
        return new(now.Id, now.Generation, now.Subnet!, [.. facts.Nodes.Select(node => new NodePlan(
            node.Name, node.Role.Name, facts.ImageIds[node.Role.Image], facts.Person.Uid, node.Role.Command,
            Environment(facts.Spec, node, worker, settings, now.WithoutSettings), Changing(facts, now, node), Folders(facts, node, paths),
            node.Size.MemoryMib, node.Size.Vcpu)
        { Pids = node.Role.Pids })]);
    }

    /// <summary>Environment of every node. It must not change while the workspace is running, because it is part of the node's state hash.</summary>
    private static Dictionary<string, string> Environment(
        TemplateSpec spec, NodeShape node, NodeShape? worker, IReadOnlyDictionary<string, string> settings, bool withoutSettings)
    {
        var environment = new Dictionary<string, string>(node.Role.Environment, StringComparer.Ordinal);
        foreach (var (name, value) in settings) environment[name] = value;
        (environment["PORTAL_NODE"], environment["PORTAL_TEMPLATE"]) = (node.Name, spec.Id);
        (environment["PORTAL_VCPUS"], environment["PORTAL_MEMORY_MIB"]) = (Text(node.Size.Vcpu), Text(node.Size.MemoryMib));
        if (worker is not null)
            (environment["PORTAL_WORKER_VCPUS"], environment["PORTAL_WORKER_MEMORY_MIB"]) = (Text(worker.Size.Vcpu), Text(worker.Size.MemoryMib));
        if (node.Role.ScratchGib > 0) environment["SCRATCH"] = ScratchFolder;
        if (withoutSettings) environment["PORTAL_WITHOUT_SETTINGS"] = "1"; // read by the start scripts of the images
        return environment;
    }

    private Dictionary<string, string> Changing(RunFacts facts, Workspace now, NodeShape node)
    {
        var changing = new Dictionary<string, string>(StringComparer.Ordinal);
        if (node.Role.Token is { } variable && facts.Spec.Apps.FirstOrDefault(a => a.Role == node.Role.Name) is { } app)
            changing[variable] = tokens.Of(now.Id, now.Generation, app.Id);
        if (facts.Spec.WorkerRole() is null) return changing;
        changing["PORTAL_WORKERS"] = Text(facts.Workers);
        changing["PORTAL_SECRET"] = tokens.Of(now.Id, now.Generation, "cluster");
        return changing;
    }

    private List<FolderPlan> Folders(RunFacts facts, NodeShape node, IReadOnlyDictionary<string, string> paths)
    {
        var folders = new List<FolderPlan>();
        if (node.Role.Files) folders.Add(new(paths[""], WorkFolder, ReadOnly: false));
        if (node.Role.ScratchGib > 0) folders.Add(new(paths[node.Name], ScratchFolder, ReadOnly: false));
        if (node.Role.Token is not null && store.Examples(facts.Version) is { } examples) folders.Add(new(examples, ExamplesFolder, ReadOnly: true));
        return folders;
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
