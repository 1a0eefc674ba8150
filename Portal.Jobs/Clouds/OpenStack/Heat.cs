using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Portal.Core.Clouds;
using Portal.Jobs.Foreign;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>Heat's calls that the portal needs, in one project. What is asked about and is not there is null or nothing, not a fault.</summary>
internal sealed class Heat(ServiceClient service)
{
    /// <summary>Events of one call: a page that is full is continued by the next call.</summary>
    public const int EventPage = 100;

    /// <summary>Has the template checked, without making anything. Refused, in Heat's words, if it is wrong.</summary>
    public async Task ValidateAsync(JsonObject template, CancellationToken cancel) =>
        (await service.SendAsync(HttpMethod.Post, "validate", new JsonObject { ["template"] = template.DeepClone() }, cancel)).Must();

    /// <summary>Asks for a stack. False if there is one of this name, which Heat does not always notice: look how many there are.</summary>
    /// <param name="limit">For all of it, rounded up to minutes.</param>
    public async Task<bool> CreateAsync(string name, IReadOnlyList<string> tags, JsonObject template, TimeSpan limit, CancellationToken cancel)
    {
        var body = BodyOf(tags, template, limit);
        body["stack_name"] = name;
        body["disable_rollback"] = true; // what failed is looked at, and then deleted
        var answer = await service.SendAsync(HttpMethod.Post, "stacks", body, cancel);
        if (answer.Fault is { } refused && refused.Message.Contains("maximum stacks", StringComparison.OrdinalIgnoreCase))
            throw new CloudException(Services.Heat, CloudFault.Full, "the project has as many stacks as Heat allows",
                "Wait until other workspaces have ended, or ask the administrators of the OpenStack cloud for more stacks in a project.", refused);
        if (answer.Fault is { Fault: CloudFault.Conflict }) return false;
        answer.Must();
        return true;
    }

    /// <summary>Asks that a stack become what the template says; it must be the whole template.</summary>
    public async Task UpdateAsync(HeatStack stack, JsonObject template, TimeSpan limit, CancellationToken cancel) =>
        (await service.SendAsync(HttpMethod.Put, PathOf(stack), BodyOf(stack.Tags, template, limit), cancel)).Must();

    /// <summary>Asks for a stack's deletion; that it is gone is no fault.</summary>
    public async Task DeleteAsync(HeatStack stack, CancellationToken cancel)
    {
        var answer = await service.SendAsync(HttpMethod.Delete, PathOf(stack), null, cancel);
        if (answer.Status != 404) answer.Must();
    }

    /// <summary>Every stack with all of these tags, in pages; deleted ones are not among them.</summary>
    public Task<IReadOnlyList<HeatStack>> StacksAsync(IReadOnlyList<string> tags, CancellationToken cancel) =>
        StacksAsync("tags=" + Uri.EscapeDataString(string.Join(',', tags)), cancel);

    /// <summary>Every stack of this name, whoever made it; there can be several.</summary>
    public Task<IReadOnlyList<HeatStack>> NamedAsync(string name, CancellationToken cancel) => StacksAsync("name=" + Uri.EscapeDataString(name), cancel);

    /// <summary>One stack; null if there is none, or if it was deleted.</summary>
    public async Task<HeatStack?> StackAsync(HeatStack stack, CancellationToken cancel) =>
        Found(await service.SendAsync(HttpMethod.Get, $"{PathOf(stack)}?resolve_outputs=false", null, cancel)) is { } json
        && HeatStack.Of(HeatJson.Part(json, "stack", Services.Heat)) is { Status: not "DELETE_COMPLETE" } found ? found : null;

