using Portal.Jobs.Catalog;

namespace Portal.Tests;

public sealed class BuildRetriesTests
{
    private static readonly DateTimeOffset Noon = new(2030, 1, 1, 12, 0, 0, TimeSpan.Zero);
    private readonly BuildRetries _retries = new();

    [Fact]
    public void Image_NeverFailed_IsDue() => _retries.IsDue("spark", "a", Noon).ShouldBeTrue();

    [Fact]
    public void Failures_InARow_WaitTwiceAsLongEachTimeAndNoLongerThanTheLongest()
    {
        var waits = new List<double>();
        var now = Noon;
        for (var i = 0; i < 7; i++)
        {
            _retries.Failed("spark", "a", now);
            var due = now;
            while (!_retries.IsDue("spark", "a", due)) due += TimeSpan.FromSeconds(30);
            waits.Add((due - now).TotalMinutes);
            now = due;
        }
        waits.ShouldBe([1, 2, 4, 8, 16, 30, 30]);
    }

    [Fact]
    public void Failure_OfAnotherTagOrImage_HoldsNothingBack()
    {
        _retries.Failed("spark", "a", Noon);

        _retries.IsDue("spark", "a", Noon).ShouldBeFalse();
        _retries.IsDue("spark", "b", Noon).ShouldBeTrue();
        _retries.IsDue("dask", "a", Noon).ShouldBeTrue();
    }

    [Fact]
    public void Success_ForgetsTheFailures()
    {
        _retries.Failed("spark", "a", Noon);
        _retries.Failed("spark", "a", Noon);
        _retries.Made("spark");
        _retries.Failed("spark", "a", Noon);

        _retries.IsDue("spark", "a", Noon + BuildRetries.First).ShouldBeTrue();
    }
}
