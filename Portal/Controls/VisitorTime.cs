using System.Globalization;

namespace Portal.Controls;

/// <summary>Times in the visitor's time zone. Cascaded; replaced when the zone becomes known.</summary>
public sealed class VisitorTime(TimeZoneInfo zone)
{
    public static readonly VisitorTime Utc = new(TimeZoneInfo.Utc);

    public TimeZoneInfo Zone { get; } = zone;

    public DateTimeOffset At(DateTimeOffset at) => TimeZoneInfo.ConvertTime(at, Zone);

    /// <summary>Hours and minutes; with the date if it is not today.</summary>
    public string Clock(DateTimeOffset at, DateTimeOffset now)
    {
        var (then, today) = (At(at), At(now).Date);
        return then.Date == today ? then.ToString("HH:mm", CultureInfo.CurrentCulture) : then.ToString("ddd d MMM, HH:mm", CultureInfo.CurrentCulture);
    }

    public string Seconds(DateTimeOffset at) => At(at).ToString("HH:mm:ss", CultureInfo.CurrentCulture);

    public string Full(DateTimeOffset at) => At(at).ToString("d MMM yyyy HH:mm:ss", CultureInfo.CurrentCulture);
}
