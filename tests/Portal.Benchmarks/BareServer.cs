using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Docker.DotNet.Models;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;
using Portal.Jobs.Clouds.OpenStack;
using Portal.TestKit.Clouds;

namespace Portal.Benchmarks;

/// <summary>Seconds since the beginning.</summary>
/// <param name="Rule">The access rule is active.</param>
/// <param name="Stack">Heat reports the stack as complete: the server has booted, mounted its folder and signalled.</param>
/// <param name="Kernel">A first kernel has computed.</param>
internal sealed record BareTimes(double Rule, double Stack, double Kernel);

/// <summary>
/// The baseline for a notebook on OpenStack: what a script does that makes the same stack, looks until it is complete, and makes the same container through
/// the server's container engine. The work folder exists beforehand, as a student's does, and the template is at hand.
/// </summary>
internal sealed class BareServer : IDisposable
{
    private const int Uid = 300_778;

    /// <summary>As often as Heat and Manila are asked here. They run on the same processors as what they make, so more often is not faster.</summary>
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(200);

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5), Limit = TimeSpan.FromMinutes(15);
    private readonly OpenStackProject _project;
    private readonly NodePlan _node;
    private readonly ManilaShare _share;
    private readonly SeccompProfile _profile;
    private readonly NotebookClient _client;

    private BareServer(OpenStackProject project, NodePlan node, ManilaShare share, SeccompProfile profile, string token) =>
        (_project, _node, _share, _profile, _client) = (project, node, share, profile, new(token, Look));

    public static async Task<BareServer> PrepareAsync(OpenStackProject project, Bench bench, CancellationToken cancel)
    {
        var (spec, token) = (await bench.SpecAsync("notebook", cancel), Guid.CreateVersion7(Bench.Now).ToString("n"));
        var (role, size, folder) = (spec.Roles[0], spec.Size("s")!, new FolderRef.Work(CloudLab.New(), CloudLab.New()));
        var image = (await project.Kit.Images.LookAsync(role.Image, cancel)).There ?? throw new InvalidOperationException($"There is no image {role.Image}.");
        await UntilAsync("the work folder is made",
            async () => await project.Kit.Filesets.EnsureAsync(folder, Uid, 1L << 30, cancel) is EnsureAnswer.Done, cancel);
        var share = (await project.Cloud.Manila.SharesNamedAsync(project.Cloud.Names.NameOf(folder), cancel))[0];
        var location = (await project.Cloud.Manila.ExportsAsync(share.Id, cancel))[0];
        var node = new NodePlan(role.Name, role.Name, image.Id, Uid, role.Command, role.Environment,
            new Dictionary<string, string>(StringComparer.Ordinal) { [role.Token!] = token },
            [
                new(new MountSource.Export(location, ManilaNames.Folder), Portal.Jobs.Steps.ClusterPlans.WorkFolder, ReadOnly: false),
                new(new MountSource.OwnDisk(role.Name), Portal.Jobs.Steps.ClusterPlans.ScratchFolder, ReadOnly: false),
            ], size.MemoryMib, size.Vcpu);
        var options = project.Get<ServerOptions>();
        return new(project, node, share, await SeccompProfile.LoadAsync(options.SeccompBase, nameof(options.SeccompBase), cancel), token);
    }

    /// <summary>From the rule to the answer of a first kernel. Everything but the folder is removed when this returns.</summary>
    public async Task<BareTimes> RunAsync(CancellationToken cancel)
    {
        var (stacks, manila, options) = (_project.Stacks, _project.Cloud.Manila, _project.Get<ServerOptions>());
        var plan = new ClusterPlan(CloudLab.New(), 1, await SubnetAsync(cancel), [_node]);
        var key = new StackKey(plan.Workspace, plan.Generation);
        var template = StackTemplate.Of(await new ServerPlans(stacks.Nova, stacks.Names, options, _project.Get<EngineKeys>())
            .OfAsync(plan, new Dictionary<string, string>(StringComparer.Ordinal), cancel));

        var start = TimeProvider.System.GetTimestamp();
        await manila.AllowAsync(_share.Id, plan.Subnet, ManilaNames.Of(plan.Workspace, plan.Generation), cancel);
        await UntilAsync("the rule is active", async () => (await RuleAsync(plan.Subnet, cancel))?.State == "active", cancel);
        var rule = Elapsed();
        var stack = await CompleteAsync(key, template, cancel);
        var complete = Elapsed();
        var outputs = await stacks.Heat.OutputsAsync(stack, cancel);
        var address = outputs[StackParts.AddressOf(_node.Name)];
        var signal = JsonNode.Parse(outputs[StackParts.DataOf(_node.Name)])!.AsObject().Single().Value!.GetValue<string>();
        await StartAsync(plan, address, ServerNodes.FingerprintIn(signal) ?? throw new InvalidOperationException($"The server said {signal}"), cancel);
        await _client.AnswersAsync(address, cancel);
        await _client.ComputesAsync(address, "6*7", "42", cancel);
        var kernel = Elapsed();

        await RemoveAsync(stack, plan.Subnet, cancel);
        return new(rule, complete, kernel);

        double Elapsed() => TimeProvider.System.GetElapsedTime(start).TotalSeconds;
    }

    public void Dispose() => _client.Dispose();

    private async Task<HeatStack> CompleteAsync(StackKey key, JsonObject template, CancellationToken cancel)
    {
        var (heat, name) = (_project.Stacks.Heat, _project.Stacks.Names.NameOf(key));
        if (!await heat.CreateAsync(name, _project.Stacks.Names.TagsOf(key.Workspace), template, Limit, cancel))
            throw new InvalidOperationException($"There is a stack {name} already.");
        var stack = (await heat.NamedAsync(name, cancel)).Single();
        await UntilAsync("the stack is complete",
            async () => (stack = await heat.StackAsync(stack, cancel) ?? throw new InvalidOperationException($"The stack {name} is gone.")).IsFailed
                ? throw new InvalidOperationException($"The stack {name} failed: {stack.Reason}") : stack.IsComplete, cancel);
        return stack;
    }

    private async Task StartAsync(ClusterPlan plan, string address, string fingerprint, CancellationToken cancel)
    {
        var options = _project.Get<ServerOptions>();
        using var engine = new ContainerEngine(new EngineAddress.Tls(
            new IPEndPoint(IPAddress.Parse(address), options.EnginePort), fingerprint, _project.Get<EngineKeys>().Client));
        var owned = new Owned(_project.Get<OpenStackOptions>().Installation);
        var addresses = new Dictionary<string, string>(StringComparer.Ordinal) { [_node.Name] = address };
        var container = await engine.CreateAsync(ContainerRecipe.Describe(new ServerRecipe(owned, options).Of(plan, _node, addresses, _profile)), cancel);
        await engine.CallAsync(e => e.Containers.StartContainerAsync(container, new ContainerStartParameters(), cancel), cancel);
    }

    private async Task RemoveAsync(HeatStack stack, string subnet, CancellationToken cancel)
    {
        await _project.Stacks.Heat.DeleteAsync(stack, cancel);
        await UntilAsync("the stack is gone", async () => await _project.Stacks.Heat.StackAsync(stack, cancel) is null, cancel);
        if (await RuleAsync(subnet, cancel) is { } rule) await _project.Cloud.Manila.DenyAsync(_share.Id, rule.Id, cancel);
        await UntilAsync("the rule is gone", async () => await RuleAsync(subnet, cancel) is null, cancel);
    }

    private async Task<ManilaRule?> RuleAsync(string subnet, CancellationToken cancel) =>
        (await _project.Cloud.Manila.RulesAsync(_share.Id, cancel)).FirstOrDefault(r => r.To == subnet);

    /// <summary>A /27 of the pool's range that no network in the project has.</summary>
    private async Task<string> SubnetAsync(CancellationToken cancel)
    {
        var taken = await _project.Kit.Clusters.ForeignRangesAsync(cancel);
        var range = IPNetwork.Parse(_project.Get<OpenStackOptions>().Pools[0].Addresses).BaseAddress.GetAddressBytes();
        for (; ; )
        {
            var subnet = string.Create(CultureInfo.InvariantCulture,
                $"{range[0]}.{range[1]}.{range[2] + RandomNumberGenerator.GetInt32(0, 128)}.{RandomNumberGenerator.GetInt32(0, 8) * 32}/27");
            if (!taken.Contains(subnet, StringComparer.Ordinal)) return subnet;
        }
    }

    private static async Task UntilAsync(string what, Func<Task<bool>> holds, CancellationToken cancel)
    {
        for (var start = TimeProvider.System.GetTimestamp(); !await holds(); await Task.Delay(Look, TimeProvider.System, cancel))
            if (TimeProvider.System.GetElapsedTime(start) > Patience) throw new TimeoutException($"The bare client waited in vain until {what}.");
    }
}
