using System.Text.Json;
using Portal.Core.Clouds;
using Portal.Jobs.Foreign;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>Lists that Heat and Nova answer in pages. A cloud may allow shorter pages than are asked for: a short page is not always the last.</summary>
internal static class HeatPages
{
    private const int Page = 200, MostPages = 50;

    /// <summary>All of a list, until a page is empty, or is not full and has no link to a next one. What is on two pages is there once.</summary>
    /// <param name="path">Without the part after the question mark.</param>
    /// <param name="filter">Of what is asked for; empty for everything.</param>
    /// <param name="name">Of the list.</param>
    /// <param name="links">Where the link to the next page is.</param>
    public static async Task<IReadOnlyCollection<JsonElement>> AllAsync(
        ServiceClient service, string path, string filter, string name, string links, CancellationToken cancel)
    {
        var all = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        for (var (page, marker) = (0, ""); page < MostPages; page++)
        {
            var answer = await service.GetAsync($"{path}?limit={Page}{filter}{marker}", cancel);
            var got = HeatJson.List(answer, name, service.Title);
            foreach (var item in got) all[HeatJson.Text(item, "id")] = item;
            if (got.Count == 0 || (got.Count < Page && !HasNext(answer, links))) return all.Values;
            marker = "&marker=" + Uri.EscapeDataString(HeatJson.Text(got[^1], "id"));
        }
        throw new CloudException(service.Title, CloudFault.Refused, $"the project has more {name} than fit on {MostPages} pages",
            "Divide its tenants among several projects.");
    }

    private static bool HasNext(JsonElement answer, string links) =>
        ForeignJson.Items(answer, links).Any(l => ForeignJson.Text(l, "rel") == "next");
}
