using Docker.DotNet.Models;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Docker;
using Portal.TestKit.Clouds;

namespace Portal.Benchmarks;

/// <summary>The baseline for a notebook: a student's container made by direct calls to the container
/// engine: network, container, start. Its work folder is mounted beforehand.</summary>
internal sealed class BareNotebook : IDisposable
{
    private const int Uid = 300_777;
    private readonly CloudLab _lab;
    private readonly NodePlan _node;
    private readonly SeccompProfile _profile;
    private readonly NotebookClient _client;

    private BareNotebook(CloudLab lab, NodePlan node, SeccompProfile profile, string token) =>
        (_lab, _node, _profile, _client) = (lab, node, profile, new(token));

    public static async Task<BareNotebook> PrepareAsync(CloudLab lab, Bench bench, CancellationToken cancel)
    {
        var (spec, image) = await bench.NotebookAsync(cancel);
        var (role, size, token) = (spec.Roles[0], spec.Size("s")!, Guid.CreateVersion7(Bench.Now).ToString("n"));
        var (mount, _, _) = await lab.WorkAsync(Guid.CreateVersion7(Bench.Now), Uid);
        var node = new NodePlan(role.Name, role.Name, image, Uid, role.Command, role.Environment,
            new Dictionary<string, string>(StringComparer.Ordinal) { [role.Token!] = token },
            [new(new MountSource.HostPath(mount), Portal.Jobs.Steps.ClusterPlans.WorkFolder, ReadOnly: false)], size.MemoryMib, size.Vcpu);
        return new(lab, node, await lab.Get<ContainerEngineProbe>().ProveAsync(image, cancel), token);
    }

    /// <summary>Time to the first HTTP 200, and from there to the answer of a first kernel. Removed when this returns.</summary>
    public async Task<(TimeSpan Answer, TimeSpan Kernel)> RunAsync(CancellationToken cancel)
    {
        var plan = new ClusterPlan(CloudLab.New(), 1, await _lab.SubnetAsync(), [_node]);
        var wanted = _lab.Get<NodeRecipe>().Describe(plan, _node, _profile);
        var network = _lab.Owned.Network(plan.Workspace, 1);
        var start = TimeProvider.System.GetTimestamp();
        await _lab.Get<Networks>().CreateAsync(network, _lab.Owned.Bridge(network), plan.Subnet, egress: false, _lab.Owned.Labels(plan.Workspace, 1), cancel);
        var container = await _lab.ContainerEngine.CreateAsync(wanted, cancel);
        await _lab.ContainerEngine.CallAsync(e => e.Containers.StartContainerAsync(container, new ContainerStartParameters(), cancel), cancel);
        var now = await _lab.ContainerEngine.CallAsync(e => e.Containers.InspectContainerAsync(container, cancel), cancel);
        var address = now.NetworkSettings!.Networks!.Values.Single().IPAddress;
        await _client.AnswersAsync(address, cancel);
        var answer = TimeProvider.System.GetElapsedTime(start);
        await _client.ComputesAsync(address, "6*7", "42", cancel);
        var kernel = TimeProvider.System.GetElapsedTime(start) - answer;
        await _lab.ContainerEngine.RemoveAsync(container, cancel);
        await _lab.Get<Networks>().RemoveAsync(network, cancel);
        return (answer, kernel);
    }

    public void Dispose() => _client.Dispose();
}
