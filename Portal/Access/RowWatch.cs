using System.Threading.Channels;
using Portal.Core.Live;

namespace Portal.Access;

/// <summary>
/// Checks the rows again to see whether open connections may stay open: when the database notifies a change, and periodically because
/// a notification may be lost. Many changes at once lead to one check.
/// </summary>
internal abstract class RowWatch(Changes changes, TimeProvider clock, ILogger log) : BackgroundService
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100), AfterFault = TimeSpan.FromSeconds(1);
    private readonly Channel<bool> _signal = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    protected TimeProvider Clock => clock;

    /// <summary>Maximum time between two checks, while none fails.</summary>
    protected abstract TimeSpan Every { get; }

    /// <summary>Whether this change may end something; called on the listening thread.</summary>
    protected abstract bool Concerns(string what);

    protected abstract Task LookAsync(CancellationToken cancel);

    /// <summary>Triggers a check soon.</summary>
    protected void Wake() => _signal.Writer.TryWrite(true);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var told = changes.Subscribe(what => { if (Concerns(what)) Wake(); });
        await using var timer = clock.CreateTimer(_ => Wake(), null, Every, Every);
        try
        {
            await foreach (var _ in _signal.Reader.ReadAllAsync(stoppingToken))
            {
                try
                {
                    await LookAsync(stoppingToken);
                    await Task.Delay(Pause, clock, stoppingToken);
                }
                catch (Exception e)
                    when (e is Npgsql.NpgsqlException or System.Net.Sockets.SocketException or IOException or TimeoutException or InvalidOperationException
                        or OutOfMemoryException)
                {
                    log.LogWarning("Access could not be checked, retrying in {Again}: {Error}", AfterFault, e.Message);
                    await Task.Delay(AfterFault, clock, stoppingToken);
                    Wake();
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested) { }
    }
}
