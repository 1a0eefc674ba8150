using System.Runtime.ExceptionServices;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace Portal.Core.Data;

/// <summary>
/// When memory runs out while a message of the server is being read, Npgsql keeps the connection although the rest of that message is still to come. The
/// next user of the connection, perhaps on behalf of another person, would take it for the response to their own statement. So no pooled connection that was
/// open when memory ran out is used again, whatever was being read: idle ones are closed immediately, the others when they are returned.
/// </summary>
/// <param name="data">The source of the connections.</param>
public sealed class OutOfMemory(NpgsqlDataSource data) : IHostedService, IDisposable
{
    [ThreadStatic]
    private static bool _clearing;

    /// <summary>Whether this fault is that memory ran out, however it is wrapped.</summary>
    public static bool Is(Exception? fault) => fault is OutOfMemoryException || (fault is not null && Is(fault.InnerException));

    /// <summary>Watches for a source that exists as long as the process.</summary>
    public static void WatchForever(NpgsqlDataSource data) => AppDomain.CurrentDomain.FirstChanceException += (_, e) => OnThrown(data, e);

    /// <summary>Watches until this is disposed.</summary>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        AppDomain.CurrentDomain.FirstChanceException += OnThrown;
        return Task.CompletedTask;
    }

    /// <summary>Does nothing: connections are still used while the host stops.</summary>
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Stops watching.</summary>
    public void Dispose() => AppDomain.CurrentDomain.FirstChanceException -= OnThrown;

    private void OnThrown(object? sender, FirstChanceExceptionEventArgs e) => OnThrown(data, e);

    // Runs before any catch or finally block, so before the connection can be returned to the pool.
    private static void OnThrown(NpgsqlDataSource data, FirstChanceExceptionEventArgs e)
    {
        if (e.Exception is not OutOfMemoryException || _clearing) return;
        _clearing = true; // this may run out of memory, too
        try
        {
            data.Clear();
        }
        catch (Exception)
        {
            // What Clear does first needs no memory: from then on, connections are closed when they are returned. No exception may leave this handler.
        }
        finally
        {
            _clearing = false;
        }
    }
}
