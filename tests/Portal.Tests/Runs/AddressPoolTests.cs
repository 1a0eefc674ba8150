using System.Net;
using Portal.Jobs.Clouds;

namespace Portal.Tests.Runs;

public sealed class AddressPoolTests
{
    private static readonly AddressPool Pool = new(IPNetwork.Parse("10.213.0.0/24"), "Clouds:Docker:Pool");
    private static readonly HashSet<string> Free = [];

    [Fact]
    public void Choose_NothingTaken_IsTheFirst() => Pool.Choose(Free, []).ShouldBe("10.213.0.0/27");

    [Fact]
    public void Choose_Taken_IsSkipped() => Pool.Choose(new HashSet<string> { "10.213.0.0/27", "10.213.0.32/27" }, []).ShouldBe("10.213.0.64/27");

    [Theory]
    [InlineData("10.213.0.16/28", "10.213.0.32/27")]
    [InlineData("10.213.0.0/25", "10.213.0.128/27")]
    [InlineData("0.0.0.0/0", "10.213.0.0/27")]
    [InlineData("10.0.0.0/8", null)]
    public void Choose_OverlapsSomethingForeign_IsSkipped(string foreign, string? expected) => Pool.Choose(Free, [IPNetwork.Parse(foreign)]).ShouldBe(expected);

    [Fact]
    public void Choose_AllTaken_IsNone() => Pool.Choose(Enumerable.Range(0, 8).Select(i => $"10.213.0.{i * 32}/27").ToHashSet(), []).ShouldBeNull();
}
