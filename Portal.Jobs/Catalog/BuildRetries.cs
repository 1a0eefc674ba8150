namespace Portal.Jobs.Catalog;

/// <summary>
/// When a failed build is retried: soon at first, because what was missing may have become available, then less and less often, so that a recipe
/// that cannot be built does not block the others. A changed recipe or input has a new tag and is built immediately.
/// </summary>
public sealed class BuildRetries
{
    /// <summary>Wait after the first failure; it doubles with each further one, up to <see cref="Longest"/>.</summary>
    public static readonly TimeSpan First = TimeSpan.FromMinutes(1), Longest = TimeSpan.FromMinutes(30);

    private readonly Dictionary<string, (string Tag, int Failures, DateTimeOffset Due)> _failed = new(StringComparer.Ordinal);

    public bool IsDue(string image, string tag, DateTimeOffset now) => !_failed.TryGetValue(image, out var f) || f.Tag != tag || f.Due <= now;

    public void Failed(string image, string tag, DateTimeOffset now)
    {
        var failures = _failed.TryGetValue(image, out var before) && before.Tag == tag ? before.Failures + 1 : 1;
        var wait = First * Math.Pow(2, Math.Min(failures - 1, 10));
        _failed[image] = (tag, failures, now + (wait < Longest ? wait : Longest));
    }

    public void Made(string image) => _failed.Remove(image);
}
