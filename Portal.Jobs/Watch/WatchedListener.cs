using System.Collections.Concurrent;
using Npgsql;
using Portal.Core.Workspaces;
using Portal.Jobs.Clouds;

namespace Portal.Jobs.Watch;

/// <summary>Hears from every web process which workspaces are watched while they change, and tells the clouds; see <see cref="WatchedWorkspaces"/>.</summary>
public sealed class WatchedListener(NpgsqlDataSource data, CloudKits kits, TimeProvider clock, ILogger<WatchedListener> log) : BackgroundService
{
    private static readonly TimeSpan AfterFault = TimeSpan.FromSeconds(5);
    private readonly ConcurrentDictionary<Guid, long> _heard = new();

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try { await ListenAsync(stoppingToken); }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested) { return; }
            catch (Exception e)
            {
                data.Clear(); // the connection would go on listening in the pool
                log.LogWarning("Listening for watched workspaces failed, retrying in {Wait}: {Error}", AfterFault, e.Message);
                await Task.Delay(AfterFault, clock, stoppingToken)
                    .ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            }
        }
    }

    private async Task ListenAsync(CancellationToken cancel)
    {
        await using var connection = await data.OpenConnectionAsync(cancel);
        connection.Notification += (_, told) => Hear(told.Payload);
        await using (var listen = new NpgsqlCommand($"listen {WatchedWorkspaces.Channel}", connection)) await listen.ExecuteNonQueryAsync(cancel);
        while (true)
        {
            if (_heard.IsEmpty) await connection.WaitAsync(cancel);
            else await connection.WaitAsync(WatchedWorkspaces.Every, cancel);
            Tell();
        }
    }

    private void Hear(string ids)
    {
        foreach (var text in ids.Split(','))
            if (Guid.TryParseExact(text, "n", out var id)) _heard[id] = clock.GetTimestamp();
    }

    private void Tell()
    {
        foreach (var (id, at) in _heard)
            if (clock.GetElapsedTime(at) > WatchedWorkspaces.Believed) _heard.TryRemove(id, out _);
        List<Guid> watched = [.. _heard.Keys];
        foreach (var kit in kits.All) kit.Clusters.Watch(watched);
    }
}
