namespace Portal.Core.Metrics;

/// <summary>How finely the past is known, and for how long. Each span is made of the one before it.</summary>
public static class Spans
{
    /// <summary>As it is measured.</summary>
    public static readonly TimeSpan Raw = TimeSpan.FromSeconds(10);

    /// <summary>As engines and notebooks are asked.</summary>
    public static readonly TimeSpan RawCounts = TimeSpan.FromSeconds(15);
    public static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);
    public static readonly TimeSpan TenMinutes = TimeSpan.FromMinutes(10);

    public static readonly TimeSpan KeepRaw = TimeSpan.FromHours(2);
    public static readonly TimeSpan KeepMinutes = TimeSpan.FromDays(1);
    public static readonly TimeSpan KeepTenMinutes = TimeSpan.FromDays(30);

    /// <summary>Begin of the span that a moment lies in: whole multiples since 1970, as the database's date_bin cuts them.</summary>
    public static DateTimeOffset Begin(DateTimeOffset at, TimeSpan span) => new(at.UtcTicks - ((at.UtcTicks - DateTimeOffset.UnixEpoch.Ticks) % span.Ticks), TimeSpan.Zero);
}
