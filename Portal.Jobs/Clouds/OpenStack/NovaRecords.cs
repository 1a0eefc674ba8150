using System.Globalization;
using System.Text.Json;
using Portal.Jobs.Foreign;

namespace Portal.Jobs.Clouds.OpenStack;

/// <param name="Status">BUILD, ACTIVE, SHUTOFF, ERROR …</param>
/// <param name="Task">What Nova does with it now, such as powering-off; empty for nothing.</param>
/// <param name="Power">What its host says of the guest: 0 nothing, 1 running, 3 paused, 4 shut down, 6 crashed, 7 suspended; null if Nova does not say.</param>
/// <param name="Address">Its first fixed IPv4 address; null while it has none.</param>
/// <param name="Fault">Why it is in ERROR, in Nova's words; null otherwise.</param>
internal sealed record NovaServer(
    string Id, string Name, string Status, string Task, int? Power, string? Address, string? Fault, IReadOnlyDictionary<string, string> Metadata)
{
    /// <summary>
    /// Its guest does not exist any more, or not yet. In every other state, unknown ones included, it may have files that are not written yet. What is
    /// being built or has failed is off only if Nova says that no guest is there.
    /// </summary>
    public bool IsOff => Status is "SHUTOFF" or "SHELVED_OFFLOADED" or "DELETED" or "SOFT_DELETED" || (Status is "BUILD" or "ERROR" && Power is 0 or 4 or 6);

    public static NovaServer Of(JsonElement json) => new(HeatJson.Text(json, "id"), HeatJson.Text(json, "name"), HeatJson.Text(json, "status"),
        HeatJson.Text(json, "OS-EXT-STS:task_state"), PowerOf(json), AddressOf(json), ForeignJson.Text(json, "fault", "message"), ManilaShare.MetadataOf(json));

    private static int? PowerOf(JsonElement json) => json.TryGetProperty("OS-EXT-STS:power_state", out var power)
        && power.ValueKind == JsonValueKind.Number && power.TryGetInt32(out var state) ? state : null;

    private static string? AddressOf(JsonElement json) =>
        !json.TryGetProperty("addresses", out var networks) || networks.ValueKind != JsonValueKind.Object ? null
        : (from network in networks.EnumerateObject()
           from address in network.Value.ValueKind == JsonValueKind.Array ? network.Value.EnumerateArray() : default
           where ForeignJson.Number(address, "version") == 4 && ForeignJson.Text(address, "OS-EXT-IPS:type") is null or "fixed"
           select ForeignJson.Text(address, "addr")).FirstOrDefault();
}

/// <summary>Something that was done with a server.</summary>
/// <param name="Action">create, stop, start, reboot …</param>
/// <param name="At">When it was asked for.</param>
internal sealed record NovaAction(string Action, DateTimeOffset At)
{
    public static NovaAction Of(JsonElement json) => new(HeatJson.Text(json, "action"),
        DateTimeOffset.TryParse(HeatJson.Text(json, "start_time"), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at)
            ? at : DateTimeOffset.MinValue);
}

/// <summary>What a project may have and has of its servers; -1 for no limit.</summary>
/// <param name="Memory">MiB.</param>
internal sealed record NovaQuotas(NovaQuota Servers, NovaQuota Vcpus, NovaQuota Memory)
{
    public static NovaQuotas Of(JsonElement set) => new(NovaQuota.Of(set, "instances"), NovaQuota.Of(set, "cores"), NovaQuota.Of(set, "ram"));
}

internal sealed record NovaQuota(int Limit, int Taken)
{
    /// <summary>What is left; null for no limit.</summary>
    public int? Left => Limit < 0 ? null : Math.Max(0, Limit - Taken);

    public static NovaQuota Of(JsonElement set, string name) => set.TryGetProperty(name, out var quota)
        ? new(ForeignJson.Number(quota, "limit"), ForeignJson.Number(quota, "in_use") + ForeignJson.Number(quota, "reserved"))
        : new(-1, 0);
}
