using Portal.Core.Policy;
using Portal.Core.Quotas;

namespace Portal.Tests.Policy;

public sealed class QueueForecastTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 23, 10, 0, 0, TimeSpan.Zero);
    private static readonly Amounts All = new(4, 4096, 0, 0);

    private static Amounts Of(int vcpu) => new(vcpu, vcpu * 1024, 0, 0);
    private static Occupant Ends(int vcpu, int? inMinutes) => new(Of(vcpu), inMinutes is { } minutes ? Now.AddMinutes(minutes) : null);
    private static double? Minutes(int wanted, params Occupant[] occupants) => (QueueForecast.Latest(All, occupants, Of(wanted), Now) - Now)?.TotalMinutes;

    [Fact]
    public void Latest_RoomAlready_IsNow() => Minutes(2, Ends(2, 60)).ShouldBe(0);

    /// <summary>Enough of them must have ended, and their capacity must be free again: a minute.</summary>
    [Fact]
    public void Latest_Full_IsWhenEnoughHaveEnded()
    {
        Minutes(1, Ends(2, 60), Ends(2, 30)).ShouldBe(31);
        Minutes(3, Ends(2, 60), Ends(2, 30)).ShouldBe(61);
    }

    [Fact]
    public void Latest_SomethingHasNoEnd_IsUnknownWhereItsRoomIsNeeded()
    {
        Minutes(2, Ends(2, null), Ends(2, 30)).ShouldBe(31);
        Minutes(3, Ends(2, null), Ends(2, 30)).ShouldBeNull();
    }

    [Fact]
    public void Latest_EndedAndStillThere_IsAMomentFromNow() => Minutes(2, Ends(4, -10)).ShouldBe(1);
}
