namespace Portal.Core.Metrics;

/// <summary>Resolution and retention of measurements. Each span is a rollup of the one before it.</summary>
public static class Spans
{
    /// <summary>The raw measurements.</summary>
    public static readonly TimeSpan Raw = TimeSpan.FromSeconds(10);

    /// <summary>The interval at which compute engines and notebooks are asked.</summary>
    public static readonly TimeSpan RawCounts = TimeSpan.FromSeconds(15);
    public static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);
    public static readonly TimeSpan TenMinutes = TimeSpan.FromMinutes(10);

    public static readonly TimeSpan KeepRaw = TimeSpan.FromHours(2);
    public static readonly TimeSpan KeepMinutes = TimeSpan.FromDays(1);
    public static readonly TimeSpan KeepTenMinutes = TimeSpan.FromDays(30);

    /// <summary>Start of the span that contains a moment: whole multiples since 1970, as the database's date_bin computes them.</summary>
    public static DateTimeOffset Begin(DateTimeOffset at, TimeSpan span) =>
        new(at.UtcTicks - ((at.UtcTicks - DateTimeOffset.UnixEpoch.Ticks) % span.Ticks), TimeSpan.Zero);
}
