using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Portal.Core.Clouds;
using Portal.Jobs.Foreign;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>Manila's calls that the portal needs, in one project. What is asked about and is not there is null or nothing, not a fault.</summary>
internal sealed class Manila(ServiceClient service)
{
    private const string VersionHeader = "X-OpenStack-Manila-API-Version";
    private const int Page = 200, Most = 10_000;
    private volatile Version? _version;

    /// <summary>The newest version that the service and the portal both know, asked for once. Refused below <see cref="ManilaVersions.Least"/>.</summary>
    public async Task<Version> VersionAsync(CancellationToken cancel)
    {
        if (_version is { } known) return known;
        // The catalogue's address ends in /v2, and in many clouds in the project too; versions are listed above it.
        var answer = await service.SendAsync(HttpMethod.Get, Versions, null, cancel);
        var newest = ForeignJson.Items(answer.Must(), "versions").Select(v => Version.TryParse(ForeignJson.Text(v, "version"), out var of) ? of : null).Max();
        if (newest is null || newest < ManilaVersions.Least)
            throw new CloudException(Services.Manila, CloudFault.Refused,
                $"it offers API version {newest?.ToString() ?? "1"}, but the portal needs {ManilaVersions.Least} or newer",
                "Ask the administrators of the OpenStack cloud to upgrade Manila to the Rocky release or newer.");
        return _version = newest < ManilaVersions.Locks ? newest : ManilaVersions.Locks;
    }

    private static Uri Versions(string address)
    {
        var all = new Uri(address);
        var path = all.AbsolutePath;
        return new(all, (path.LastIndexOf("/v2", StringComparison.Ordinal) is >= 0 and var at ? path[..at] : path.TrimEnd('/')) + "/");
    }

    public Task<string> ProjectAsync(CancellationToken cancel) => service.ProjectAsync(cancel);

    /// <summary>Every share in the project with these metadata, in pages.</summary>
    public Task<IReadOnlyList<ManilaShare>> SharesWithAsync(IReadOnlyDictionary<string, string> metadata, CancellationToken cancel) =>
        // Manila reads the filter as a Python dictionary; keys and values are ours, without quotes.
        SharesAsync("&metadata=" + Uri.EscapeDataString($"{{{string.Join(", ", metadata.Select(m => $"'{m.Key}': '{m.Value}'"))}}}"), cancel);

    /// <summary>Every share with this name, of which Manila allows several.</summary>
    public Task<IReadOnlyList<ManilaShare>> SharesNamedAsync(string name, CancellationToken cancel) =>
        SharesAsync("&name=" + Uri.EscapeDataString(name), cancel);

    /// <summary>Every share in the project.</summary>
    public Task<IReadOnlyList<ManilaShare>> SharesAsync(CancellationToken cancel) => SharesAsync("", cancel);

    private async Task<IReadOnlyList<ManilaShare>> SharesAsync(string filter, CancellationToken cancel)
    {
        var all = new Dictionary<string, ManilaShare>(StringComparer.Ordinal);
        for (var offset = 0; offset < Most;)
        {
            var json = await GetAsync($"shares/detail?limit={Page}&offset={offset}{filter}", cancel);
            var got = ForeignJson.Items(json, "shares").Select(ManilaShare.Of).ToList();
            foreach (var share in got) all[share.Id] = share;
            offset += got.Count;
            // A page may be short because the service gives fewer than are asked for: then it says that there are more.
            var more = got.Count >= Page || ForeignJson.Items(json, "shares_links").Any(link => ForeignJson.Text(link, "rel") == "next");
            if (got.Count == 0 || !more) return [.. all.Values];
        }
        throw new CloudException(Services.Manila, CloudFault.Refused, $"the project has more than {Most} shares",
            "Divide its tenants among several projects.");
    }

    /// <summary>Null if there is none.</summary>
    public async Task<ManilaShare?> ShareAsync(string id, CancellationToken cancel)
    {
        var answer = await SendAsync(HttpMethod.Get, $"shares/{id}", null, cancel);
        return answer.Status == 404 ? null : ManilaShare.Of(answer.Must("share"));
    }

