using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>What a project can hold, for pages and admission; throws with the reason if it can hold nothing.</summary>
internal sealed class ProjectReport(Nova nova, ServerOptions options)
{
    /// <summary>What a pool without a limit counts as: more than any class asks for, and a number that can be added up.</summary>
    private const int Unlimited = 1_000_000;

    public async Task<CloudReport> PrepareAsync(CancellationToken cancel)
    {
        await SeccompProfile.LoadAsync(options.SeccompBase, $"{ServerOptions.Section}:{nameof(options.SeccompBase)}", cancel);
        var (machines, quotas) = (await nova.MachinesAsync(cancel), await nova.QuotasAsync(cancel));
        await nova.ImageAsync(cancel);
        var largest = machines.Flavors.OrderBy(f => f.Vcpu).ThenBy(f => f.MemoryMib).Last();
        return new($"OpenStack: {machines.Flavors.Length} flavors, up to {largest.Vcpu} vCPU and {largest.MemoryMib >> 10} GiB in one server; "
            + $"{Of(quotas.Servers)} servers, {Of(quotas.Vcpus)} vCPU and {(quotas.Memory.Limit < 0 ? "any" : $"{quotas.Memory.Limit >> 10} GiB of")} memory",
            largest.Vcpu, largest.MemoryMib - machines.OverheadMib)
        {
            Egress = "Nodes cannot reach anything outside their workspace.",
            Machines = machines,
            Capacity = new(Number(quotas.Vcpus), Number(quotas.Memory), 0, 0),
        };

        static string Of(NovaQuota quota) => quota.Limit < 0 ? "any number of" : $"{quota.Limit}";
        static int Number(NovaQuota quota) => quota.Limit < 0 ? Unlimited : quota.Limit;
    }
}
