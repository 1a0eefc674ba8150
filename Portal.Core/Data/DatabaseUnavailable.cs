using Npgsql;

namespace Portal.Core.Data;

/// <summary>Distinguishes an unavailable database from one that answered with a refusal.</summary>
public static class DatabaseUnavailable
{
    /// <summary>When to retry: a restarting database is back within seconds.</summary>
    public static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(5);

    /// <summary>
    /// True if the connection failed or was cut, no connection was free in time, or the server is stopping or starting. The outcome of the
    /// statement is then unknown: a commit may have succeeded.
    /// </summary>
    public static bool Is(Exception? fault) => fault switch
    {
        null => false,
        // 08: connection; 57P01 to 57P03: shut down by an administrator, after a crash, or not yet started; 53300: too many connections.
        PostgresException server => server.SqlState.StartsWith("08", StringComparison.Ordinal)
            || server.SqlState is PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown or PostgresErrorCodes.CannotConnectNow
                or PostgresErrorCodes.TooManyConnections,
        NpgsqlException { InnerException: { } cause } => cause is IOException or System.Net.Sockets.SocketException or TimeoutException || Is(cause),
        NpgsqlException connection => connection.IsTransient,
        _ => Is(fault.InnerException), // as wrapped by EF Core
    };
}
