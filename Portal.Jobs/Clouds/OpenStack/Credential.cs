using System.Text.Json;
using Portal.Core.Clouds;
using Portal.Jobs.Foreign;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>
/// What opens one project, from a file of the operator: user and password, or an application credential. Never in a row, a log line or an exception.
/// </summary>
internal sealed class Credential
{
    private static readonly ReadLimit Limit = new(64 << 10, TimeSpan.FromSeconds(10));

    private Credential() { }

    /// <summary>Name of the file, and what pools name.</summary>
    public required string Key { get; init; }

    /// <summary>Keystone's address, ending in /v3.</summary>
    public required Uri AuthUrl { get; init; }

    /// <summary>Region whose services are used; empty: whichever the catalogue names.</summary>
    public required string Region { get; init; }

    /// <summary>Kind of address in the catalogue: public, internal or admin.</summary>
    public required string Interface { get; init; }

    /// <summary>Body of the request for a token.</summary>
    public required string SignIn { get; init; }

    /// <summary>The password or the application credential's secret, to keep it out of what is shown.</summary>
    public required string Secret { get; init; }

    public override string ToString() => $"credential {Key}";

    /// <summary>Reads the file <c>key.json</c> in the folder. Refused, naming the file and the field, if something is wrong with it.</summary>
    public static async Task<Credential> ReadAsync(string folder, string key, ForeignReader reader, CancellationToken cancel)
    {
        if (folder.Length == 0) throw Wrong(key, "no credentials folder is configured", $"Set {OpenStackOptions.Section}:Credentials.");
        if (key.Length is 0 or > 40 || !key.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_'))
            throw Wrong(key, "the name of a credential is 1 to 40 letters, digits, hyphens and underscores", "Correct the name.");
        var path = Path.Combine(folder, key + ".json");
        string text;
        try
        {
            await using var file = File.OpenRead(path);
            text = await reader.TextAsync(file, Limit, cancel);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Wrong(key, $"the file {path} cannot be read ({e.GetType().Name})", "Create it so that only the background worker can read it.");
        }
        try
        {
            using var json = JsonDocument.Parse(text);
            return Of(key, path, json.RootElement);
        }
        catch (JsonException)
        {
            throw Wrong(key, $"the file {path} is not JSON", "Correct the file."); // the parser's own message may quote it
        }
    }

    private static Credential Of(string key, string path, JsonElement json)
    {
        var address = Field("auth_url").TrimEnd('/');
        if (!address.EndsWith("/v3", StringComparison.Ordinal)) address += "/v3";
        if (!Uri.TryCreate(address, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https"))
            throw Wrong(key, $"\"auth_url\" in {path} is not an HTTP or HTTPS URL", "Correct the file.");
        var byApplication = Optional("application_credential_id").Length > 0;
        var secret = Field(byApplication ? "application_credential_secret" : "password");
        var kind = Optional("interface") is { Length: > 0 } named ? named : "public";
        if (kind is not ("public" or "internal" or "admin"))
            throw Wrong(key, $"\"interface\" in {path} must be public, internal or admin", "Correct the file.");
        return new()
        {
            Key = key,
            AuthUrl = url,
            Region = Optional("region"),
            Interface = kind,
            Secret = secret,
            SignIn = byApplication
                ? JsonSerializer.Serialize(new
                {
                    auth = new
                    {
                        identity = new
                        {
                            methods = (string[])["application_credential"],
                            application_credential = new { id = Field("application_credential_id"), secret },
                        },
                    },
                })
                : JsonSerializer.Serialize(new
                {
                    auth = new
                    {
                        identity = new
                        {
                            methods = (string[])["password"],
                            password = new { user = new { name = Field("user"), domain = new { name = Field("user_domain") }, password = secret } },
                        },
                        scope = new { project = new { name = Field("project"), domain = new { name = Field("project_domain") } } },
                    },
                }),
        };

        string Optional(string name) => ForeignJson.Text(json, name) ?? "";

        string Field(string name) => Optional(name) is { Length: > 0 } value ? value
            : throw Wrong(key, $"\"{name}\" is missing in {path}", "Add it.");
    }

    private static CloudException Wrong(string key, string message, string whatToDo) => new(Services.Keystone, CloudFault.Refused,
        $"the credential \"{key}\" cannot be used: {message}", whatToDo);
}
