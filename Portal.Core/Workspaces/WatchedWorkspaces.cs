using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Portal.Core.Workspaces;

/// <summary>
/// Tells the background worker which workspaces somebody watches while they change: where a cloud's updates cost calls, these come first. Only a
/// hint: a lost one is sent again.
/// </summary>
public sealed class WatchedWorkspaces(WorkspaceFeed feed, NpgsqlDataSource data, TimeProvider clock, ILogger<WatchedWorkspaces> log) : BackgroundService
{
    public const string Channel = "portal_watched";

    /// <summary>Between two hints, and how long one is believed.</summary>
    public static readonly TimeSpan Every = TimeSpan.FromSeconds(3), Believed = TimeSpan.FromSeconds(10);

    /// <summary>As many ids as one notification holds.</summary>
    private const int Most = 200;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var tick = new PeriodicTimer(Every, clock);
        try
        {
            while (await tick.WaitForNextTickAsync(stoppingToken))
            {
                if (feed.WatchedInChange() is not { Count: > 0 } watched) continue;
                try { await TellAsync(watched, stoppingToken); }
                catch (NpgsqlException e) { log.LogDebug("Sending the watched workspaces failed: {Error}", e.Message); }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested) { }
    }

    private async Task TellAsync(IReadOnlyCollection<Guid> watched, CancellationToken cancel)
    {
        await using var tell = data.CreateCommand($"select pg_notify('{Channel}', $1)");
        tell.Parameters.Add(new() { Value = string.Join(',', watched.Take(Most).Select(w => w.ToString("n"))) });
        await tell.ExecuteNonQueryAsync(cancel);
    }
}