    /// <summary>Asks for a share; it is being created when this returns.</summary>
    /// <param name="type">Empty: the cloud's default.</param>
    public async Task<ManilaShare> CreateAsync(
        string name, int gib, string protocol, string type, IReadOnlyDictionary<string, string> metadata, CancellationToken cancel)
    {
        var share = new JsonObject { ["name"] = name, ["share_proto"] = protocol, ["size"] = gib, ["metadata"] = Json(metadata), ["is_public"] = false };
        if (type.Length > 0) share["share_type"] = type;
        var answer = await SendAsync(HttpMethod.Post, "shares", new JsonObject { ["share"] = share }, cancel);
        return ManilaShare.Of(answer.Must("share"));
    }

    /// <summary>Asks that a share be made larger.</summary>
    public Task ExtendAsync(string id, int gib, CancellationToken cancel) => ActAsync(id, "extend", new JsonObject { ["new_size"] = gib }, cancel);

    /// <summary>Asks that a share be made smaller. Some storage accepts that and does nothing: look at its size afterwards.</summary>
    public Task ShrinkAsync(string id, int gib, CancellationToken cancel) => ActAsync(id, "shrink", new JsonObject { ["new_size"] = gib }, cancel);

    /// <summary>Adds to a share's metadata.</summary>
    public async Task DescribeAsync(string id, IReadOnlyDictionary<string, string> metadata, CancellationToken cancel) =>
        (await SendAsync(HttpMethod.Post, $"shares/{id}/metadata", new JsonObject { ["metadata"] = Json(metadata) }, cancel)).Must();

    /// <summary>Asks for a share's deletion; that it is gone is no fault.</summary>
    public async Task DeleteAsync(string id, CancellationToken cancel) => Gone(await SendAsync(HttpMethod.Delete, $"shares/{id}", null, cancel));

    /// <summary>Deletes a share in whatever state it is; only administrators may.</summary>
    public Task ForceDeleteAsync(string id, CancellationToken cancel) => ActAsync(id, "force_delete", null, cancel);

    /// <summary>The rules of a share, whatever their state; none if there is no such share.</summary>
    public async Task<IReadOnlyList<ManilaRule>> RulesAsync(string share, CancellationToken cancel)
    {
        var answer = await SendAsync(HttpMethod.Get, $"share-access-rules?share_id={share}", null, cancel);
        // Here, and nowhere else, a missing share is a bad request.
        var missing = answer.Status == 404 || (answer is { Status: 400, Fault: { } fault } && fault.Message.Contains("not found", StringComparison.Ordinal));
        return missing ? [] : [.. ForeignJson.Items(answer.Must(), "access_list").Select(ManilaRule.Of)];
    }

    /// <summary>Asks for a rule that lets an address or network read and write.</summary>
    public Task AllowAsync(string share, string to, IReadOnlyDictionary<string, string> metadata, CancellationToken cancel) => ActAsync(share, "allow_access",
        new JsonObject { ["access_type"] = "ip", ["access_to"] = to, ["access_level"] = "rw", ["metadata"] = Json(metadata) }, cancel);

    /// <summary>Asks that a rule be removed; that it is gone, or is being removed, is no fault.</summary>
    public async Task DenyAsync(string share, string rule, CancellationToken cancel) =>
        Gone(await SendAsync(HttpMethod.Post, $"shares/{share}/action", new JsonObject { ["deny_access"] = new JsonObject { ["access_id"] = rule } }, cancel));

    public async Task DescribeRuleAsync(string rule, IReadOnlyDictionary<string, string> metadata, CancellationToken cancel) =>
        (await SendAsync(HttpMethod.Put, $"share-access-rules/{rule}/metadata", new JsonObject { ["metadata"] = Json(metadata) }, cancel)).Must();

    public async Task ForgetOfRuleAsync(string rule, string key, CancellationToken cancel) =>
        Gone(await SendAsync(HttpMethod.Delete, $"share-access-rules/{rule}/metadata/{key}", null, cancel));

