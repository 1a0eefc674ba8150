using System.Globalization;
using System.Text.Json;
using Portal.Core.Catalog;
using Portal.Core.Clouds;
using Portal.Jobs.Foreign;

namespace Portal.Jobs.Proofs;

/// <summary>
/// Reads what compute engines report over HTTP, at their nodes' own addresses. The answers come from code that a student controls, so they must be
/// short and fast, redirects are not followed, and they are parsed only as JSON.
/// </summary>
public sealed class EngineCounts(TimeProvider clock) : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    /// <summary>A page is only read to its end, but many JSON responses are held at the same time.</summary>
    private static readonly ReadLimit Page = new(4 << 20, Patience), Json = new(512 << 10, Patience);
    private readonly ForeignReader _reader = new(clock);
    private readonly HttpMessageInvoker _http = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        UseProxy = false,
        ConnectTimeout = TimeSpan.FromSeconds(2),
        PooledConnectionLifetime = TimeSpan.FromMinutes(1),
        ActivityHeadersPropagator = null,
    });

    /// <summary>True if the node's address responds with a status below 400.</summary>
    public async Task<bool> AnswersAsync(IReadOnlyList<NodeStatus> nodes, string node, HealthSpec health, CancellationToken cancel) =>
        await RequestAsync(nodes, node, health.Port, health.Path, token: null, (answer, until) => _reader.DropAsync(answer, Page, until), cancel);

    /// <summary>The number; null while there is no answer, or it is not a number.</summary>
    public async Task<double?> CountAsync(IReadOnlyList<NodeStatus> nodes, CountSpec count, CancellationToken cancel)
    {
        var found = await ReadAsync(nodes, count.Role, count.Port, count.Path, token: null,
            json => Number(json, count.Value) is { } value ? new Found(value) : null, cancel);
        return found?.Value;
    }

    /// <summary>Converts a node's JSON; null while there is no answer, or it is not JSON.</summary>
    /// <param name="token">Token of the app being asked.</param>
    public async Task<T?> ReadAsync<T>(IReadOnlyList<NodeStatus> nodes, string node, int port, string path, string? token,
        Func<JsonElement, T?> read, CancellationToken cancel) where T : class
    {
        T? found = null;
        await RequestAsync(nodes, node, port, path, token, async (answer, until) => found = await _reader.JsonAsync(answer, Json, read, until), cancel);
        return found;
    }

    /// <summary>Follows names and indexes joined by dots. Returns a number, a text that is one, or an array's length; null for anything else.</summary>
    public static double? Number(JsonElement json, string path)
    {
        foreach (var part in path.Split('.', StringSplitOptions.RemoveEmptyEntries))
        {
            if (json.ValueKind == JsonValueKind.Object && json.TryGetProperty(part, out var member)) json = member;
            else if (json.ValueKind == JsonValueKind.Array
                && int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var at)
                && at < json.GetArrayLength())
                json = json[at];
            else return null;
        }
        return json.ValueKind switch
        {
            JsonValueKind.Number => json.GetDouble(),
            JsonValueKind.Array => json.GetArrayLength(),
            JsonValueKind.String when double.TryParse(json.GetString(), NumberStyles.Float, CultureInfo.InvariantCulture, out var value) => value,
            _ => null,
        };
    }

    public void Dispose() => _http.Dispose();

    private sealed record Found(double Value);

    private async Task<bool> RequestAsync(
        IReadOnlyList<NodeStatus> nodes, string node, int port, string path, string? token,
        Func<HttpContent, CancellationToken, Task> read, CancellationToken cancel)
    {
        if (nodes.FirstOrDefault(n => n.Name == node)?.EndPointOf(port) is not { } endpoint) return false;
        using var own = new CancellationTokenSource(Patience, clock);
        using var until = CancellationTokenSource.CreateLinkedTokenSource(cancel, own.Token);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri($"http://{endpoint}{path}"));
            if (token is not null) request.Headers.TryAddWithoutValidation("Authorization", $"token {token}");
            using var answer = await _http.SendAsync(request, until.Token);
            if ((int)answer.StatusCode >= 400) return false;
            await read(answer.Content, until.Token);
            return true;
        }
        // Invalid text, such as an unpaired surrogate, is only detected when it is read: InvalidOperationException.
        catch (Exception e)
            when (e is HttpRequestException or IOException or JsonException or InvalidOperationException
                || (e is OperationCanceledException && !cancel.IsCancellationRequested))
        {
            return false; // not yet, or no longer
        }
    }
}
