using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using Portal.Jobs.Foreign;

namespace Portal.Jobs.Proofs;

/// <summary>A student's browser on the portal, limited to the sign-in page and the API.</summary>
public sealed partial class PortalVisit(PublicSite site, ForeignReader reader)
{
    private const string Api = "/api/v1";
    private static readonly ReadLimit Page = new(4 << 20, TimeSpan.FromMinutes(1));
    private readonly Dictionary<string, string> _cookies = new(StringComparer.Ordinal);

    /// <summary>Signs in as the first demo person on the sign-in page, a student. Returns the name.</summary>
    public async Task<string> SignInAsync(CancellationToken cancel)
    {
        using var page = await SendAsync(HttpMethod.Get, "/sign-in", null, cancel);
        if (page.StatusCode != HttpStatusCode.OK)
            throw new SmokeException(
                $"The sign-in page responded with {(int)page.StatusCode}: "
                + "this tool signs in as a demo user, which this installation does not offer to this machine.");
        var html = await reader.TextAsync(page.Content, Page, cancel);
        var form = FirstForm().Match(html);
        if (!form.Success) throw new SmokeException("The sign-in page lists no demo users: seed the demo with Portal.Jobs --seed-demo.");
        using var answer =
            await SendAsync(HttpMethod.Post, "/sign-in/demo",
                new FormUrlEncodedContent(
                    [new("person", Field(form.Value, "person")), new("returnUrl", "/"),
                        new("__RequestVerificationToken", Field(form.Value, "__RequestVerificationToken"))]), cancel);
        if (answer.StatusCode != HttpStatusCode.SeeOther) throw new SmokeException($"Signing in returned {(int)answer.StatusCode}.");
        return (await GetAsync("/me", cancel)).GetProperty("name").GetString() ?? "";
    }

    public async Task SignOutAsync(CancellationToken cancel)
    {
        using var page = await SendAsync(HttpMethod.Get, "/sign-in", null, cancel);
        var token = Field(await reader.TextAsync(page.Content, Page, cancel), "__RequestVerificationToken");
        using var answer = await SendAsync(HttpMethod.Post, "/sign-out", new FormUrlEncodedContent([new("__RequestVerificationToken", token)]), cancel);
    }

    /// <summary>Throws with the API's message if it refuses.</summary>
    public async Task<JsonElement> GetAsync(string path, CancellationToken cancel) =>
        await FindAsync(path, cancel) ?? throw new SmokeException($"{path} does not exist.");

    /// <summary>Null if it does not exist.</summary>
    public async Task<JsonElement?> FindAsync(string path, CancellationToken cancel)
    {
        using var answer = await SendAsync(HttpMethod.Get, Api + path, null, cancel);
        return answer.StatusCode == HttpStatusCode.NotFound ? null : await ReadAsync(answer, path, cancel);
    }

    public async Task<JsonElement> PostAsync(string path, object body, CancellationToken cancel)
    {
        using var answer = await SendAsync(HttpMethod.Post, Api + path, JsonContent.Create(body), cancel);
        return await ReadAsync(answer, path, cancel);
    }

    public async Task DeleteAsync(string path, CancellationToken cancel)
    {
        using var answer = await SendAsync(HttpMethod.Delete, Api + path, null, cancel);
        await ReadAsync(answer, path, cancel);
    }

    /// <summary>Gets a person's ticket and uses it.</summary>
    public async Task<AppVisit> OpenAsync(Guid workspace, string app, CancellationToken cancel)
    {
        var ticket = await PostAsync($"/workspaces/{workspace}/apps/{app}/ticket", new { }, cancel);
        var (visit, status) =
            await AppVisit.EnterAsync(site, new Uri(ticket.GetProperty("address").GetString()!).GetLeftPart(UriPartial.Authority),
                ticket.GetProperty("ticket").GetString()!, cancel);
        return visit ?? throw new SmokeException($"The ticket for {app} was not accepted ({(int)status}).");
    }

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, HttpContent? content, CancellationToken cancel)
    {
        using var request = new HttpRequestMessage(method, new Uri(site.Url, path)) { Content = content };
        if (_cookies.Count > 0) request.Headers.TryAddWithoutValidation("Cookie", string.Join("; ", _cookies.Select(c => $"{c.Key}={c.Value}")));
        if (method != HttpMethod.Get)
        {
            request.Headers.TryAddWithoutValidation("Origin", site.Origin);
            request.Headers.Add("X-Portal-Csrf", "1");
        }
        var answer = await site.Invoker.SendAsync(request, cancel);
        if (answer.Headers.TryGetValues("Set-Cookie", out var set))
            foreach (var pair in set.Select(s => s.Split(';')[0].Split('=', 2))) _cookies[pair[0]] = pair[1];
        return answer;
    }

    private async Task<JsonElement> ReadAsync(HttpResponseMessage answer, string path, CancellationToken cancel)
    {
        var text = await reader.TextAsync(answer.Content, Page, cancel);
        var body = text.Length == 0 ? default : JsonSerializer.Deserialize<JsonElement>(text);
        if (answer.IsSuccessStatusCode) return body;
        var why = body.ValueKind == JsonValueKind.Object && body.TryGetProperty("detail", out var detail) ? detail.GetString() : null;
        throw new SmokeException($"{path} returned {(int)answer.StatusCode}. {why}".TrimEnd());
    }

    private static string Field(string html, string name) =>
        html.Split('<').FirstOrDefault(t =>
            t.StartsWith("input", StringComparison.Ordinal) && t.Contains($"name=\"{name}\"", StringComparison.Ordinal)) is { } input
            && Value().Match(input) is { Success: true } value ? WebUtility.HtmlDecode(value.Groups["v"].Value) : "";

    [GeneratedRegex("<form method=\"post\" action=\"/sign-in/demo\">.*?</form>", RegexOptions.Singleline | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex FirstForm();

    [GeneratedRegex("value=\"(?<v>[^\"]*)\"", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Value();
}
