using System.Globalization;
using System.Text.Json;
using Portal.Core.Clouds;
using Portal.Jobs.Foreign;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>A stack as a list shows it.</summary>
/// <param name="Status">What was last tried with it, and how far that is, such as CREATE_IN_PROGRESS.</param>
/// <param name="CreatedAt">As Heat writes it; only to compare with another.</param>
internal sealed record HeatStack(string Id, string Name, string Status, string Reason, string CreatedAt, IReadOnlyList<string> Tags)
{
    /// <summary>What is tried: CREATE, UPDATE, DELETE …</summary>
    public string Action => Status.Split('_')[0];

    public bool IsInProgress => Status.EndsWith("_IN_PROGRESS", StringComparison.Ordinal);

    public bool IsComplete => Status.EndsWith("_COMPLETE", StringComparison.Ordinal);

    public bool IsFailed => Status.EndsWith("_FAILED", StringComparison.Ordinal);

    public static HeatStack Of(JsonElement json) => new(HeatJson.Text(json, "id"), HeatJson.Text(json, "stack_name"), HeatJson.Text(json, "stack_status"),
        HeatJson.Text(json, "stack_status_reason"), HeatJson.Text(json, "creation_time"),
        [.. ForeignJson.Items(json, "tags").Where(t => t.ValueKind == JsonValueKind.String).Select(t => t.GetString() ?? "")]);
}

/// <summary>One part of a stack.</summary>
/// <param name="Name">Its name in the template.</param>
/// <param name="PhysicalId">Of what it became, such as a server; empty if nothing was made.</param>
internal sealed record HeatResource(string Name, string Type, string Status, string Reason, string PhysicalId)
{
    public bool IsFailed => Status.EndsWith("_FAILED", StringComparison.Ordinal);

    public static HeatResource Of(JsonElement json) => new(HeatJson.Text(json, "resource_name"), HeatJson.Text(json, "resource_type"),
        HeatJson.Text(json, "resource_status"), HeatJson.Text(json, "resource_status_reason"), HeatJson.Text(json, "physical_resource_id"));
}

/// <summary>Something that happened to a resource, or, under the stack's name, to the stack.</summary>
/// <param name="At">Heat knows whole seconds.</param>
internal sealed record HeatEvent(string Id, DateTimeOffset At, string Resource, string Status, string Reason)
{
    /// <summary>It failed by itself: a later attempt cancels one that is still under way.</summary>
    public bool IsFailure => Status.EndsWith("_FAILED", StringComparison.Ordinal) && !Reason.Contains("cancelled", StringComparison.OrdinalIgnoreCase);

    public static HeatEvent Of(JsonElement json) => new(HeatJson.Text(json, "id"),
        DateTimeOffset.TryParse(HeatJson.Text(json, "event_time"), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at)
            ? at : DateTimeOffset.MinValue,
        HeatJson.Text(json, "resource_name"), HeatJson.Text(json, "resource_status"), HeatJson.Text(json, "resource_status_reason"));
}

internal static class HeatJson
{
    /// <summary>Empty if there is none.</summary>
    public static string Text(JsonElement json, string name) => ForeignJson.Text(json, name) ?? "";

    /// <summary>The object of this name. Broken without one: an answer that lacks what was asked for must not pass for "there is nothing".</summary>
    public static JsonElement Part(JsonElement json, string name, string service) => Of(json, name, JsonValueKind.Object) ?? throw Lacks(name, service);

    /// <summary>The same if the whole answer is what was asked for.</summary>
    public static JsonElement Whole(JsonElement json, string name, string service) =>
        json.ValueKind == JsonValueKind.Object ? json : throw Lacks(name, service);

    /// <summary>The objects of the array of this name. Broken without an array.</summary>
    public static IReadOnlyList<JsonElement> List(JsonElement json, string name, string service) => Of(json, name, JsonValueKind.Array) is { } list
        ? [.. list.EnumerateArray().Where(i => i.ValueKind == JsonValueKind.Object)] : throw Lacks(name, service);

    private static JsonElement? Of(JsonElement json, string name, JsonValueKind kind) =>
        json.ValueKind == JsonValueKind.Object && json.TryGetProperty(name, out var part) && part.ValueKind == kind ? part : null;

    private static CloudException Lacks(string name, string service) => new(service, CloudFault.Broken, $"its answer has no {name}",
        "Check that auth_url and the catalogue name OpenStack's services, and not another site or a proxy.");
}
