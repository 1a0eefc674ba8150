using System.Text.Json;
using Portal.Core.Catalog;
using Portal.Core.Clouds;

namespace Portal.Jobs.Proofs;

/// <summary>A notebook server's report on its kernels and terminals.</summary>
/// <param name="Busy">Kernels that are computing, or have just begun to start.</param>
/// <param name="KernelsAt">Time of the last kernel activity; null for none.</param>
/// <param name="TerminalsAt">When something was last typed, written or computed in a terminal; null
/// for none. The image's terminal_work.py detects silent computing.</param>
public sealed record NotebookState(int Kernels, int Busy, DateTimeOffset? KernelsAt, int Terminals, DateTimeOffset? TerminalsAt);

/// <summary>Queries notebook servers without the portal's proxy, with the app's token, in a way that does not count as activity.</summary>
public sealed class NotebookStates(EngineCounts http, TimeProvider clock)
{
    /// <summary>A kernel that no client joins stays "starting" forever: JupyterLab reopens what was open, and its owner may never come back to it.</summary>
    private static readonly TimeSpan StartsWithin = TimeSpan.FromMinutes(2);

    /// <summary>Null while there is no readable answer.</summary>
    public async Task<NotebookState?> ReadAsync(IReadOnlyList<NodeStatus> nodes, AppOnNode app, string token, CancellationToken cancel)
    {
        var kernels = http.ReadAsync(nodes, app.Node, app.Spec.Port, "/api/kernels?no_track_activity=1", token, Each, cancel);
        var terminals = http.ReadAsync(nodes, app.Node, app.Spec.Port, "/api/terminals?no_track_activity=1", token, Each, cancel);
        return await kernels is { } k && await terminals is { } t ? new(k.Count, k.Busy, k.Latest, t.Count, t.Latest) : null;
    }

    /// <summary>Null for anything but a list of items with times.</summary>
    private Seen? Each(JsonElement json)
    {
        if (json.ValueKind != JsonValueKind.Array) return null;
        var (busy, latest) = (0, (DateTimeOffset?)null);
        foreach (var one in json.EnumerateArray())
        {
            if (one.ValueKind != JsonValueKind.Object) return null;
            // Nothing is known about an item without a time.
            if (!one.TryGetProperty("last_activity", out var text) || text.ValueKind != JsonValueKind.String || !text.TryGetDateTimeOffset(out var at))
                return null;
            var state = one.TryGetProperty("execution_state", out var told) && told.ValueKind == JsonValueKind.String ? told.GetString() : null;
            if (state is "busy" || (state is "starting" or "restarting" && clock.GetUtcNow() - at < StartsWithin)) busy++;
            if (latest is null || at > latest) latest = at;
        }
        return new(json.GetArrayLength(), busy, latest);
    }

    private sealed record Seen(int Count, int Busy, DateTimeOffset? Latest);
}
