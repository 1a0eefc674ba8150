using Portal.Jobs.Clouds.Docker.Images;

namespace Portal.Tests.Clouds;

/// <summary>How the progress of one image is divided among the images that it needs.</summary>
public sealed class ImageShareTests
{
    [Theory]
    [InlineData(1, true, 0)]
    [InlineData(1, false, 0)]
    [InlineData(2, true, 20)]
    [InlineData(2, false, 50)] // the root is there already
    [InlineData(3, true, 20)]
    [InlineData(3, false, 33)]
    public void Share_OfEachImage_GoesFromNothingToAllWithoutGaps(int count, bool root, int secondFrom)
    {
        (int From, int To)[] shares = [.. Enumerable.Range(0, count).Select(i => ImageBuilder.Share(i, count, root))];

        shares[0].From.ShouldBe(0);
        shares[^1].To.ShouldBe(100);
        shares.ShouldAllBe(s => s.From < s.To);
        shares.Zip(shares.Skip(1)).ShouldAllBe(s => s.First.To == s.Second.From);
        if (count > 1) shares[1].From.ShouldBe(secondFrom);
    }
}
