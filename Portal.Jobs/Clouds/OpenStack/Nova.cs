using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Portal.Core.Clouds;
using Portal.Core.Quotas;
using Portal.Jobs.Foreign;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>Nova's calls that the portal needs, in one project, and the look for an image. What is asked about and is not there is null or nothing.</summary>
internal sealed class Nova(ServiceClient servers, ServiceClient images, ServerOptions options, TimeProvider clock)
{
    /// <summary>Flavors and images rarely change; asked again after this time.</summary>
    private static readonly TimeSpan Keep = TimeSpan.FromMinutes(5);

    private readonly Kept<ImmutableArray<Flavor>> _flavors = new(Keep, clock);
    private readonly Kept<string> _image = new(Keep, clock);
    private readonly Kept<IReadOnlyDictionary<string, string>> _properties = new(TimeSpan.FromMinutes(1), clock);

    /// <summary>What nodes occupy: the flavors that the portal may use, and what a server needs for itself. Kept for some minutes.</summary>
    public async Task<Machines> MachinesAsync(CancellationToken cancel) => new(await _flavors.GetAsync(FlavorsAsync, cancel), options.OverheadMib);

    /// <summary>
    /// Id of the image that servers start from. Refused if there is none of this name, or if the name is used by several: which one is meant
    /// cannot be known.
    /// </summary>
    public Task<string> ImageAsync(CancellationToken cancel) => _image.GetAsync(FindImageAsync, cancel);

    /// <summary>Properties of that image in Glance; kept for a minute, because images are exchanged while the portal runs.</summary>
    public Task<IReadOnlyDictionary<string, string>> ImagePropertiesAsync(CancellationToken cancel) => _properties.GetAsync(FindPropertiesAsync, cancel);

    /// <summary>Every server in the project, in pages.</summary>
    public Task<IReadOnlyList<NovaServer>> ServersAsync(CancellationToken cancel) => ServersAsync("", cancel);

    /// <summary>The servers of one generation.</summary>
    public async Task<IReadOnlyList<NovaServer>> ServersAsync(HeatNames names, StackKey key, CancellationToken cancel)
    {
        // Nova reads it as a regular expression; what such names are made of has no special meaning in one.
        var found = await ServersAsync("&name=" + Uri.EscapeDataString($"^{names.ServerOf(key, "")}"), cancel);
        return [.. found.Where(s => names.KeyOf(s) == key)];
    }

    /// <summary>Null if there is none.</summary>
    public async Task<NovaServer?> ServerAsync(string id, CancellationToken cancel)
    {
        var answer = await servers.SendAsync(HttpMethod.Get, $"servers/{Uri.EscapeDataString(id)}", null, cancel);
        return answer.Status == 404 ? null : NovaServer.Of(HeatJson.Part(answer.Must(), "server", Services.Nova));
    }

    /// <summary>
    /// Asks a server to shut down, so that what it has not written yet reaches the disks. Null if Nova does so, or if the server is gone; Nova's words if
    /// the server's state does not allow it, which may pass: it is off, is being built, is shutting down already, is locked.
    /// </summary>
    public async Task<string?> StopAsync(string id, CancellationToken cancel) => RefusalOf(await servers.SendAsync(
        HttpMethod.Post, $"servers/{Uri.EscapeDataString(id)}/action", new JsonObject { ["os-stop"] = null }, cancel));

    /// <summary>Deletes a server that no stack holds; answers as <see cref="StopAsync"/> does.</summary>
    public async Task<string?> DeleteAsync(string id, CancellationToken cancel) =>
        RefusalOf(await servers.SendAsync(HttpMethod.Delete, $"servers/{Uri.EscapeDataString(id)}", null, cancel));

    /// <summary>Keeps the fingerprint of a server's container engine with the server, where the list of servers shows it.</summary>
    public async Task PinAsync(string id, string fingerprint, CancellationToken cancel)
    {
        var change = new JsonObject { ["metadata"] = new JsonObject { [HeatNames.Fingerprint] = fingerprint } };
        (await servers.SendAsync(HttpMethod.Post, $"servers/{Uri.EscapeDataString(id)}/metadata", change, cancel)).Must();
    }

