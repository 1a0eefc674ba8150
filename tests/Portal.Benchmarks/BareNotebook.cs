using Docker.DotNet.Models;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;
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
        var plan = await PlanAsync();
        var start = TimeProvider.System.GetTimestamp();
        var address = await StartAsync(plan, cancel);
        await _client.AnswersAsync(address, cancel);
        var answer = TimeProvider.System.GetElapsedTime(start);
        await _client.ComputesAsync(address, "6*7", "42", cancel);
        var kernel = TimeProvider.System.GetElapsedTime(start) - answer;
        await RemoveAsync(plan, cancel);
        return (answer, kernel);
    }

    /// <summary>Seconds until the first kernel of each of many has answered, so many at a time, since the beginning. They stay until the last has.</summary>
    public async Task<Series> TogetherAsync(int many, int atOnce, CancellationToken cancel)
    {
        var plans = new List<ClusterPlan>();
        for (var i = 0; i < many; i++) plans.Add(await PlanAsync());
        using var turns = new SemaphoreSlim(atOnce);
        var start = TimeProvider.System.GetTimestamp();
        var took = await Task.WhenAll(plans.Select(async plan =>
        {
            await turns.WaitAsync(cancel);
            try
            {
                var address = await StartAsync(plan, cancel);
                await _client.AnswersAsync(address, cancel);
                await _client.ComputesAsync(address, "6*7", "42", cancel);
                return TimeProvider.System.GetElapsedTime(start).TotalSeconds;
            }
            finally { turns.Release(); }
        }));
        foreach (var plan in plans) await RemoveAsync(plan, cancel);
        var series = new Series();
        foreach (var seconds in took) series.Add(seconds);
        return series;
    }

    private async Task<ClusterPlan> PlanAsync() => new(CloudLab.New(), 1, await _lab.SubnetAsync(), [_node]);

    private async Task<string> StartAsync(ClusterPlan plan, CancellationToken cancel)
    {
        var wanted = _lab.Get<NodeRecipe>().Describe(plan, _node, _profile);
        var network = _lab.Owned.Network(plan.Workspace, 1);
        await _lab.Get<Networks>().CreateAsync(network, _lab.Owned.Bridge(network), plan.Subnet, egress: false, _lab.Owned.Labels(plan.Workspace, 1), cancel);
        var container = await _lab.ContainerEngine.CreateAsync(wanted, cancel);
        await _lab.ContainerEngine.CallAsync(e => e.Containers.StartContainerAsync(container, new ContainerStartParameters(), cancel), cancel);
        var now = await _lab.ContainerEngine.CallAsync(e => e.Containers.InspectContainerAsync(container, cancel), cancel);
        return now.NetworkSettings!.Networks!.Values.Single().IPAddress;
    }

    private async Task RemoveAsync(ClusterPlan plan, CancellationToken cancel)
    {
        await _lab.ContainerEngine.EachAsync(await _lab.ContainerEngine.ListAsync(_lab.Owned.Mine(plan.Workspace), cancel),
            c => _lab.ContainerEngine.RemoveAsync(c.ID, cancel), cancel);
        await _lab.Get<Networks>().RemoveAsync(_lab.Owned.Network(plan.Workspace, 1), cancel);
    }

    public void Dispose() => _client.Dispose();
}
