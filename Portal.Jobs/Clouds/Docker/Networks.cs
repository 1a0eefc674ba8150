using Docker.DotNet.Models;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;

namespace Portal.Jobs.Clouds.Docker;

/// <summary>Bridge networks: creates them under a fixed name, never twice, and removes them.</summary>
public sealed class Networks(ContainerEngine containerEngine)
{
    /// <summary>
    /// Creates the network; false if one of that name exists. Raw HTTP: Docker.DotNet lacks CheckDuplicate, without which versions before 1.44
    /// create a second network of the same name.
    /// </summary>
    /// <param name="subnet">Null: one of the container engine's own pool.</param>
    public async Task<bool> CreateAsync(string name, string bridge, string? subnet, bool egress, IDictionary<string, string> labels, CancellationToken cancel)
    {
        var options = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["com.docker.network.bridge.name"] = bridge,
            ["com.docker.network.bridge.enable_ip_masquerade"] = egress ? "true" : "false",
        };
        var addresses = subnet is null ? null : new { Config = new[] { new { Subnet = subnet } } };
        try
        {
            using var _ = await containerEngine.SendAsync(HttpMethod.Post, "networks/create",
                new
                {
                    Name = name,
                    Driver = "bridge",
                    CheckDuplicate = true,
                    EnableIPv6 = false,
                    Labels = labels,
                    Options = options,
                    IPAM = addresses
                }, stream: false, cancel);
            return true;
        }
        catch (CloudException e) when (e.Fault == CloudFault.Conflict && e.Message.Contains("already exists", StringComparison.Ordinal))
        {
            return false;
        }
    }

    public async Task<IList<NetworkResponse>> ListAsync(IDictionary<string, IDictionary<string, bool>>? filters, CancellationToken cancel) =>
        await containerEngine.CallAsync(c =>
            c.Networks.ListNetworksAsync(
                new NetworksListParameters { Filters = filters ?? new Dictionary<string, IDictionary<string, bool>>(StringComparer.Ordinal) }, cancel), cancel);

    /// <summary>Already gone counts as success.</summary>
    public Task RemoveAsync(string id, CancellationToken cancel) =>
        ContainerEngineTasks.IfThereAsync(() => containerEngine.CallAsync(c => c.Networks.DeleteNetworkAsync(id, cancel), cancel));
}
