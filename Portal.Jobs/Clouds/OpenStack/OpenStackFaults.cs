using System.Text.Json;
using Polly.Timeout;
using Portal.Core.Clouds;
using Portal.Jobs.Foreign;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>The only place where refusals and failures of OpenStack's services are translated.</summary>
internal static class OpenStackFaults
{
    private const string AskAdministrator = "Ask the administrators of the OpenStack cloud.";
    private const int LongestText = 300;

    /// <summary>A refusal: by its status, in the service's own words.</summary>
    /// <param name="text">Body of the answer; each service has an envelope of its own.</param>
    /// <param name="hide">Removes secrets from what it says, before any of it is cut off.</param>
    public static CloudException Of(string service, int status, string text, Func<string, string>? hide = null)
    {
        hide ??= t => t;
        var said = MessageOf(text) is { } message ? hide(message) : Plain(hide(text));
        var words = said.Length == 0 ? $"it answered with status {status}" : said;
        var overQuota = status == 413 || (status is 400 or 403 or 409 && said.Contains("quota", StringComparison.OrdinalIgnoreCase));
        var (fault, sentence, help) = status switch
        {
            _ when overQuota => (CloudFault.Full, $"the project's quota is used up: {words}",
                "Remove what is no longer needed in the project, or ask the administrators of the OpenStack cloud for a larger quota."),
            401 => (CloudFault.Denied, $"it does not accept the portal's credential: {words}",
                "Check the credential's file; it may have expired or been revoked."),
            403 => (CloudFault.Denied, $"the portal's user may not do this: {words}", $"Give that user the missing role in the project. {AskAdministrator}"),
            404 => (CloudFault.Missing, words, "Check again: it no longer exists."),
            406 => (CloudFault.Refused, $"it does not support this version of its API: {words}",
                "Wait: the next call negotiates the version again."),
            409 => (CloudFault.Conflict, words, "Check again, then retry."),
            429 or 502 or 503 or 504 => (CloudFault.Unavailable, $"it is not available at the moment: {words}", "Wait: this will be retried."),
            >= 500 => (CloudFault.Broken, $"it failed: {words}", AskAdministrator),
            >= 300 and < 400 => (CloudFault.Refused, "it redirects to another address; the portal does not follow, because it would send its token there",
                "Correct the service's address in the catalogue, or auth_url in the credential's file."),
            _ => (CloudFault.Refused, words, AskAdministrator),
        };
        return new(service, fault, sentence, help);
    }

    /// <summary>A call without an answer; null if it is not one: our own cancellation, or a bug in our code.</summary>
    public static CloudException? Of(string service, Exception e, CancellationToken cancel) => e switch
    {
        CloudException => null,
        OperationCanceledException when cancel.IsCancellationRequested => null,
        TimeoutRejectedException or OperationCanceledException or TimeoutException =>
            new(service, CloudFault.TimedOut, "it did not answer in time", "Wait: this will be retried.", e),
        ReadLimitException { TooLong: true } => new(service, CloudFault.Broken, e.Message, AskAdministrator, e),
        ReadLimitException => new(service, CloudFault.TimedOut, e.Message, "Wait: this will be retried.", e),
        JsonException => new(service, CloudFault.Broken, "its answer is not the expected JSON",
            "Check that auth_url and the catalogue name OpenStack's services, and not another site or a proxy."),
        HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError } => new(service, CloudFault.Unavailable,
            $"its certificate is not trusted: {e.InnerException?.Message ?? e.Message}", "Add the certificate authority to those that this host trusts.", e),
        HttpRequestException { HttpRequestError: HttpRequestError.NameResolutionError } => new(service, CloudFault.Unavailable,
            $"its host name cannot be resolved: {e.Message}", "Check auth_url, the catalogue and this host's name server.", e),
        HttpRequestException or IOException => new(service, CloudFault.Unavailable, $"it cannot be reached: {e.Message}", "Wait: this will be retried.", e),
        _ => null,
    };

    /// <summary>The object of this name in what a service answered; broken if there is none.</summary>
    public static JsonElement Part(string service, JsonElement json, string name) =>
        json.ValueKind == JsonValueKind.Object && json.TryGetProperty(name, out var part) && part.ValueKind == JsonValueKind.Object ? part
            : throw new CloudException(service, CloudFault.Broken, $"its answer has no \"{name}\"",
                "Check that the catalogue names OpenStack's services, and not another site or a proxy.");

    /// <summary>
    /// What an envelope says; null if it is none: Keystone's error.message, Heat's error.message beside an explanation, Neutron's NeutronError, and
    /// Manila's and Nova's object under a name that changes with the fault.
    /// </summary>
    public static string? MessageOf(string text)
    {
        try
        {
            using var json = JsonDocument.Parse(text);
            var root = json.RootElement;
            if (root.ValueKind != JsonValueKind.Object) return null;
            foreach (var property in root.EnumerateObject())
                if ((ForeignJson.Text(property.Value, "message") ?? ForeignJson.Text(property.Value, "detail")) is { Length: > 0 } message) return message;
            return ForeignJson.Text(root, "NeutronError") ?? ForeignJson.Text(root, "explanation") ?? ForeignJson.Text(root, "message");
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>What is no envelope: the beginning of a plain text; nothing of a page of HTML.</summary>
    private static string Plain(string text)
    {
        var line = string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        return line.StartsWith('<') || line.StartsWith('{') ? "" : line.Length > LongestText ? line[..LongestText] + "…" : line;
    }
}
