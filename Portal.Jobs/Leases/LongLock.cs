using Npgsql;
using Portal.Core.Data;

namespace Portal.Jobs.Leases;

/// <summary>
/// An advisory lock for long work, such as calls to clouds: held by a transaction on its own connection, which sends a statement every
/// second because the database ends idle transactions (<see cref="PortalData"/>). A process that froze loses the lock; when it
/// wakes, <see cref="Token"/> is cancelled and everything it wrote with <see cref="ExecuteAsync"/> is rolled back.
/// </summary>
public sealed class LongLock : IAsyncDisposable
{
    private static readonly TimeSpan Beat = TimeSpan.FromSeconds(1);
    private readonly NpgsqlConnection _connection;
    private readonly NpgsqlTransaction _transaction;
    private readonly CancellationTokenSource _lost;
    private readonly SemaphoreSlim _turn = new(1); // a connection runs one statement at a time
    private readonly Task _beating;

    private LongLock(NpgsqlConnection connection, NpgsqlTransaction transaction, TimeProvider clock, CancellationToken cancel)
    {
        (_connection, _transaction) = (connection, transaction);
        _lost = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        _beating = BeatAsync(clock);
    }

    /// <summary>For work under the lock: cancelled with the caller's token, and when the lock is lost.</summary>
    public CancellationToken Token => _lost.Token;

    /// <summary>Null if another process holds it.</summary>
    public static Task<LongLock?> TryAsync(NpgsqlDataSource data, long name, TimeProvider clock, CancellationToken cancel) =>
        TryTakeAsync(data, "select pg_try_advisory_xact_lock($1)", name, clock, cancel);

    /// <summary>The lock of <see cref="OfWorkspaceAsync"/>; null if another process holds it.</summary>
    public static Task<LongLock?> TryOfWorkspaceAsync(NpgsqlDataSource data, Guid workspace, TimeProvider clock, CancellationToken cancel) =>
        TryTakeAsync(data, Locks.TryWorkspace, workspace, clock, cancel);

    private static async Task<LongLock?> TryTakeAsync(NpgsqlDataSource data, string sql, object name, TimeProvider clock, CancellationToken cancel)
    {
        var (connection, transaction) = await BeginAsync(data, cancel);
        try
        {
            await using var take = new NpgsqlCommand(sql, connection, transaction) { Parameters = { new() { Value = name } } };
            if (await take.ExecuteScalarAsync(cancel) is true) return new(connection, transaction, clock, cancel);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
        await connection.DisposeAsync();
        return null;
    }

    /// <summary>Waits until no other process holds it.</summary>
    public static Task<LongLock> WaitAsync(NpgsqlDataSource data, long name, TimeProvider clock, CancellationToken cancel) =>
        TakeAsync(data, "select pg_advisory_xact_lock($1)", name, clock, cancel);

    /// <summary>Waits for it. While it is held, no one else changes runs or requested runs of this
    /// workspace. The same lock as <see cref="Locks.LockWorkspaceAsync"/>.</summary>
    public static Task<LongLock> OfWorkspaceAsync(NpgsqlDataSource data, Guid workspace, TimeProvider clock, CancellationToken cancel) =>
        TakeAsync(data, Locks.TakeWorkspace, workspace, clock, cancel);

    private static async Task<LongLock> TakeAsync(NpgsqlDataSource data, string sql, object name, TimeProvider clock, CancellationToken cancel)
    {
        var (connection, transaction) = await BeginAsync(data, cancel);
        try
        {
            // the holder may take as long as its work needs
            await using var take = new NpgsqlCommand(sql, connection, transaction) { Parameters = { new() { Value = name } }, CommandTimeout = 0 };
            await take.ExecuteNonQueryAsync(cancel);
            return new(connection, transaction, clock, cancel);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>Writes within the lock's transaction; others see it after <see cref="CommitAsync"/>.</summary>
    public async Task ExecuteAsync(string sql, params object[] values)
    {
        await _turn.WaitAsync(Token);
        try
        {
            await using var command = new NpgsqlCommand(sql, _connection, _transaction);
            foreach (var value in values) command.Parameters.Add(new() { Value = value });
            await command.ExecuteNonQueryAsync(Token);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Commits what was written and releases the lock.</summary>
    public async Task CommitAsync()
    {
        await _turn.WaitAsync(Token);
        try
        {
            await _transaction.CommitAsync(Token);
        }
        finally
        {
            _turn.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _lost.CancelAsync();
        await _beating;
        await _transaction.DisposeAsync();
        await _connection.DisposeAsync();
        _lost.Dispose();
        _turn.Dispose();
    }

    private static async Task<(NpgsqlConnection, NpgsqlTransaction)> BeginAsync(NpgsqlDataSource data, CancellationToken cancel)
    {
        var connection = await data.OpenConnectionAsync(cancel);
        try
        {
            return (connection, await connection.BeginTransactionAsync(cancel));
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    private async Task BeatAsync(TimeProvider clock)
    {
        using var tick = new PeriodicTimer(Beat, clock);
        try
        {
            while (await tick.WaitForNextTickAsync(Token)) await ExecuteAsync("select 1");
        }
        catch (OperationCanceledException) { } // already over
        catch (Exception e) when (e is NpgsqlException or InvalidOperationException or IOException)
        {
            await _lost.CancelAsync(); // work under the lock is stopped by its token
        }
    }
}