    /// <summary>A stack's outputs that have a value, as text; JSON where the value is not a text.</summary>
    public async Task<IReadOnlyDictionary<string, string>> OutputsAsync(HeatStack stack, CancellationToken cancel)
    {
        var all = new Dictionary<string, string>(StringComparer.Ordinal);
        if (Found(await service.SendAsync(HttpMethod.Get, PathOf(stack), null, cancel)) is not { } json) return all;
        foreach (var output in ForeignJson.Items(HeatJson.Part(json, "stack", Services.Heat), "outputs"))
        {
            if (output.ValueKind != JsonValueKind.Object || !output.TryGetProperty("output_value", out var value)
                || value.ValueKind == JsonValueKind.Null) continue;
            all[HeatJson.Text(output, "output_key")] = value.ValueKind == JsonValueKind.String ? HeatJson.Text(output, "output_value") : value.GetRawText();
        }
        return all;
    }

    /// <summary>The template that a stack was last asked to become; null if there is no such stack.</summary>
    public async Task<JsonObject?> TemplateAsync(HeatStack stack, CancellationToken cancel) =>
        Found(await service.SendAsync(HttpMethod.Get, PathOf(stack) + "/template", null, cancel)) is { } json
            ? JsonObject.Create(HeatJson.Whole(json, "template", Services.Heat)) : null;

    /// <summary>The parts of a stack, those of stacks within it included.</summary>
    public async Task<IReadOnlyList<HeatResource>> ResourcesAsync(HeatStack stack, CancellationToken cancel) =>
        Found(await service.SendAsync(HttpMethod.Get, PathOf(stack) + "/resources?nested_depth=2", null, cancel)) is { } json
            ? [.. HeatJson.List(json, "resources", Services.Heat).Select(HeatResource.Of)] : [];

    /// <summary>One page of what happened in a stack, oldest first: the first after a known event, or the last of all.</summary>
    /// <param name="after">Id of the last event that is known; null if none is.</param>
    public async Task<IReadOnlyList<HeatEvent>> EventsAsync(HeatStack stack, string? after, CancellationToken cancel)
    {
        var which = after is null ? "sort_dir=desc" : "sort_dir=asc&marker=" + Uri.EscapeDataString(after);
        if (Found(await service.SendAsync(HttpMethod.Get, $"{PathOf(stack)}/events?limit={EventPage}&{which}", null, cancel)) is not { } json) return [];
        var events = HeatJson.List(json, "events", Services.Heat).Select(HeatEvent.Of);
        return after is null ? [.. events.Reverse()] : [.. events];
    }

    /// <summary>
    /// What happened to the whole stack, newest first, until something was last completed: everything since then belongs to what is being tried now.
    /// </summary>
    public async Task<IReadOnlyList<HeatEvent>> AttemptsAsync(HeatStack stack, CancellationToken cancel) =>
        Found(await service.SendAsync(HttpMethod.Get, string.Create(CultureInfo.InvariantCulture,
            $"{PathOf(stack)}/events?limit={EventPage}&resource_name={Uri.EscapeDataString(stack.Name)}&sort_dir=desc"), null, cancel)) is { } json
            ? [.. HeatJson.List(json, "events", Services.Heat).Select(HeatEvent.Of).TakeWhile(e => e.Status is not ("CREATE_COMPLETE" or "UPDATE_COMPLETE"))]
            : [];

    private async Task<IReadOnlyList<HeatStack>> StacksAsync(string filter, CancellationToken cancel) =>
        [.. from json in await HeatPages.AllAsync(service, "stacks", "&" + filter, "stacks", "links", cancel)
            let stack = HeatStack.Of(json)
            where stack.Status != "DELETE_COMPLETE" // for a moment they are still listed
            select stack];

    private static JsonObject BodyOf(IReadOnlyList<string> tags, JsonObject template, TimeSpan limit) => new()
    {
        ["template"] = template.DeepClone(),
        ["tags"] = string.Join(',', tags),
        ["timeout_mins"] = (int)Math.Ceiling(limit.TotalMinutes),
    };

    private static string PathOf(HeatStack stack) => $"stacks/{Uri.EscapeDataString(stack.Name)}/{Uri.EscapeDataString(stack.Id)}";

    private static JsonElement? Found(Answer answer) => answer.Status == 404 ? null : answer.Must();
}