    /// <summary>Where a share is mounted from, the preferred place first, without those that only administrators may use.</summary>
    public async Task<IReadOnlyList<string>> ExportsAsync(string share, CancellationToken cancel) =>
    [
        .. from export in ForeignJson.Items(await GetAsync($"shares/{share}/export_locations", cancel), "export_locations")
           where !Is(export, "is_admin_only")
           let path = ForeignJson.Text(export, "path")
           where path is { Length: > 0 }
           orderby Is(export, "preferred") descending
           select path,
    ];

    /// <summary>Why something that was started failed: the newest message about a share.</summary>
    /// <param name="since">Only messages since then.</param>
    /// <param name="action">Number of an action, such as <see cref="ManilaActions.Shrink"/>; null for any.</param>
    public async Task<string?> CauseAsync(string share, DateTimeOffset since, string? action, CancellationToken cancel) =>
        (from message in ForeignJson.Items(await GetAsync($"messages?resource_id={share}", cancel), "messages")
         where action is null || ForeignJson.Text(message, "action_id") == action
         let at = DateTimeOffset.TryParse(
             ForeignJson.Text(message, "created_at"), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)
             ? time : DateTimeOffset.MinValue
         where at >= since
         orderby at descending
         select ForeignJson.Text(message, "user_message")).FirstOrDefault();

    /// <summary>Amount of each kind that the project may have and has.</summary>
    public async Task<JsonElement> QuotasAsync(CancellationToken cancel) =>
        OpenStackFaults.Part(Services.Manila, await GetAsync($"quota-sets/{await ProjectAsync(cancel)}/detail", cancel), "quota_set");

    public async Task<IReadOnlyList<ManilaType>> TypesAsync(CancellationToken cancel) =>
    [
        .. from type in ForeignJson.Items(await GetAsync("types", cancel), "share_types")
           let value = ManilaShare.Value(ManilaShare.Value(type, "extra_specs"), "driver_handles_share_servers")
           let servers = string.Equals(value.ToString(), "true", StringComparison.OrdinalIgnoreCase)
           select new ManilaType(ForeignJson.Text(type, "name") ?? "", Is(type, "is_default"), servers),
    ];

    /// <summary>Whether anything prevents the deletion of a share; see <see cref="ManilaVersions.Locks"/>.</summary>
    public async Task<bool> IsLockedAsync(string share, CancellationToken cancel) =>
        ForeignJson.Items(await GetAsync($"resource-locks?resource_id={share}&resource_action=delete", cancel), "resource_locks").Any();

    public async Task LockAsync(string share, string why, CancellationToken cancel) => (await SendAsync(HttpMethod.Post, "resource-locks", new JsonObject
    {
        ["resource_lock"] = new JsonObject
        {
            ["resource_id"] = share,
            ["resource_type"] = "share",
            ["resource_action"] = "delete",
            ["lock_reason"] = why,
        },
    }, cancel)).Must();

    private async Task ActAsync(string share, string action, JsonNode? what, CancellationToken cancel) =>
        (await SendAsync(HttpMethod.Post, $"shares/{share}/action", new JsonObject { [action] = what }, cancel)).Must();

    private async Task<JsonElement> GetAsync(string path, CancellationToken cancel) => (await SendAsync(HttpMethod.Get, path, null, cancel)).Must();

    private async Task<Answer> SendAsync(HttpMethod method, string path, JsonNode? body, CancellationToken cancel)
    {
        for (var again = false; ; again = true)
        {
            var version = await VersionAsync(cancel);
            var answer = await service.SendAsync(method, path, body, cancel, (VersionHeader, version.ToString()));
            if (answer.Status != 406) return answer;
            // The service was replaced by an older one. It has done nothing, so that anything may be sent again.
            if (_version == version) _version = null;
            if (again) return answer;
        }
    }

    private static void Gone(Answer answer)
    {
        if (answer.Status != 404) answer.Must();
    }

    private static JsonObject Json(IReadOnlyDictionary<string, string> metadata) =>
        new(metadata.Select(m => KeyValuePair.Create<string, JsonNode?>(m.Key, m.Value)));

    private static bool Is(JsonElement json, string name) => ManilaShare.Value(json, name).ValueKind == JsonValueKind.True;
}

/// <summary>Numbers by which messages name what was tried.</summary>
internal static class ManilaActions
{
    public const string Shrink = "009", ChangeRules = "010";
}
