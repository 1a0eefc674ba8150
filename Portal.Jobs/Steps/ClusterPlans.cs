using System.Globalization;
using Portal.Core.Access;
using Portal.Core.Catalog;
using Portal.Core.Clouds;
using Portal.Core.Policy;
using Portal.Core.Workspaces;
using Portal.Jobs.Catalog;
using Portal.Jobs.Leases;

namespace Portal.Jobs.Steps;

/// <summary>Access to the folders of a workspace's nodes.</summary>
/// <param name="Missing">The answer for a folder that is not accessible; null if all are.</param>
public sealed record FolderAccess(IReadOnlyDictionary<FolderRef, MountSource> Sources, AccessAnswer? Missing)
{
    /// <summary>What a step does while a folder is not accessible; null if all are.</summary>
    public async Task<StepAnswer?> WaitAsync(HeldRun run, StepClock clock, CloudTimes times, CancellationToken cancel) => Missing switch
    {
        null => null,
        AccessAnswer.Failed failed => new StepAnswer.Fail(failed.Cause, failed.Remedy),
        AccessAnswer.Asked asked => await clock.WaitAtMostAsync(run, asked.Why, lookAgainIn: null, times.Make, cancel),
        _ => throw new InvalidOperationException("A folder that is not accessible must say why."),
    };
}

/// <summary>Turns a template, a size and a number of workers into the plan for a cloud. Paths, uids, images and commands have no other source.</summary>
public sealed class ClusterPlans(AppToken tokens, TemplateStore store)
{
    public const string WorkFolder = "/home/student/work", ScratchFolder = "/scratch", ExamplesFolder = "/opt/examples";

    /// <summary>Asks for access to every folder that the nodes mount, all of them before it says that one is missing.</summary>
    /// <param name="now">The workspace with its addresses.</param>
    public async Task<FolderAccess> AllowAsync(RunFacts facts, Workspace now, CancellationToken cancel)
    {
        var sources = new Dictionary<FolderRef, MountSource>();
        AccessAnswer? missing = null;
        foreach (var folder in facts.Nodes.Select(facts.ScratchOf).OfType<FolderRef>().Prepend(facts.WorkFolder))
        {
            var answer = await facts.Kit.Shares.AllowAsync(new(now.Id, now.Generation, folder), now.Subnet!, cancel);
            if (answer is AccessAnswer.Active active) sources[folder] = active.Source;
            else if (missing is not AccessAnswer.Failed) missing = answer;
        }
        return new(sources, missing);
    }

    /// <param name="now">The workspace with its current generation and addresses.</param>
    /// <param name="access">All of it active.</param>
    public ClusterPlan Make(RunFacts facts, Workspace now, FolderAccess access)
    {
        var settings = ParameterPolicy.Environment(facts.Spec, now.Parameters);
        var worker = facts.Nodes.FirstOrDefault(n => n.Role.Workers is not null);
        return new(now.Id, now.Generation, now.Subnet!, [.. facts.Nodes.Select(node => new NodePlan(
            node.Name, node.Role.Name, facts.Images[node.Role.Image], facts.Person.Uid, node.Role.Command,
            Environment(facts.Spec, node, worker, settings, now.WithoutSettings), Changing(facts, now, node), Folders(facts, node, access.Sources),
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

    private List<FolderPlan> Folders(RunFacts facts, NodeShape node, IReadOnlyDictionary<FolderRef, MountSource> sources)
    {
        var folders = new List<FolderPlan>();
        if (node.Role.Files) folders.Add(new(sources[facts.WorkFolder], WorkFolder, ReadOnly: false));
        if (facts.ScratchOf(node) is { } scratch) folders.Add(new(sources[scratch], ScratchFolder, ReadOnly: false));
        if (node.Role.Token is not null && store.Examples(facts.Version) is { } examples)
            folders.Add(new(new MountSource.Content(examples, facts.Version.Hash), ExamplesFolder, ReadOnly: true));
        return folders;
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
