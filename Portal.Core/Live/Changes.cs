using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Portal.Core.Live;

/// <summary>
/// The one LISTEN connection of a process. Database triggers say what changed:
/// "w:workspace:person", "m:workspace:person" if it was only measured, "c:class", "images", "clouds", "templates", "queue", "access".
/// Notified at commit, so anyone who then reads again sees the change. After a lost connection subscribers receive <see cref="Everything"/>.
/// </summary>
public sealed class Changes(NpgsqlDataSource data, TimeProvider clock, ILogger<Changes> log) : BackgroundService
{
    public const string Channel = "portal_changes", Everything = "*";

    /// <summary>Whether this notification is only about a measurement.</summary>
    public static bool IsMeasurement(string what) => what.StartsWith("m:", StringComparison.Ordinal);

    /// <summary>Whether it is about a workspace, or a measurement of it.</summary>
    public static bool IsOfWorkspace(string what, Guid workspace) => what[0] is 'w' or 'm' && Names(what, 2, workspace);

    /// <summary>Whether it is about a workspace of this person, or a measurement of one.</summary>
    public static bool IsOfPerson(string what, Guid person) => what[0] is 'w' or 'm' && Names(what, 2 + IdLength + 1, person);

    /// <summary>Whether it is about a class, and about which of them only this decides.</summary>
    public static bool IsOfClass(string what, Func<Guid, bool> which) =>
        what.StartsWith("c:", StringComparison.Ordinal) && Guid.TryParseExact(what.AsSpan(2), "D", out var id) && which(id);

    // Without allocations: everybody who watches something looks at every notification.
    private static bool Names(string what, int at, Guid id) =>
        what.Length >= at + IdLength && Guid.TryParseExact(what.AsSpan(at, IdLength), "D", out var named) && named == id;

    private const int IdLength = 36;

    private static readonly TimeSpan Again = TimeSpan.FromMilliseconds(250);
    private readonly Lock _gate = new();
    private Action<string>[] _hearers = [];

    /// <summary>Calls <paramref name="hear"/> on the listening thread: it must return quickly and must not throw.</summary>
    public IDisposable Subscribe(Action<string> hear)
    {
        lock (_gate) _hearers = [.. _hearers, hear];
        return new Subscription(() => { lock (_gate) _hearers = [.. _hearers.Where(h => h != hear)]; });
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await using var connection = await data.OpenConnectionAsync(stoppingToken);
                connection.Notification += (_, e) => Tell(e.Payload);
                await using (var listen = new NpgsqlCommand($"listen {Channel}", connection)) await listen.ExecuteNonQueryAsync(stoppingToken);
                Tell(Everything);
                while (true) await connection.WaitAsync(stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested) { return; }
            catch (Exception e)
                when (e is NpgsqlException or System.Net.Sockets.SocketException or IOException or TimeoutException or OutOfMemoryException)
            {
                // Usually the server restarted or became unreachable: drop all pooled connections, because they are dead too and their next users would get
                // errors.
                data.Clear();
                log.LogWarning("Listening for changes failed, retrying in {Again}: {Error}", Again, e.Message);
                await Task.Delay(Again, clock, stoppingToken)
                    .ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            }
        }
    }

    private void Tell(string what)
    {
        foreach (var hear in _hearers) hear(what);
    }

    private sealed class Subscription(Action end) : IDisposable
    {
        public void Dispose() => end();
    }
}
