using System.Text.Json;
using Portal.Jobs.Foreign;

namespace Portal.Jobs.Clouds.OpenStack;

/// <param name="CreatedAt">As Manila writes it, without a time zone; only to compare with another.</param>
internal sealed record ManilaShare(string Id, string Name, string Status, int SizeGib, string CreatedAt, string ProjectId,
    IReadOnlyDictionary<string, string> Metadata)
{
    public bool IsAvailable => Status == "available";

    /// <summary>The storage would not make it smaller, or could not: it is as large as before, has its files, and takes rules, but no new size.</summary>
    public bool IsShrinkFailed => Status is "shrinking_error" or "shrinking_possible_data_loss_error";

    /// <summary>It can be mounted.</summary>
    public bool IsUsable => IsAvailable || IsShrinkFailed;

    /// <summary>Nothing goes on by itself: an administrator must act.</summary>
    public bool IsBroken =>
        !IsShrinkFailed && (Status.Contains("error", StringComparison.Ordinal) || Status is "inactive" or "awaiting_transfer");

    public static ManilaShare Of(JsonElement json) => new(Text(json, "id"), Text(json, "name"), Text(json, "status"),
        ForeignJson.Number(json, "size"), Text(json, "created_at"), Text(json, "project_id"),
        MetadataOf(json));

    internal static string Text(JsonElement json, string name) => ForeignJson.Text(json, name) ?? "";

    /// <summary>Undefined if there is none.</summary>
    internal static JsonElement Value(JsonElement json, string name) =>
        json.ValueKind == JsonValueKind.Object && json.TryGetProperty(name, out var value) ? value : default;

    internal static IReadOnlyDictionary<string, string> MetadataOf(JsonElement json)
    {
        var all = new Dictionary<string, string>(StringComparer.Ordinal);
        if (Value(json, "metadata") is { ValueKind: JsonValueKind.Object } metadata)
            foreach (var entry in metadata.EnumerateObject()) all[entry.Name] = ForeignJson.Text(metadata, entry.Name) ?? "";
        return all;
    }
}

/// <param name="State">queued_to_apply, applying, active, error, queued_to_deny or denying.</param>
/// <param name="To">The address or network that it trusts.</param>
internal sealed record ManilaRule(string Id, string State, string Type, string To, string Level, IReadOnlyDictionary<string, string> Metadata)
{
    public bool IsLeaving => State is "queued_to_deny" or "denying";

    public static ManilaRule Of(JsonElement json) => new(ManilaShare.Text(json, "id"), ManilaShare.Text(json, "state"),
        ManilaShare.Text(json, "access_type"), ManilaShare.Text(json, "access_to"), ManilaShare.Text(json, "access_level"), ManilaShare.MetadataOf(json));
}

/// <param name="HandlesServers">Its shares need a network of their own, which the portal does not make.</param>
internal sealed record ManilaType(string Name, bool IsDefault, bool HandlesServers);

/// <summary>What a project may have and has; -1 for no limit.</summary>
internal sealed record ManilaQuota(int Limit, int Taken)
{
    /// <summary>What is left; null for no limit.</summary>
    public int? Left => Limit < 0 ? null : Math.Max(0, Limit - Taken);

    public static ManilaQuota Of(JsonElement set, string name) => set.TryGetProperty(name, out var quota)
        ? new(ForeignJson.Number(quota, "limit"), ForeignJson.Number(quota, "in_use") + ForeignJson.Number(quota, "reserved"))
        : new(-1, 0);
}

/// <summary>Versions of Manila's interface.</summary>
internal static class ManilaVersions
{
    /// <summary>Rules carry metadata, and are listed at an address of their own.</summary>
    public static readonly Version Least = new(2, 45);

    /// <summary>Shares can be locked against deletion. Newer ones are not asked for: nothing here needs them, or was tried with them.</summary>
    public static readonly Version Locks = new(2, 81);
}