    /// <summary>What was done with a server, newest first.</summary>
    public async Task<IReadOnlyList<NovaAction>> ActionsAsync(string id, CancellationToken cancel)
    {
        var answer = await servers.SendAsync(HttpMethod.Get, $"servers/{Uri.EscapeDataString(id)}/os-instance-actions", null, cancel);
        return answer.Status == 404 ? []
            : [.. HeatJson.List(answer.Must(), "instanceActions", Services.Nova).Select(NovaAction.Of).OrderByDescending(a => a.At)];
    }

    public async Task<NovaQuotas> QuotasAsync(CancellationToken cancel) => NovaQuotas.Of(HeatJson.Part(
        await servers.GetAsync($"os-quota-sets/{await servers.ProjectAsync(cancel)}/detail", cancel), "quota_set", Services.Nova));

    private static string? RefusalOf(Answer answer)
    {
        if (answer.Status == 409) return answer.Fault?.Message;
        if (answer.Status != 404) answer.Must();
        return null;
    }

    private async Task<IReadOnlyList<NovaServer>> ServersAsync(string filter, CancellationToken cancel) =>
        [.. (await HeatPages.AllAsync(servers, "servers/detail", filter, "servers", "servers_links", cancel)).Select(NovaServer.Of)];

    private async Task<ImmutableArray<Flavor>> FlavorsAsync(CancellationToken cancel)
    {
        var all = await HeatPages.AllAsync(servers, "flavors/detail", "", "flavors", "flavors_links", cancel);
        ImmutableArray<Flavor> usable =
        [
            .. from flavor in all
               let name = HeatJson.Text(flavor, "name")
               where name.StartsWith(options.FlavorPrefix, StringComparison.Ordinal)
                   && !(flavor.TryGetProperty("OS-FLV-DISABLED:disabled", out var disabled) && disabled.ValueKind == System.Text.Json.JsonValueKind.True)
               let vcpus = ForeignJson.Number(flavor, "vcpus")
               let memory = ForeignJson.Number(flavor, "ram")
               where vcpus > 0 && memory > 0
               select new Flavor(name, vcpus, memory),
        ];
        return usable.IsEmpty
            ? throw new CloudException(Services.Nova, CloudFault.Refused,
                options.FlavorPrefix.Length > 0 ? $"it offers no flavor whose name begins with {options.FlavorPrefix}" : "it offers no flavor",
                $"Ask the administrators of the OpenStack cloud for flavors, or correct {ServerOptions.Section}:FlavorPrefix.")
            : usable;
    }

    private async Task<IReadOnlyDictionary<string, string>> FindPropertiesAsync(CancellationToken cancel)
    {
        var image = HeatJson.Whole(await images.GetAsync($"v2/images/{Uri.EscapeDataString(await ImageAsync(cancel))}", cancel), "image", Services.Glance);
        return image.EnumerateObject().Where(p => p.Value.ValueKind == System.Text.Json.JsonValueKind.String)
            .ToDictionary(p => p.Name, p => p.Value.GetString() ?? "", StringComparer.Ordinal);
    }

    private async Task<string> FindImageAsync(CancellationToken cancel)
    {
        if (Guid.TryParse(options.Image, out _)) return options.Image;
        var found = HeatJson.List(await images.GetAsync($"v2/images?status=active&limit=10&name={Uri.EscapeDataString(options.Image)}", cancel),
            "images", Services.Glance).Select(i => HeatJson.Text(i, "id")).ToList();
        return found is [var id] ? id : throw new CloudException(Services.Glance, CloudFault.Refused,
            found.Count == 0 ? $"there is no image {options.Image}" : $"{found.Count} images have the name {options.Image}",
            $"Upload the server image, or set {ServerOptions.Section}:Image to the id of the right one.");
    }
}

/// <summary>An answer that is kept for a while. A failure is not kept. Several who ask at once may all ask the service.</summary>
internal sealed class Kept<T>(TimeSpan life, TimeProvider clock)
{
    private volatile Entry? _kept;

    public async Task<T> GetAsync(Func<CancellationToken, Task<T>> ask, CancellationToken cancel)
    {
        if (_kept is { } kept && clock.GetElapsedTime(kept.At) <= life) return kept.Value;
        var at = clock.GetTimestamp();
        var value = await ask(cancel);
        _kept = new(value, at);
        return value;
    }

    private sealed record Entry(T Value, long At);
}
