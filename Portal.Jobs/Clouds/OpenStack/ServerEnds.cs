using System.Collections.Concurrent;
using System.Globalization;
using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>
/// Ends servers: asks each to shut down or to go, again at most every half minute, and says it if one does not within the limit. When a server was first
/// asked is remembered in this process; what an earlier process asked is read from Nova.
/// </summary>
internal sealed class ServerEnds(Nova nova, StackLook look, ServerOptions options, TimeProvider clock)
{
    private const int MostServers = 5000;
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(1), Again = TimeSpan.FromSeconds(30);
    private readonly ConcurrentDictionary<string, Asked> _stops = new(StringComparer.Ordinal), _deletions = new(StringComparer.Ordinal);

    /// <summary>Null once all of them are off. Broken if one is not in time, with Nova's words if it refused.</summary>
    public async Task<EnsureAnswer?> StopAsync(IReadOnlyCollection<NovaServer> servers, CancellationToken cancel)
    {
        foreach (var off in servers.Where(s => s.IsOff)) _stops.TryRemove(off.Id, out _);
        EnsureAnswer? late = null;
        foreach (var server in servers.Where(s => !s.IsOff))
        {
            var stop = await StopOfAsync(server, cancel);
            if (server.Task.Length == 0 && IsDue(stop))
            {
                (stop.Refusal, stop.At, stop.Ever) = (await nova.StopAsync(server.Id, cancel), clock.GetUtcNow(), true);
                if (stop.Refusal is null) look.Forget();
            }
            if (IsLate(stop)) late ??= new EnsureAnswer.Broken(
                stop.Ever ? $"{Named(server)} was asked to shut down {Ago(stop)} minutes ago, and is still {server.Status}.{Words(stop)}"
                    : $"{Named(server)} could not be asked to shut down for {Ago(stop)} minutes: it is {server.Status}, and Nova says {server.Task} of it.",
                "Ask the administrators of the OpenStack cloud to stop it. Nothing was removed, because files may not be written yet.");
        }
        return late ?? (servers.All(s => s.IsOff) ? null
            : new EnsureAnswer.Working(servers.Count == 1 ? "The server is shutting down." : "The servers are shutting down.", Soon));
    }

    /// <summary>Deletes servers that no stack holds, once they are off.</summary>
    public async Task<EnsureAnswer> DeleteAsync(IReadOnlyCollection<NovaServer> servers, CancellationToken cancel)
    {
        if (await StopAsync(servers, cancel) is { } stopping) return stopping;
        EnsureAnswer? late = null;
        foreach (var server in servers)
        {
            var deletion = Of(_deletions, server, () => new() { Since = clock.GetUtcNow() });
            if (server.Task != "deleting" && IsDue(deletion))
            {
                (deletion.Refusal, deletion.At) = (await nova.DeleteAsync(server.Id, cancel), clock.GetUtcNow());
                if (deletion.Refusal is null) look.Forget();
            }
            if (IsLate(deletion)) late ??= new EnsureAnswer.Broken(
                $"{Named(server)}, which no stack holds, was to be deleted {Ago(deletion)} minutes ago, and still exists.{Words(deletion)}",
                "Ask the administrators of the OpenStack cloud to delete it.");
        }
        return late ?? new EnsureAnswer.Working("The servers are being removed.", Soon);
    }

    private async Task<Asked> StopOfAsync(NovaServer server, CancellationToken cancel)
    {
        if (_stops.TryGetValue(server.Id, out var known)) return known;
        var before = (await nova.ActionsAsync(server.Id, cancel)).TakeWhile(a => a.Action == "stop").LastOrDefault();
        return Of(_stops, server, () => new() { Since = before?.At ?? clock.GetUtcNow(), Ever = before is not null });
    }

    private static Asked Of(ConcurrentDictionary<string, Asked> all, NovaServer server, Func<Asked> make)
    {
        if (all.Count > MostServers) all.Clear();
        return all.GetOrAdd(server.Id, _ => make());
    }

    private bool IsDue(Asked asked) => asked.At is not { } at || clock.GetUtcNow() - at >= Again;

    private bool IsLate(Asked asked) => clock.GetUtcNow() - asked.Since > options.StopLimit;

    private string Ago(Asked asked) => (clock.GetUtcNow() - asked.Since).TotalMinutes.ToString("0", CultureInfo.InvariantCulture);

    private static string Named(NovaServer server) => $"The server {server.Name} ({server.Id})";

    private static string Words(Asked asked) => asked.Refusal is null ? "" : $" {asked.Refusal}";

    private sealed class Asked
    {
        /// <summary>Since when it is to happen.</summary>
        public required DateTimeOffset Since { get; init; }

        /// <summary>When this process asked last; null for never.</summary>
        public DateTimeOffset? At { get; set; }

        /// <summary>Whether it was asked at all, by whichever process.</summary>
        public bool Ever { get; set; }

        /// <summary>What Nova said to the last time; null if it accepted.</summary>
        public string? Refusal { get; set; }
    }
}
