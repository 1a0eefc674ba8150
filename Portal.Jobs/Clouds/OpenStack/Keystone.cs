using System.Globalization;
using System.Text.Json;
using Portal.Core.Clouds;
using Portal.Jobs.Foreign;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>A token and what came with it. A class, because a record would print the token.</summary>
internal sealed class Token
{
    public required string Value { get; init; }

    /// <summary>By this process's clock, which may differ from Keystone's.</summary>
    public required DateTimeOffset RenewAt { get; init; }

    /// <summary>Until then it is used if Keystone is not available; by this process's clock too.</summary>
    public required DateTimeOffset EndsAt { get; init; }

    /// <summary>Of the addresses that are used; see <see cref="Credential"/>.</summary>
    public required string Interface { get; init; }

    public required string Region { get; init; }
    public required string ProjectId { get; init; }
    public required string ProjectName { get; init; }
    public required string UserId { get; init; }
    public required string UserName { get; init; }
    public required IReadOnlyList<string> Roles { get; init; }
    public required IReadOnlyList<CatalogEntry> Catalog { get; init; }
}

/// <param name="Interface">public, internal or admin.</param>
internal sealed record CatalogEntry(string Type, string Interface, string Region, string Url);

/// <summary>
/// The session of one project: its token, kept until shortly before it expires and renewed by one caller at a time, and the addresses of services.
/// </summary>
/// <param name="read">Reads the credential, at every sign-in: replacing the file needs no restart.</param>
internal sealed class Keystone(Func<CancellationToken, Task<Credential>> read, OpenStackHttp http, TimeProvider clock)
{
    /// <summary>How long before its end a token is renewed; of a short one, a quarter of its life.</summary>
    private static readonly TimeSpan Margin = TimeSpan.FromMinutes(2);

    /// <summary>How long a failure to sign in is kept: many callers must not lock the account, nor each wait for a service that does not answer.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new();
    private Token? _token;
    private Task<Token>? _renewal;
    private DateTimeOffset _renewNotBefore = DateTimeOffset.MinValue;

    /// <summary>The sign-in that was denied, until when it is not tried again, and the denial. Only one renewal at a time uses it.</summary>
    private (Uri At, string SignIn, DateTimeOffset Until, CloudException Fault)? _denied;

    /// <summary>A token that is valid, as far as is known.</summary>
    /// <param name="refused">One that a service did not accept: it is renewed, unless somebody else has done so.</param>
    public async Task<Token> TokenAsync(Token? refused, CancellationToken cancel)
    {
        Task<Token> renewal;
        lock (_gate)
        {
            var now = clock.GetUtcNow();
            if (_token is { } token && token != refused && (now < token.RenewAt || (now < token.EndsAt && now < _renewNotBefore))) return token;
            // Not cancelled with the caller that happens to be the first: others wait for it too. The call has a deadline.
            if (_renewal is null or { IsCompleted: true }) _renewal = RenewAsync();
            renewal = _renewal;
        }
        try { return await renewal.WaitAsync(cancel); }
        catch (CloudException e) when (IsAway(e))
        {
            lock (_gate)
                if (_token is { } old && old != refused && clock.GetUtcNow() < old.EndsAt) return old;
            throw;
        }
    }

    /// <summary>Address of a service, without a slash at its end. Refused if the catalogue has none, or one that is not a URL.</summary>
    public static string AddressOf(ServiceKind service, Token token)
    {
        var address = token.Catalog.FirstOrDefault(e => service.Types.Contains(e.Type, StringComparer.Ordinal) && e.Interface == token.Interface
            && (token.Region.Length == 0 || e.Region == token.Region))?.Url.TrimEnd('/')
            ?? throw Refused("has no",
                "Correct region and interface in the credential's file, or ask the administrators of the OpenStack cloud to offer this service.");
        // A place for the project that nobody has filled in is still a URL.
        if (Uri.TryCreate(address, UriKind.Absolute, out var url) && url.Scheme is "http" or "https"
            && !address.Contains("%(", StringComparison.Ordinal) && !address.Contains("$(", StringComparison.Ordinal)) return address;
        throw Refused($"has \"{address}\", which is not a complete HTTP or HTTPS URL, as",
            "Ask the administrators of the OpenStack cloud to correct the catalogue.");

        CloudException Refused(string has, string whatToDo) => new(Services.Keystone, CloudFault.Refused,
            $"its catalogue {has} {token.Interface} endpoint for {service.Title} ({service.Types[0]})"
            + (token.Region.Length == 0 ? "" : $" in the region {token.Region}"), whatToDo);
    }

    private static bool IsAway(CloudException e) => e.Fault is CloudFault.Unavailable or CloudFault.TimedOut or CloudFault.Broken;

    private async Task<Token> RenewAsync()
    {
        try
        {
            var token = await SignInAsync(CancellationToken.None);
            lock (_gate) _token = token;
            return token;
        }
        catch (CloudException e) when (IsAway(e))
        {
            lock (_gate) _renewNotBefore = clock.GetUtcNow() + Pause;
            throw;
        }
    }

    private async Task<Token> SignInAsync(CancellationToken cancel)
    {
        var credential = await read(cancel);
        var asked = clock.GetUtcNow();
        if (_denied is { } denied && asked < denied.Until && denied.At == credential.AuthUrl && denied.SignIn == credential.SignIn) throw denied.Fault;
        var answer = await http.SendAsync(new(Services.Keystone, HttpMethod.Post, new Uri($"{credential.AuthUrl}/auth/tokens"), credential.SignIn)
        {
            ChangesNothing = true,
            Secrets = [credential.Secret],
        }, cancel);
        _denied = answer.Fault is { Fault: CloudFault.Denied } fault ? (credential.AuthUrl, credential.SignIn, clock.GetUtcNow() + Pause, fault) : null;
        var json = answer.Must();
        if (answer.Token is not { Length: > 0 } value || json.ValueKind != JsonValueKind.Object || !json.TryGetProperty("token", out var token)
            || Time(token, "expires_at") is not { } ends || ForeignJson.Text(token, "project", "id") is not { } project)
            throw new CloudException(Services.Keystone, CloudFault.Broken, "its answer contains no project-scoped token",
                "Check that auth_url names Keystone, and that the credential names a project.");
        var life = ends - (Time(token, "issued_at") ?? asked);
        return new()
        {
            Value = value,
            EndsAt = asked + life,
            RenewAt = asked + life - (life / 4 < Margin ? life / 4 : Margin),
            Interface = credential.Interface,
            Region = credential.Region,
            ProjectId = project,
            ProjectName = ForeignJson.Text(token, "project", "name") ?? project,
            UserId = ForeignJson.Text(token, "user", "id") ?? "",
            UserName = ForeignJson.Text(token, "user", "name") ?? "",
            Roles = [.. ForeignJson.Items(token, "roles").Select(r => ForeignJson.Text(r, "name") ?? "")],
            Catalog =
            [
                .. from service in ForeignJson.Items(token, "catalog")
                   from endpoint in ForeignJson.Items(service, "endpoints")
                   select new CatalogEntry(Text(service, "type"), Text(endpoint, "interface"), Text(endpoint, "region"), Text(endpoint, "url")),
            ],
        };
    }

    private static string Text(JsonElement json, string name) => ForeignJson.Text(json, name) ?? "";

    private static DateTimeOffset? Time(JsonElement json, string name) =>
        DateTimeOffset.TryParse(ForeignJson.Text(json, name), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : null;
}
