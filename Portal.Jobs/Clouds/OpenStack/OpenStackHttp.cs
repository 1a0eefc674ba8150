using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Portal.Core.Clouds;
using Portal.Jobs.Foreign;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>One request to a service. A class, because a record would print password and token.</summary>
/// <param name="service">For messages.</param>
/// <param name="body">JSON; null for none.</param>
internal sealed class Call(string service, HttpMethod method, Uri at, string? body = null)
{
    public string Service { get; } = service;
    public HttpMethod Method { get; } = method;
    public Uri At { get; } = at;
    public string? Body { get; } = body;
    public IReadOnlyList<(string Name, string Value)> Headers { get; init; } = [];

    /// <summary>Although it is a POST, it changes nothing and may be sent again.</summary>
    public bool ChangesNothing { get; init; }

    /// <summary>What must not be seen in a message, even if the service repeats it: password and token.</summary>
    public IReadOnlyList<string> Secrets { get; init; } = [];

    public override string ToString() => $"{Method} {At.AbsolutePath} of {Service}";

    /// <summary>Several services repeat what they refuse: as it was, or escaped by them or by us.</summary>
    public string Hide(string text) => Secrets.SelectMany(Forms).Where(f => f.Length > 0)
        .Aggregate(text, (t, form) => t.Replace(form, "…", StringComparison.OrdinalIgnoreCase));

    private static IEnumerable<string> Forms(string secret)
    {
        var quoted = secret.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal);
        yield return JsonEncodedText.Encode(secret).Value;
        yield return string.Concat(quoted.Select(c => c > '~' ? string.Create(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}") : c.ToString()));
        yield return quoted;
        yield return secret;
    }
}

/// <summary>A class, because a record would print the token.</summary>
/// <param name="json">Undefined if it said nothing, or refused.</param>
/// <param name="fault">What it refused; null if it did as asked.</param>
/// <param name="token">A new token, if it gave one.</param>
internal sealed class Answer(string service, int status, JsonElement json, CloudException? fault, string? token)
{
    public int Status { get; } = status;
    public JsonElement Json { get; } = json;
    public CloudException? Fault { get; } = fault;
    public string? Token { get; } = token;

    public override string ToString() => $"{service}: {Status}";

    /// <summary>Throws what it refused.</summary>
    public JsonElement Must() => Fault is null ? Json : throw Fault;

    /// <summary>The object of this name in it. Throws what it refused; broken if there is none.</summary>
    public JsonElement Must(string name) => OpenStackFaults.Part(service, Must(), name);
}

/// <summary>
/// Every call to OpenStack. Bodies have a length, because no service reads chunked ones; answers are read with a limit; the deadline and the
/// repetition of what may be sent again belong to the client's handler (<see cref="OpenStackCloudServices"/>). The request's id is logged.
/// </summary>
internal sealed class OpenStackHttp(HttpClient http, ForeignReader reader, TimeProvider clock, ILogger<OpenStackHttp> log)
{
    /// <summary>Whether a request may be sent again, set on the request for the handler.</summary>
    public static readonly HttpRequestOptionsKey<bool> MayRepeat = new("portal.may-repeat");

    private static readonly ReadLimit Content = new(8 << 20, TimeSpan.FromSeconds(30)), Refusal = new(64 << 10, TimeSpan.FromSeconds(10));

    /// <summary>The answer, refusals included. Throws only <see cref="CloudException"/>: unreachable, too late, too long, not JSON.</summary>
    public async Task<Answer> SendAsync(Call call, CancellationToken cancel)
    {
        using var request = Request(call);
        var began = clock.GetTimestamp();
        try
        {
            using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel);
            var status = (int)response.StatusCode;
            // What may have changed something is in every log, with the id by which the service's own log knows it.
            log.Log(call.Method == HttpMethod.Get || call.Method == HttpMethod.Head ? LogLevel.Debug : LogLevel.Information,
                "{Method} {Path} of {Service}: {Status} after {Milliseconds:0} ms, request {RequestId}.", call.Method, call.At.AbsolutePath, call.Service,
                status, clock.GetElapsedTime(began).TotalMilliseconds, RequestId(response));
            // 300 is how Manila and Nova list their versions.
            if (status is >= 200 and <= 300)
                return new(call.Service, status, await JsonAsync(response, cancel), null, Header(response, "X-Subject-Token"));
            var fault = OpenStackFaults.Of(call.Service, status, await reader.TextAsync(response.Content, Refusal, cancel), call.Hide);
            if (fault.Fault is not CloudFault.Missing)
                log.LogWarning("{Method} {Path} of {Service} was refused with {Status}, request {RequestId}: {Message}", call.Method, call.At.AbsolutePath,
                    call.Service, status, RequestId(response), fault.Message);
            return new(call.Service, status, default, fault, null);
        }
        catch (Exception e) when (OpenStackFaults.Of(call.Service, e, cancel) is not null)
        {
            var translated = OpenStackFaults.Of(call.Service, e, cancel)!;
            log.LogWarning("{Method} {Path} of {Service} failed: {Message}", call.Method, call.At.AbsolutePath, call.Service, translated.Message);
            throw translated;
        }
    }

    private static HttpRequestMessage Request(Call call)
    {
        var request = new HttpRequestMessage(call.Method, call.At);
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        foreach (var (name, value) in call.Headers) request.Headers.Add(name, value);
        request.Options.Set(MayRepeat, call.ChangesNothing
            || call.Method == HttpMethod.Get || call.Method == HttpMethod.Head || call.Method == HttpMethod.Put || call.Method == HttpMethod.Delete);
        if (call.Body is { } body)
        {
            request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
            request.Content.Headers.ContentType = new("application/json");
        }
        return request;
    }

    private async Task<JsonElement> JsonAsync(HttpResponseMessage response, CancellationToken cancel)
    {
        if (response.Content.Headers.ContentType?.MediaType is "application/json")
            return response.Content.Headers.ContentLength is 0 ? default : await reader.JsonAsync(response.Content, Content, j => j.Clone(), cancel);
        var text = await reader.TextAsync(response.Content, Refusal, cancel);
        return text.Length == 0 ? default : throw new JsonException();
    }

    private static string RequestId(HttpResponseMessage response) =>
        Header(response, "x-openstack-request-id") ?? Header(response, "x-compute-request-id") ?? "unknown";

    private static string? Header(HttpResponseMessage response, string name) => response.Headers.TryGetValues(name, out var values) ? values.First() : null;
}
