using System.Globalization;

namespace Portal.Controls;

/// <summary>Durations and sizes in the few units that people can read at a glance.</summary>
public static class Length
{
    public static string Of(TimeSpan t) => t switch
    {
        { TotalSeconds: < 9.95 } => string.Create(CultureInfo.CurrentCulture, $"{Math.Max(0, t.TotalSeconds):0.#} s"),
        { TotalSeconds: < 90 } => string.Create(CultureInfo.CurrentCulture, $"{t.TotalSeconds:0} s"),
        { TotalMinutes: < 90 } => string.Create(CultureInfo.CurrentCulture, $"{t.TotalMinutes:0} min"),
        { TotalHours: < 48 } => string.Create(CultureInfo.CurrentCulture, $"{t.TotalHours:0} h"),
        _ => string.Create(CultureInfo.CurrentCulture, $"{t.TotalDays:0} days"),
    };

    /// <summary>Whole seconds, for a duration that is still growing.</summary>
    public static string Whole(TimeSpan t) =>
        t < TimeSpan.FromSeconds(10) ? string.Create(CultureInfo.CurrentCulture, $"{Math.Max(0, Math.Floor(t.TotalSeconds)):0} s") : Of(t);

    /// <summary>Bytes as GiB, or MiB below one GiB.</summary>
    public static string Bytes(long bytes) => bytes >= 1L << 30
        ? string.Create(CultureInfo.CurrentCulture, $"{bytes / (double)(1L << 30):#,0.#} GiB")
        : string.Create(CultureInfo.CurrentCulture, $"{bytes / (double)(1L << 20):#,0} MiB");
}
