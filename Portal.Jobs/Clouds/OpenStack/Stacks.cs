using System.Globalization;
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

    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(1), Margin = TimeSpan.FromMinutes(5);

    /// <summary>All of them, with their servers; see <see cref="StackLook"/>.</summary>
    public Task<StacksNow> NowAsync(CancellationToken cancel) => look.NowAsync(cancel);

    /// <summary>
    /// Makes the stack of a generation, or changes it to what the plan asks for. Older generations are taken down first. A conflict if there is a newer
    /// one, or if somebody else has a stack of this name.
    /// </summary>
    public async Task<EnsureAnswer> EnsureAsync(ClusterPlan plan, CancellationToken cancel)
    {
        var key = new StackKey(plan.Workspace, plan.Generation);
        var now = await look.NowAsync(cancel);
        var there = now.Stacks.Where(s => s.Key.Workspace == plan.Workspace).ToList();
        if (there.Any(s => s.Key.Generation > plan.Generation))
            throw Fault(CloudFault.Conflict, $"a generation of this workspace newer than {plan.Generation} exists",
                "Nothing was changed: the newer generation continues.");
        if (there.Any(s => s.Key.Generation < plan.Generation)
            && await ClearAsync(plan.Workspace, plan.Generation - 1, cancel) is { } clearing) return clearing;
        if (await OneAsync([.. there.Where(s => s.Key == key).Select(s => s.Stack)], cancel) is not { } listed) return await CreateAsync(key, plan, cancel);
        if (listed.IsInProgress) return await WorkingAsync(listed, plan.Workspace, cancel);

        // The list may be a second old.
        if (await heat.StackAsync(listed, cancel) is not { } stack || await heat.TemplateAsync(stack, cancel) is not { } stored)
        {
            look.Forget();
            return new EnsureAnswer.Working("The portal is checking again.", Soon);
        }
        if (stack.IsInProgress) return await WorkingAsync(stack, plan.Workspace, cancel);
        if (stack.Action == "DELETE") return await DeleteAsync(key, stack, cancel) ?? new EnsureAnswer.Working("The rest of the network is gone.", Soon);
        var wanted = StackTemplate.Of(await plans.OfAsync(plan, StackTemplate.AddressesOf(stored), cancel), stored, plan.KeepsWhatIsThere);
        if (StackParts.HashOf(wanted) != StackParts.HashOf(stored)) return await UpdateAsync(stack, wanted, "The cloud is changing the servers.", cancel);
        return stack.IsFailed ? await BrokenAsync(stack, cancel) : await SeenAsync(key, stack, plan, now, cancel);
    }

    /// <summary>
    /// Shuts servers down, waits until they are off, and takes them out of the stack with their ports; network and addresses stay. Done once none of
    /// them is seen. Broken if a server does not shut down in time: it may have files that are not written yet.
    /// </summary>
    /// <param name="upTo">Newest generation that this is for.</param>
    /// <param name="nodes">Null for all.</param>
    public async Task<EnsureAnswer> RemoveServersAsync(Guid workspace, int upTo, IReadOnlyCollection<string>? nodes, CancellationToken cancel)
    {
        var now = await look.NowAsync(cancel);
        EnsureAnswer? first = null;
        foreach (var (key, stack) in now.Stacks.Where(s => s.Key.Workspace == workspace && s.Key.Generation <= upTo))
        {
            var servers = now.Servers.Where(s => s.Key == key).Select(s => s.Server)
                .Where(s => nodes?.Contains(s.Metadata.GetValueOrDefault(HeatNames.Node), StringComparer.Ordinal) is null or true).ToList();
            first ??= await RemoveServersAsync(key, stack, servers, nodes, cancel);
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
        {
            look.Forget();
            throw Fault(CloudFault.Conflict, "servers of this workspace still exist", "Remove them first and wait until they are gone.");
        }
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
        if (!made && (await heat.NamedAsync(name, cancel)).FirstOrDefault(s => names.KeyOf(s) is null) is { } foreign)
            throw Fault(CloudFault.Conflict, $"there is a stack {name} ({foreign.Id}) that the portal did not make",
                "Remove or rename it with OpenStack's own tools; the portal does not touch it.");
        return new EnsureAnswer.Working("The cloud is creating the network and the servers.", Soon);
    }

    private async Task<EnsureAnswer> UpdateAsync(HeatStack stack, JsonObject wanted, string what, CancellationToken cancel)
    {
        await heat.ValidateAsync(wanted, cancel);
        await heat.UpdateAsync(stack, wanted, Limit, cancel);
        look.Forget();
        return new EnsureAnswer.Working(what, Soon);
    }

    private async Task<EnsureAnswer> WorkingAsync(HeatStack stack, Guid workspace, CancellationToken cancel) =>
        new EnsureAnswer.Working(await progress.OfAsync(stack, workspace, cancel), Soon);

    /// <summary>Heat does not notice that somebody deletes a server.</summary>
    private async Task<EnsureAnswer> SeenAsync(StackKey key, HeatStack stack, ClusterPlan plan, StacksNow now, CancellationToken cancel)
    {
        var missing = Missing(now.Servers.Where(s => s.Key == key).Select(s => s.Server));
        if (missing.Count > 0) missing = Missing(await nova.ServersAsync(names, key, cancel));
        return missing.Count == 0 ? EnsureAnswer.IsDone : new EnsureAnswer.Broken(
            $"Somebody removed {(missing.Count == 1 ? "the server" : "the servers")} {string.Join(", ", missing)} in the cloud.",
            "Stop the workspace and start it again.");

        List<string> Missing(IEnumerable<NovaServer> servers) =>
            [.. plan.Nodes.Select(n => n.Name).Except(servers.Select(s => s.Metadata.GetValueOrDefault(HeatNames.Node) ?? ""), StringComparer.Ordinal)];
    }

    private async Task<EnsureAnswer> BrokenAsync(HeatStack stack, CancellationToken cancel)
    {
        var fault = StackWords.Cause(await heat.ResourcesAsync(stack, cancel), stack.Reason);
        log.LogWarning("The stack {Name} is {Status}: {Reason}", stack.Name, stack.Status, stack.Reason);
        // What is full may have room later: another kind of answer than what is broken.
        return fault.Fault is CloudFault.Full ? throw new CloudException(fault.Service, fault.Fault, fault.Cause, fault.Remedy)
            : new EnsureAnswer.Broken(fault.Cause, fault.Remedy);
    }

    /// <summary>Null once none of the servers is left.</summary>
    private async Task<EnsureAnswer?> RemoveServersAsync(
        StackKey key, HeatStack stack, List<NovaServer> servers, IReadOnlyCollection<string>? nodes, CancellationToken cancel)
    {
        if (stack.Status == "DELETE_IN_PROGRESS") return servers.Count == 0 ? null : await WorkingAsync(stack, key.Workspace, cancel);
        if (await heat.TemplateAsync(stack, cancel) is not { } stored) return servers.Count == 0 ? null : Removing();
        if (!StackTemplate.NodesOf(stored).Any(n => nodes?.Contains(n, StringComparer.Ordinal) is null or true))
        {
            if (stack.IsInProgress) return await WorkingAsync(stack, key.Workspace, cancel);
            if (stack.Status == "UPDATE_FAILED" && servers.Count > 0) return await RepeatAsync(stack, stored, cancel);
            return servers.Count == 0 ? null : Removing();
        }
        if (servers.FirstOrDefault(s => !s.IsOff) is not { } running)
            return await UpdateAsync(stack, StackTemplate.Without(stored, nodes), "The servers are being removed.", cancel);
        foreach (var server in servers.Where(s => s is { IsOff: false, Task: "" })) await nova.StopAsync(server.Id, cancel);
        look.Forget();
        var asked = (await nova.ActionsAsync(running.Id, cancel)).TakeWhile(a => a.Action == "stop").LastOrDefault();
        return asked is not null && clock.GetUtcNow() - asked.At > options.StopLimit
            ? new EnsureAnswer.Broken(string.Create(CultureInfo.InvariantCulture,
                    $"The server {running.Name} ({running.Id}) was asked to shut down {(clock.GetUtcNow() - asked.At).TotalMinutes:0} minutes ago,")
                + $" and is still {running.Status}.",
                "Ask the administrators of the OpenStack cloud to stop it. Nothing was removed, because files may not be written yet.")
            : new EnsureAnswer.Working(servers.Count == 1 ? "The server is shutting down." : "The servers are shutting down.", Soon);
    }

    private async Task<EnsureAnswer> RepeatAsync(HeatStack stack, JsonObject stored, CancellationToken cancel)
    {
        if (await heat.FailuresAsync(stack, "UPDATE", cancel) < Attempts)
            return await UpdateAsync(stack, stored, "The servers are being removed: another attempt.", cancel);
        throw await HandedOverAsync(stack, "take the servers out of", cancel);
    }

    /// <summary>Null if it is gone.</summary>
    private async Task<EnsureAnswer?> DeleteAsync(StackKey key, HeatStack listed, CancellationToken cancel)
    {
        if (listed.Status == "DELETE_IN_PROGRESS") return await WorkingAsync(listed, key.Workspace, cancel);
        progress.Forget(listed);
        look.Forget();
        if (await heat.StackAsync(listed, cancel) is not { } stack) return null;
        if (stack.Status == "DELETE_FAILED" && await heat.FailuresAsync(stack, "DELETE", cancel) >= Attempts)
            throw await HandedOverAsync(stack, "delete", cancel);
        if (stack.Status != "DELETE_IN_PROGRESS") await heat.DeleteAsync(stack, cancel);
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

    private static EnsureAnswer.Working Removing() => new("The servers are being removed.", Soon);

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
