using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>What a project can hold, for pages and admission; throws with the reason if it can hold nothing.</summary>
internal sealed class ProjectReport(Nova nova, ServerEngines engines, ServerOptions options)
{
    /// <summary>What a pool without a limit counts as: more than any class asks for, and a number that can be added up.</summary>
    private const int Unlimited = 1_000_000;

    public async Task<CloudReport> PrepareAsync(CancellationToken cancel)
    {
        engines.Client();
        await SeccompProfile.LoadAsync(options.SeccompBase, $"{ServerOptions.Section}:{nameof(options.SeccompBase)}", cancel);
        var (machines, quotas) = (await nova.MachinesAsync(cancel), await nova.QuotasAsync(cancel));
        await nova.ImageAsync(cancel);
        var (vcpus, memory) = (machines.Flavors.Max(f => f.Vcpu), machines.Flavors.Max(f => f.MemoryMib)); // perhaps of two flavors
        return new($"OpenStack: {machines.Flavors.Length} flavors, up to {vcpus} vCPU and up to {memory >> 10} GiB in one server; "
            + $"{Of(quotas.Servers)} servers, {Of(quotas.Vcpus)} vCPU and {(quotas.Memory.Limit < 0 ? "any" : $"{quotas.Memory.Limit >> 10} GiB of")} memory",
            vcpus, memory - machines.OverheadMib)
        {
            Egress = "Nodes cannot reach anything outside their workspace.",
            Machines = machines,
            Capacity = new(Number(quotas.Vcpus), Number(quotas.Memory), 0, 0),
        };

        static string Of(NovaQuota quota) => quota.Limit < 0 ? "any number of" : $"{quota.Limit}";
        static int Number(NovaQuota quota) => quota.Limit < 0 ? Unlimited : quota.Limit;
    }
}
