using Portal.Core.Clouds;
using Portal.Jobs.Watch;

namespace Portal.Tests.Metrics;

/// <summary>Converts ever-growing counters into changes within a span.</summary>
public sealed class ReadingTests
{
    private static readonly Guid Workspace = new("00000000-0000-0000-0000-0000000000a1");
    private static readonly DateTimeOffset Start = new(2026, 11, 26, 10, 0, 0, TimeSpan.Zero);
    private readonly Readings _readings = new();

    private static NodeSample At(double seconds, double cpu = 0, double throttled = 0, long memory = 100, long kills = 0, Traffic? net = null,
        Traffic? disk = null, int generation = 1) =>
        new(Workspace, "notebook", generation, Start.AddSeconds(seconds), TimeSpan.FromSeconds(cpu), TimeSpan.FromSeconds(throttled), memory, 1000,
            kills, 5, 2)
        { Net = net, Disk = disk };

    private Reading Take(NodeSample sample) => _readings.Take("local", [sample]).Single();

    [Fact]
    public void Take_First_ComparesWithNothing()
    {
        var first = Take(At(0, cpu: 50, kills: 3, net: new(1000, 2000)));

        (first.Compared, first.Cpu, first.OutOfMemoryKills, first.Net).ShouldBe((false, 0, 0, default));
    }

    [Fact]
    public void Take_Second_IsTheDifferenceAsShareOfTheLimit()
    {
        Take(At(0, cpu: 50, throttled: 1, kills: 1, net: new(1000, 2000), disk: new(0, 100)));
        var second = Take(At(4, cpu: 54, throttled: 2, kills: 3, net: new(1500, 2100), disk: new(10, 100)));

        second.Cpu.ShouldBe(.5, 1e-9); // 4 s of CPU in 4 s, of two cores
        second.Throttled.ShouldBe(.25, 1e-9);
        (second.OutOfMemoryKills, second.Net, second.Disk).ShouldBe((2, new Traffic(500, 100), new Traffic(10, 0)));
    }

    [Fact]
    public void Take_UnreadableOnce_IsNoFloodTheNextTime()
    {
        Take(At(0, net: new(1_000_000, 0)));
        Take(At(4, net: null)).Net.ShouldBe(default);
        Take(At(8, net: new(1_000_700, 0))).Net.ShouldBe(new Traffic(700, 0));
    }

    [Fact]
    public void Take_MadeAgain_CountsFromNothing()
    {
        Take(At(0, kills: 5, net: new(9000, 9000)));
        var again = Take(At(4, kills: 1, net: new(40, 30)));
        (again.OutOfMemoryKills, again.Net).ShouldBe((1, new Traffic(40, 30)));
        Take(At(8, generation: 2, kills: 1)).Compared.ShouldBeFalse();
        _readings.Newest.Count.ShouldBe(1);
    }

    [Fact]
    public void RawSpans_Readings_BecomeOneSpanWhenTheNextBegins()
    {
        var spans = new RawSpans();
        IReadOnlyList<Core.Metrics.Sample> Add(NodeSample s) => spans.Add(_readings.Take("local", [s]), s.At);
        Add(At(-2, cpu: 0)).ShouldBeEmpty();
        Add(At(2, cpu: 8, memory: 300, kills: 1, net: new(10, 20))).ShouldBeEmpty("the previous span saw only the node's start");
        Add(At(6, cpu: 8, memory: 100, kills: 2, net: new(10, 20))).ShouldBeEmpty();

        var span = Add(At(12, cpu: 9)).ShouldHaveSingleItem();

        (span.At, span.Span, span.Node).ShouldBe((Start, 10, "notebook"));
        span.Cpu.ShouldBe(.5, 1e-9);
        span.CpuMost.ShouldBe(1);
        (span.MemoryBytes, span.MemoryMost, span.MemoryLimitBytes, span.OutOfMemoryKills, span.Pids).ShouldBe((200, 300, 1000, 2, 5));
        spans.Add([], Start.AddSeconds(20)).ShouldHaveSingleItem().At.ShouldBe(Start.AddSeconds(10));
        spans.Add([], Start.AddSeconds(40)).ShouldBeEmpty();
    }
}
