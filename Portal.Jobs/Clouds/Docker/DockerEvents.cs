using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Docker.DotNet.Models;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;

namespace Portal.Jobs.Clouds.Docker;

/// <summary>
/// The container engine's events across any number of connections. Raw HTTP for two reasons: the response head shows that listening has begun, so a check
/// after <see cref="ClusterHappening.LookAgain"/> misses nothing; and the reader sets the pace. The container engine keeps only the last 256 events of all its
/// containers and none across a restart, so missed changes are found by checking, never by events alone.
/// </summary>
internal sealed class DockerEvents(ContainerEngine containerEngine, Owned owned, TimeProvider time)
{
    private const long Second = 1_000_000_000;
    private readonly HashSet<(long At, string Id, string Action)> _seen = [];
    private long _mark;

    public async IAsyncEnumerable<ClusterEvent> FollowAsync([EnumeratorCancellation] CancellationToken cancel)
    {
        _mark = time.GetUtcNow().ToUnixTimeMilliseconds() * 1_000_000;
        var unavailable = false;
        for (var pause = 0; ; pause = Math.Min(5000, pause * 2 + 100))
        {
            await Task.Delay(TimeSpan.FromMilliseconds(pause), time, cancel);
            using var answer = await OpenAsync(cancel);
            if (answer is null)
            {
                if (!unavailable)
                {
                    unavailable = true;
                    yield return new ClusterEvent(ClusterHappening.Unavailable);
                }

                continue;
            }

            (pause, unavailable) = (0, false);
            yield return new ClusterEvent(ClusterHappening.LookAgain);
            using var lines = new StreamReader(await answer.Content.ReadAsStreamAsync(cancel));
            while (await NextAsync(lines, cancel) is { } message)
            {
                if (Read(message) is { } seen)
                {
                    yield return seen;
                }
            }

            unavailable = true;
            yield return new ClusterEvent(ClusterHappening.Unavailable);
        }
    }

    private async Task<HttpResponseMessage?> OpenAsync(CancellationToken cancel)
    {
        // One second back: events are stamped before they are queued, so a later line may have an earlier time. _seen drops duplicates.
        var from = _mark - Second;
        var filters = JsonSerializer.Serialize(new Dictionary<string, string[]>(StringComparer.Ordinal)
        {
            ["type"] = ["container"],
            ["label"] = [$"{Owned.Installation}={owned.Id}", Owned.Workspace],
            ["event"] = ["start", "die", "oom", "destroy"],
        });
        var since = string.Create(CultureInfo.InvariantCulture, $"{from / Second}.{from % Second:D9}");
        try
        {
            return await containerEngine.SendAsync(HttpMethod.Get, $"events?since={since}&filters={Uri.EscapeDataString(filters)}", null, stream: true, cancel);
        }
        catch (CloudException)
        {
            return null; // unavailable, hanging, or not permitted: all may be temporary
        }
    }

    private static async Task<Message?> NextAsync(StreamReader lines, CancellationToken cancel)
    {
        try
        {
            // null: the container engine ended the stream, as in an orderly stop
            return await lines.ReadLineAsync(cancel) is { } line ? JsonSerializer.Deserialize<Message>(line) : null;
        }
        catch (Exception e) when (e is IOException or HttpRequestException or JsonException)
        {
            return null; // cut off, perhaps in the middle of a line
        }
    }

    private ClusterEvent? Read(Message m)
    {
        var at = m.TimeNano ?? 0;
        if (m.Actor is null || !_seen.Add((at, m.Actor.ID, m.Action)))
        {
            return null;
        }

        _mark = Math.Max(_mark, at);
        if (_seen.Count > 1000)
        {
            _seen.RemoveWhere(s => s.At < _mark - 2 * Second);
        }

        var attributes = m.Actor.Attributes;
        return Meaning(m.Action) is { } what && Owned.WorkspaceOf(attributes) is var workspace && workspace != Guid.Empty
            ? new ClusterEvent(what, workspace, Owned.NodeOf(attributes),
                attributes.TryGetValue("exitCode", out var code) ? int.Parse(code, CultureInfo.InvariantCulture) : null, Owned.GenerationOf(attributes))
            : null;
    }

    private static ClusterHappening? Meaning(string action) => action switch
    {
        "start" => ClusterHappening.Started,
        "die" => ClusterHappening.Died,
        "oom" => ClusterHappening.OutOfMemory,
        "destroy" => ClusterHappening.Removed,
        _ => null,
    };
}
