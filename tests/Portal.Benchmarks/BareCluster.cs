using System.Globalization;
using Docker.DotNet.Models;
using Portal.Core.Catalog;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;
using Portal.Jobs.Clouds.Docker;
using Portal.Jobs.Proofs;
using Portal.Jobs.Steps;
using Portal.TestKit.Clouds;
using NodeStatus = Portal.Core.Clouds.NodeStatus;

namespace Portal.Benchmarks;

/// <summary>
/// The baseline for a cluster: the containers that the product created, recreated by direct calls to the container engine: same image, command, environment,
/// limits and isolation, on a network and empty folders of their own.
/// </summary>
internal sealed class BareCluster(CloudLab lab, TemplateSpec spec, IReadOnlyList<ContainerInspectResponse> like)
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(10), Patience = TimeSpan.FromMinutes(4);

    /// <summary>Time until every worker has registered, every app answers and a kernel computed, and until
    /// the first result computed by workers. Removed when this returns.</summary>
    public async Task<(TimeSpan Ready, TimeSpan Result)> RunAsync(string code, string value, CancellationToken cancel)
    {
        var workspace = CloudLab.New();
        var network = lab.Owned.Network(workspace, 1);
        var subnet = await lab.SubnetAsync();
        var wanted = new List<CreateContainerParameters>();
        foreach (var node in like) wanted.Add(await AgainAsync(node, workspace, network));
        using var client = new NotebookClient(TokenOf(spec, like));
        using var counts = new EngineCounts(TimeProvider.System);

        var start = TimeProvider.System.GetTimestamp();
        await lab.Get<Networks>().CreateAsync(network, lab.Owned.Bridge(network), subnet, egress: false, lab.Owned.Labels(workspace, 1), cancel);
        var made = await Task.WhenAll(wanted.Select(async w =>
        {
            var id = await lab.ContainerEngine.CreateAsync(w, cancel);
            await lab.ContainerEngine.CallAsync(e => e.Containers.StartContainerAsync(id, new ContainerStartParameters(), cancel), cancel);
            var now = await lab.ContainerEngine.CallAsync(e => e.Containers.InspectContainerAsync(id, cancel), cancel);
            return new NodeStatus(now.Config!.Hostname, "", 1, NodeState.Running, null, false, AddressOf(now), "");
        }));
        await CompleteAsync(counts, made, cancel);
        var notebook = made.Single(n => n.Name == NotebookOf(spec).Name).Address!;
        await client.AnswersAsync(notebook, cancel);
        await client.ComputesAsync(notebook, "6*7", "42", cancel);
        var ready = TimeProvider.System.GetElapsedTime(start);
        await client.ComputesAsync(notebook, code, value, cancel);
        var result = TimeProvider.System.GetElapsedTime(start);
        await lab.ContainerEngine.EachAsync(await lab.ContainerEngine.ListAsync(lab.Owned.Mine(workspace), cancel),
            c => lab.ContainerEngine.RemoveAsync(c.ID, cancel), cancel);
        await lab.Get<Networks>().RemoveAsync(network, cancel);
        return (ready, result);
    }

    /// <summary>The container engine's description of the containers of a workspace.</summary>
    public static async Task<IReadOnlyList<ContainerInspectResponse>> OfAsync(CloudLab lab, Guid workspace, CancellationToken cancel) =>
        await Task.WhenAll(
            (await lab.ContainerEngine.ListAsync(lab.Owned.Mine(workspace), cancel))
                .Select(c => lab.ContainerEngine.CallAsync(e => e.Containers.InspectContainerAsync(c.ID, cancel), cancel)));

    public static RoleSpec NotebookOf(TemplateSpec spec) => spec.Roles.Single(r => r.Token is not null);

    public static string TokenOf(TemplateSpec spec, IReadOnlyList<ContainerInspectResponse> nodes) =>
        nodes.Single(n => n.Config!.Hostname == NotebookOf(spec).Name).Config!.Env!.Single(e =>
            e.StartsWith($"{NotebookOf(spec).Token}=", StringComparison.Ordinal)).Split('=', 2)[1];

    public static string AddressOf(ContainerInspectResponse node) => node.NetworkSettings!.Networks!.Values.Single().IPAddress;

    private int Workers => like.Count(n => spec.WorkerRole() is { } role && n.Config!.Hostname.StartsWith(role.Name, StringComparison.Ordinal));

    private async Task CompleteAsync(EngineCounts counts, IReadOnlyList<NodeStatus> nodes, CancellationToken cancel)
    {
        foreach (var count in spec.Roles.SelectMany(r => r.Registered))
            await UntilAsync($"{count.Title} is not {Workers}", async () => await counts.CountAsync(nodes, count, cancel) == Workers, cancel);
        foreach (var app in spec.AppsOnNodes(Workers))
            if (app.Spec.Health is { } path)
                await UntilAsync($"{app.Title} does not answer", () => counts.AnswersAsync(nodes, app.Node, new(app.Spec.Port, path), cancel), cancel);
    }

    private static async Task UntilAsync(string otherwise, Func<Task<bool>> look, CancellationToken cancel)
    {
        for (var start = TimeProvider.System.GetTimestamp(); !await look(); await Task.Delay(Look, TimeProvider.System, cancel))
            if (TimeProvider.System.GetElapsedTime(start) > Patience) throw new TimeoutException($"Bare: {otherwise}.");
    }

    private async Task<CreateContainerParameters> AgainAsync(ContainerInspectResponse node, Guid workspace, string network)
    {
        var labels = lab.Owned.Labels(workspace, 1);
        labels[Owned.Node] = node.Config!.Hostname;
        var host = node.HostConfig!;
        host.NetworkMode = network;
        var mounts = new List<Mount>();
        foreach (var mount in host.Mounts!)
        {
            var own = mount.Target is ClusterPlans.WorkFolder or ClusterPlans.ScratchFolder;
            mounts.Add(new()
            {
                Type = mount.Type,
                Target = mount.Target,
                ReadOnly = mount.ReadOnly,
                BindOptions = mount.BindOptions,
                Source = own ? await FolderAsync(node) : mount.Source
            });
        }
        host.Mounts = mounts;
        return new()
        {
            Name = lab.Owned.Container(workspace, 1, node.Config!.Hostname),
            Image = node.Image,
            Hostname = node.Config!.Hostname,
            User = node.Config!.User,
            Cmd = node.Config!.Cmd,
            Env = node.Config!.Env,
            Labels = labels,
            HostConfig = host,
            NetworkingConfig =
                new()
                {
                    EndpointsConfig =
                        new Dictionary<string, EndpointSettings>(StringComparer.Ordinal) { [network] = new() { Aliases = [node.Config!.Hostname] } }
                },
        };
    }

    // Retried if btrfs lists its groups while another installation removes one; the product's steps are retried too.
    private async Task<string> FolderAsync(ContainerInspectResponse node)
    {
        var uid = int.Parse(node.Config!.User.Split(':')[0], CultureInfo.InvariantCulture);
        for (var tries = 1; ; tries++)
        {
            try { return (await lab.WorkAsync(CloudLab.New(), uid, limit: 4L << 30, classLimit: 8L << 30)).Mount; }
            catch (CloudException) when (tries < 5) { await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System); }
        }
    }
}
