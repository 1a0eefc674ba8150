using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>What came with the signal of a server.</summary>
/// <param name="Data">What the portal's program on the server printed; empty before the signal.</param>
internal sealed record ServerSignal(string Node, string Address, string Data);

/// <summary>
/// Workspaces as stacks, one for each generation. Every call is a short chain of calls of the cloud and says how far things are; it is asked again until
/// they are done. The template that Heat stores is compared, not only the stack's status.
/// </summary>
internal sealed class Stacks(
    Heat heat, Nova nova, HeatNames names, StackLook look, StackProgress progress, ServerPlans plans, ServerOptions options, TimeProvider clock,
    ILogger<Stacks> log)
{
    /// <summary>How often Heat may try to delete a stack, or to take servers out of it, before a person must look.</summary>
    public const int Attempts = 3;

    private const int MostStacks = 2000;

    /// <summary>Calls in one second, of a project, for single stacks that are being made; the others wait for the list.</summary>
    internal const int CloseLooks = 4;

    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(1), Shortly = TimeSpan.FromMilliseconds(300), Margin = TimeSpan.FromMinutes(5);
    private readonly MakingStacks _making = new(heat, clock, CloseLooks, MostStacks);
    private readonly ServerEnds _ends = new(nova, look, options, clock);

    /// <summary>By stack, the last that had happened when it was asked to let its servers go: what failed before does not count.</summary>
    private readonly ConcurrentDictionary<string, string> _before = new(StringComparer.Ordinal);

    /// <summary>Something was changed, or found changed: see <see cref="StackLook.Forget"/>.</summary>
    public void Forget() => look.Forget();

    /// <summary>All of them, with their servers; see <see cref="StackLook"/>.</summary>
    public Task<StacksNow> NowAsync(CancellationToken cancel) => look.NowAsync(cancel);

    /// <summary>
    /// Makes the stack of a generation, or changes it to what the plan asks for. Older generations are taken down first. A conflict if there is a newer
    /// one, or if somebody else has a stack of this name.
    /// </summary>
    public async Task<EnsureAnswer> EnsureAsync(ClusterPlan plan, CancellationToken cancel)
    {
        var key = new StackKey(plan.Workspace, plan.Generation);
        var making = await _making.LookAsync(key, cancel);
        if (making is { IsInProgress: true }) return await WorkingAsync(making, plan.Workspace, Shortly, cancel);
        var now = await look.NowAsync(cancel);
        var there = now.Stacks.Where(s => s.Key.Workspace == plan.Workspace).ToList();
        if (there.Any(s => s.Key.Generation > plan.Generation))
            throw Fault(CloudFault.Conflict, $"a generation of this workspace newer than {plan.Generation} exists",
                "Nothing was changed: the newer generation continues.");
        if (now.Stacks.Select(s => s.Key).Concat(now.Servers.Select(s => s.Key)).Any(k => k.Workspace == plan.Workspace && k.Generation < plan.Generation)
            && await ClearAsync(plan.Workspace, plan.Generation - 1, cancel) is { } clearing) return clearing;
        if (await OneAsync([.. there.Where(s => s.Key == key).Select(s => s.Stack)], cancel) is not { } listed) return await CreateAsync(key, plan, cancel);
        if (listed.IsInProgress)
        {
            if (making?.Id != listed.Id) return await WorkingAsync(listed, plan.Workspace, _making.Keep(key, listed) ? Shortly : Soon, cancel);
            look.Forget(); // the list is older than what was just seen, and whoever asks next must not go back to it
        }

        // The list may be a second old.
        if (await heat.StackAsync(listed, cancel) is not { } stack || await heat.TemplateAsync(stack, cancel) is not { } stored)
        {
            look.Forget();
            return new EnsureAnswer.Working("The portal is checking again.", Soon);
        }
        if (stack.IsInProgress) return await WorkingAsync(stack, plan.Workspace, Soon, cancel);
        if (stack.Action == "DELETE") return await DeleteAsync(key, stack, cancel) ?? new EnsureAnswer.Working("The rest of the network is gone.", Soon);
        var wanted = StackTemplate.Of(await plans.OfAsync(plan, StackTemplate.AddressesOf(stored), cancel), stored, plan.KeepsWhatIsThere);
        if (StackParts.HashOf(wanted) != StackParts.HashOf(stored)) return await UpdateAsync(stack, wanted, "The cloud is changing the servers.", cancel);
        return stack.IsFailed ? await BrokenAsync(stack, wanted, cancel) : await SeenAsync(key, stack, plan, now, cancel);
    }

    /// <summary>
    /// Shuts servers down, waits until they are off, and takes them out of the stack with their ports; network and addresses stay. Done once none of
    /// them exists. Broken if a server does not shut down in time: it may have files that are not written yet. Servers that no stack holds are deleted.
    /// </summary>
    /// <param name="upTo">Newest generation that this is for.</param>
    /// <param name="nodes">Null for all.</param>
    public async Task<EnsureAnswer> RemoveServersAsync(Guid workspace, int upTo, IReadOnlyCollection<string>? nodes, CancellationToken cancel)
    {
        var now = await look.NowAsync(cancel);
        EnsureAnswer? first = null;
        foreach (var key in now.Stacks.Select(s => s.Key).Union(now.Servers.Select(s => s.Key))
            .Where(k => k.Workspace == workspace && k.Generation <= upTo))
        {
            var answer = await RemoveServersAsync(key, now, nodes, cancel); // each of them, whatever the others answer
            first ??= answer;
        }
        return first ?? EnsureAnswer.IsDone;
    }

    /// <summary>
    /// Deletes the stacks of a workspace, and with them its networks and addresses, up to a generation; Done once none is seen. A conflict while servers
    /// are there. What Heat does not manage in three attempts is left to the operator: the exception says what is left, and why.
    /// </summary>
    public async Task<EnsureAnswer> DeleteAsync(Guid workspace, int upTo, CancellationToken cancel)
    {
        var now = await look.NowAsync(cancel);
        if (now.Servers.Any(s => s.Key.Workspace == workspace && s.Key.Generation <= upTo))
            throw Fault(CloudFault.Conflict, "servers of this workspace still exist", "Remove them first and wait until they are gone.");
        EnsureAnswer? first = null;
        foreach (var (key, stack) in now.Stacks.Where(s => s.Key.Workspace == workspace && s.Key.Generation <= upTo))
            first = await DeleteAsync(key, stack, cancel) ?? first;
        return first ?? EnsureAnswer.IsDone;
    }

    /// <summary>What the servers of a generation signalled, which proves nothing but that a server of this stack said so. None without a stack.</summary>
    public async Task<IReadOnlyList<ServerSignal>> SignalsAsync(StackKey key, CancellationToken cancel)
    {
        if ((await look.NowAsync(cancel)).Stacks.FirstOrDefault(s => s.Key == key).Stack is not { } stack) return [];
        var outputs = await heat.OutputsAsync(stack, cancel);
        return [.. from output in outputs
                   where StackParts.Of(output.Key) is { Kind: StackParts.Address, Node.Length: > 0 }
                   let node = StackParts.Of(output.Key).Node
                   select new ServerSignal(node, output.Value, DataOf(outputs.GetValueOrDefault(StackParts.DataOf(node))))];
    }

    /// <summary>Servers shut down and out, then the stack deleted; null once nothing of it is left.</summary>
    private async Task<EnsureAnswer?> ClearAsync(Guid workspace, int upTo, CancellationToken cancel)
    {
        var removed = await RemoveServersAsync(workspace, upTo, null, cancel);
        if (removed is not EnsureAnswer.Done) return removed;
        return await DeleteAsync(workspace, upTo, cancel) is { } deleted and not EnsureAnswer.Done ? deleted : null;
    }

    /// <summary>Heat lets two callers in the same moment make stacks of the same name: the older one stays.</summary>
    private async Task<HeatStack?> OneAsync(List<HeatStack> same, CancellationToken cancel)
    {
        if (same.Count <= 1) return same.FirstOrDefault();
        var ordered = same.OrderBy(s => s.Status == "DELETE_IN_PROGRESS").ThenBy(s => s.CreatedAt, StringComparer.Ordinal)
            .ThenBy(s => s.Id, StringComparer.Ordinal).ToList();
        foreach (var extra in ordered.Skip(1).Where(s => s.Status != "DELETE_IN_PROGRESS"))
        {
            log.LogWarning("The stack {Name} exists {Count} times; {Id}, a newer one, is being deleted.", extra.Name, same.Count, extra.Id);
            await heat.DeleteAsync(extra, cancel);
            look.Forget();
        }
        return ordered[0];
    }

    private async Task<EnsureAnswer> CreateAsync(StackKey key, ClusterPlan plan, CancellationToken cancel)
    {
        var template = StackTemplate.Of(await plans.OfAsync(plan, new Dictionary<string, string>(StringComparer.Ordinal), cancel));
        await heat.ValidateAsync(template, cancel);
        var name = names.NameOf(key);
        var made = await heat.CreateAsync(name, names.TagsOf(key.Workspace), template, Limit, cancel);
        look.Forget();
        // Heat lists a new stack before it has stored the tags: the owner of one that is still being created is not known yet.
        if (!made && (await heat.NamedAsync(name, cancel)).FirstOrDefault(s => names.KeyOf(s) is null && s.Status != "CREATE_IN_PROGRESS") is { } foreign)
            throw Fault(CloudFault.Conflict, $"there is a stack {name} ({foreign.Id}) that the portal did not make",
                "Remove or rename it with OpenStack's own tools; the portal does not touch it.");
        return new EnsureAnswer.Working("The cloud is creating the network and the servers.", Soon);
    }

    private async Task<EnsureAnswer> UpdateAsync(HeatStack stack, JsonObject wanted, string what, CancellationToken cancel)
    {
        await PutAsync(stack, wanted, cancel);
        return new EnsureAnswer.Working(what, Soon);
    }

    private async Task PutAsync(HeatStack stack, JsonObject wanted, CancellationToken cancel)
    {
        await heat.ValidateAsync(wanted, cancel);
        await heat.UpdateAsync(stack, wanted, Limit, cancel);
        look.Forget();
    }

    private Task<EnsureAnswer> WorkingAsync(HeatStack stack, Guid workspace, CancellationToken cancel) => WorkingAsync(stack, workspace, Soon, cancel);

    private async Task<EnsureAnswer> WorkingAsync(HeatStack stack, Guid workspace, TimeSpan lookAgainIn, CancellationToken cancel) =>
        new EnsureAnswer.Working(await progress.OfAsync(stack, workspace, cancel), lookAgainIn);

    /// <summary>Heat does not notice that somebody deletes a server.</summary>
    private async Task<EnsureAnswer> SeenAsync(StackKey key, HeatStack stack, ClusterPlan plan, StacksNow now, CancellationToken cancel)
    {
        var missing = Missing(now.Servers.Where(s => s.Key == key).Select(s => s.Server));
        if (missing.Count > 0) missing = Missing(await nova.ServersAsync(names, key, cancel));
        if (missing.Count > 0) missing = [.. missing.Except((await KnownAsync(stack, [], missing, cancel)).Select(k => k.Node), StringComparer.Ordinal)];
        return missing.Count == 0 ? EnsureAnswer.IsDone : new EnsureAnswer.Broken(
            $"Somebody removed {(missing.Count == 1 ? "the server" : "the servers")} {string.Join(", ", missing)} in the cloud.",
            "Stop the workspace and start it again.");

        List<string> Missing(IEnumerable<NovaServer> servers) =>
            [.. plan.Nodes.Select(n => n.Name).Except(servers.Select(s => s.Metadata.GetValueOrDefault(HeatNames.Node) ?? ""), StringComparer.Ordinal)];
    }

    private async Task<EnsureAnswer> BrokenAsync(HeatStack stack, JsonObject wanted, CancellationToken cancel)
    {
        var fault = StackWords.Cause(await heat.ResourcesAsync(stack, cancel), stack.Reason);
        log.LogWarning("The stack {Name} is {Status}: {Reason}", stack.Name, stack.Status, stack.Reason);
        if (fault.Fault is not CloudFault.Full || await FailuresAsync(stack, ["CREATE_FAILED", "UPDATE_FAILED"], cancel) >= Attempts)
            return new EnsureAnswer.Broken(fault.Cause, fault.Remedy);

        // What is full may have room later: Heat makes what failed once more, and whoever waits for it sees that it was full so far.
        await PutAsync(stack, wanted, cancel);
        throw new CloudException(fault.Service, fault.Fault, fault.Cause, fault.Remedy);
    }

    /// <summary>Null once none of the servers of a generation is left.</summary>
    private async Task<EnsureAnswer?> RemoveServersAsync(StackKey key, StacksNow now, IReadOnlyCollection<string>? nodes, CancellationToken cancel)
    {
        var servers = now.Servers.Where(s => s.Key == key).Select(s => s.Server)
            .Where(s => IsMeant(nodes, s.Metadata.GetValueOrDefault(HeatNames.Node))).ToList();
        EnsureAnswer? first = null;
        foreach (var stack in now.Stacks.Where(s => s.Key == key).Select(s => s.Stack))
        {
            var answer = await TakeOutAsync(stack, key.Workspace, servers, nodes, cancel);
            first ??= answer;
        }
        return first ?? (servers.Count > 0 ? await _ends.DeleteAsync(servers, cancel) : null);
    }

    /// <summary>Null once a stack holds none of the servers, and will not remove them.</summary>
    /// <param name="servers">Those that are seen; those that only the stack knows are added.</param>
    private async Task<EnsureAnswer?> TakeOutAsync(
        HeatStack stack, Guid workspace, List<NovaServer> servers, IReadOnlyCollection<string>? nodes, CancellationToken cancel)
    {
        if (await heat.TemplateAsync(stack, cancel) is not { } stored) return null;
        var held = StackTemplate.NodesOf(stored).Where(n => IsMeant(nodes, n)).ToList();
        var hidden = held.Except(servers.Select(s => s.Metadata.GetValueOrDefault(HeatNames.Node) ?? ""), StringComparer.Ordinal).Any();
        var failed = stack.Status == "UPDATE_FAILED" && held.Count == 0;
        List<(string Node, NovaServer Server)> known = hidden || failed || servers.Count == 0 ? await KnownAsync(stack, servers, nodes, cancel) : [];
        servers.AddRange(known.Select(k => k.Server).Where(k => servers.All(s => s.Id != k.Id)).ToList());

        if (stack.Status == "DELETE_IN_PROGRESS") return servers.Count == 0 ? null : await WorkingAsync(stack, workspace, cancel);
        if (stack.Action == "DELETE") return null; // Heat changes it no more
        if (held.Count == 0)
            return stack.IsInProgress ? await WorkingAsync(stack, workspace, cancel)
                : failed && known.Count > 0 ? await RepeatAsync(stack, stored, cancel) : null;
        if (await _ends.StopAsync(servers, cancel) is { } stopping) return stopping;
        if (_before.Count > MostStacks) _before.Clear();
        _before[stack.Id] = await heat.AttemptsAsync(stack, cancel) is [var last, ..] ? last.Id : "";
        return await UpdateAsync(stack, StackTemplate.Without(stored, nodes), "The servers are being removed.", cancel);
    }

    /// <summary>
    /// The servers that Heat knows in a stack and Nova still has, each asked for by its id: Nova's list leaves out, without a word, the servers of a part
    /// of the cloud that it cannot reach.
    /// </summary>
    private async Task<List<(string Node, NovaServer Server)>> KnownAsync(
        HeatStack stack, IReadOnlyCollection<NovaServer> seen, IReadOnlyCollection<string>? nodes, CancellationToken cancel)
    {
        var known = new List<(string, NovaServer)>();
        foreach (var resource in await heat.ResourcesAsync(stack, cancel))
        {
            var (kind, node) = StackParts.Of(resource.Name);
            if (kind != StackParts.Server || resource.PhysicalId.Length == 0 || !IsMeant(nodes, node)) continue;
            if ((seen.FirstOrDefault(s => s.Id == resource.PhysicalId) ?? await nova.ServerAsync(resource.PhysicalId, cancel)) is
                { Status: not ("DELETED" or "SOFT_DELETED") } server) known.Add((node, server));
        }
        return known;
    }

    private async Task<EnsureAnswer> RepeatAsync(HeatStack stack, JsonObject stored, CancellationToken cancel)
    {
        if (await FailuresAsync(stack, ["UPDATE_FAILED"], cancel) < Attempts)
            return await UpdateAsync(stack, stored, "The servers are being removed: another attempt.", cancel);
        throw await HandedOverAsync(stack, "take the servers out of", cancel);
    }

    /// <summary>How often what is being tried now has failed.</summary>
    private async Task<int> FailuresAsync(HeatStack stack, IReadOnlyCollection<string> statuses, CancellationToken cancel)
    {
        var before = _before.GetValueOrDefault(stack.Id);
        return (await heat.AttemptsAsync(stack, cancel)).TakeWhile(e => e.Id != before)
            .Count(e => e.IsFailure && statuses.Contains(e.Status, StringComparer.Ordinal));
    }

    /// <summary>Null if it is gone.</summary>
    private async Task<EnsureAnswer?> DeleteAsync(StackKey key, HeatStack listed, CancellationToken cancel)
    {
        if (listed.Status == "DELETE_IN_PROGRESS") return await WorkingAsync(listed, key.Workspace, cancel);
        progress.Forget(listed);
        if (await heat.StackAsync(listed, cancel) is not { } stack)
        {
            look.Forget();
            return null;
        }
        if (stack.Status == "DELETE_FAILED" && await FailuresAsync(stack, ["DELETE_FAILED"], cancel) >= Attempts)
            throw await HandedOverAsync(stack, "delete", cancel);
        if (stack.Status != "DELETE_IN_PROGRESS")
        {
            await heat.DeleteAsync(stack, cancel);
            look.Forget();
        }
        return new EnsureAnswer.Working("The network is being removed.", Soon);
    }

    private async Task<CloudException> HandedOverAsync(HeatStack stack, string what, CancellationToken cancel)
    {
        var resources = await heat.ResourcesAsync(stack, cancel);
        var fault = StackWords.Cause(resources, stack.Reason);
        var left = StackWords.Left(resources);
        return Fault(CloudFault.Broken, $"{Attempts} attempts to {what} the stack {stack.Name} ({stack.Id}) failed. {fault.Cause.TrimEnd('.')}. "
            + $"Left: {(left.Length > 0 ? left : "nothing that Heat knows of")}",
            $"Ask an administrator of the OpenStack cloud to remove the cause, then the stack: openstack stack delete {stack.Id}");
    }

    private TimeSpan Limit => options.BootLimit + Margin;

    /// <param name="nodes">Null for all.</param>
    private static bool IsMeant(IReadOnlyCollection<string>? nodes, string? node) => nodes?.Contains(node, StringComparer.Ordinal) is null or true;

    /// <summary>Data of the only signal: Heat keeps an object with a name for each.</summary>
    private static string DataOf(string? output)
    {
        try
        {
            return output is { Length: > 0 } && JsonNode.Parse(output) is JsonObject signals ? signals.FirstOrDefault().Value?.GetValue<string>() ?? "" : "";
        }
        catch (Exception e) when (e is System.Text.Json.JsonException or InvalidOperationException) { return ""; }
    }

    private static CloudException Fault(CloudFault fault, string message, string whatToDo) => new(Services.Heat, fault, message, whatToDo);
}
