using Bunit;
using Bunit.TestDoubles;
using Microsoft.AspNetCore.Components;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.JSInterop;
using Portal.Api;
using Portal.Core.Metrics;
using Portal.Features.Workspaces;

namespace Portal.Tests.Pages;

public sealed class MetricsTests : PageTest
{
    private readonly List<MetricsWindow> _read = [];
    private Func<MetricsWindow, Task<MetricsView?>> _answer = window => Task.FromResult<MetricsView?>(View(window, Node("notebook")));

    private static MetricPoint Point(int minutesAgo, double cpu = .25, long kills = 0, double throttled = 0, double netIn = 2048, int restarts = 0) =>
        new(Now.AddMinutes(-minutesAgo), cpu, Math.Min(1, cpu * 2), throttled, 256L << 20, 300L << 20, 1L << 30, kills, restarts, 12, netIn, 512, 0, 4096);

    private static NodeMetrics Node(string name, params MetricPoint[] points) =>
        new(name, points.Length > 0 ? [.. points] : [Point(3), Point(2), Point(1, .5)]);

    private static MetricsView View(MetricsWindow window, params NodeMetrics[] nodes) =>
        new(window, Now.AddHours(-1), Now, TimeSpan.FromMinutes(1), [.. nodes],
            [new("kernels", null, [new(Now.AddMinutes(-1), 2, 2)]), new("tasks", "Running tasks", [new(Now.AddMinutes(-1), 7, 9)])]);

    private IRenderedComponent<MetricsPanel> Panel() =>
        Render<MetricsPanel>(p => p.Add(m => m.Read, (window, _) => { _read.Add(window); return _answer(window); }));

    [Fact]
    public void Panel_Normal_DrawsEachChartWithASentence()
    {
        var panel = Panel();

        panel.FindAll(".chart").Count.ShouldBe(7); // CPU, memory, network, disk, processes, kernels, tasks
        panel.FindAll("svg").ShouldAllBe(s => s.GetAttribute("role") == "img" && s.GetAttribute("aria-label")!.Length > 20);
        panel.Find("svg").GetAttribute("aria-label").ShouldBe("CPU of notebook over the last hour: now 50%, on average 33%, at most 100%.");
        panel.FindAll("svg")[2]
            .GetAttribute("aria-label")
            .ShouldBe("Network of notebook over the last hour: received now 2 KiB/s, on average 2 KiB/s; sent now 512 B/s, on average 512 B/s.");
        panel.Markup.ShouldNotContain("style=");
        panel.FindAll("tbody tr").Count.ShouldBe(3);
        panel.FindAll("nav").Count.ShouldBe(1, "one node leaves no choice");
    }

    [Fact]
    public void Panel_KillsThrottlingAndRestarts_HaveChartsOfTheirOwn()
    {
        _answer = w => Task.FromResult<MetricsView?>(View(w, Node("worker0", Point(2, kills: 1), Point(1, throttled: .4, restarts: 2))));
        var labels = Panel().FindAll(".chart-head").Select(h => h.TextContent).ToList();
        labels.ShouldContain(l => l.StartsWith("Throttled by the CPU limit", StringComparison.Ordinal));
        labels.ShouldContain(l => l.StartsWith("Out-of-memory kills", StringComparison.Ordinal));
        labels.ShouldContain(l => l.StartsWith("Restarts", StringComparison.Ordinal) && l.EndsWith('2'));
    }

    [Fact]
    public void Panel_WindowAndNode_AreInTheAddress()
    {
        _answer = w => Task.FromResult<MetricsView?>(View(w, Node("notebook", Point(1, .2)), Node("worker0", Point(1, .6))));
        var nav = Services.GetRequiredService<NavigationManager>();
        var panel = Panel();
        panel.Find("svg").GetAttribute("aria-label").ShouldBe("CPU of All nodes over the last hour: now 40%, on average 40%, at most 70%.");
        panel.FindAll("svg")[1].GetAttribute("aria-label")!.ShouldContain("now 512 MiB", Case.Sensitive);
        panel.FindAll("nav a")
            .Select(a => a.GetAttribute("href")!.Split('?').ElementAtOrDefault(1) ?? "")
            .ShouldBe(["", "window=1d", "window=30d", "", "node=notebook", "node=worker0"]);

        nav.NavigateTo("?window=1d&node=worker0");

        panel.WaitForAssertion(() =>
            panel.Find("svg").GetAttribute("aria-label").ShouldBe("CPU of worker0 over the last day: now 60%, on average 60%, at most 100%."));
        panel.FindAll("[aria-current]").Select(a => a.TextContent).ShouldBe(["1 day", "worker0"]);
        _read.ShouldBe([MetricsWindow.Hour, MetricsWindow.Day]);
    }

    [Fact]
    public async Task Panel_TenSecondsLater_ReadsAgainUnlessHidden()
    {
        var hidden = JSInterop.Setup<bool>("portal.hidden");
        hidden.SetResult(false);
        var panel = Panel();
        _answer = w => Task.FromResult<MetricsView?>(View(w, Node("notebook", Point(0, .9))));
        Clock.Advance(TimeSpan.FromSeconds(10));
        await panel.WaitForAssertionAsync(() => panel.Find("svg").GetAttribute("aria-label")!.ShouldContain("now 90%"));
        hidden.SetResult(true);
        Clock.Advance(TimeSpan.FromSeconds(10));
        await panel.WaitForAssertionAsync(() => hidden.Invocations.Count.ShouldBe(2));
        _read.Count.ShouldBe(2);
    }

    [Fact]
    public async Task Panel_BrowserOutOfReachForAWhile_ReadsAgainWhenItIsBack()
    {
        var hidden = JSInterop.Setup<bool>("portal.hidden");
        hidden.SetException(new JSDisconnectedException("The connection is lost."));
        var panel = Panel();
        Clock.Advance(TimeSpan.FromSeconds(10));
        await panel.WaitForAssertionAsync(() => hidden.Invocations.Count.ShouldBe(1));
        _read.Count.ShouldBe(1);

        hidden.SetResult(false);
        _answer = w => Task.FromResult<MetricsView?>(View(w, Node("notebook", Point(0, .9))));
        Clock.Advance(TimeSpan.FromSeconds(10));

        await panel.WaitForAssertionAsync(() => panel.Find("svg").GetAttribute("aria-label")!.ShouldContain("now 90%"));
    }

    [Fact]
    public void Panel_NothingMeasured_SaysWhenItComes()
    {
        _answer = w => Task.FromResult<MetricsView?>(View(w));
        Panel().Markup.ShouldContain("No data for the last hour.");
    }

    [Fact]
    public void Panel_MayNotLook_SaysSo()
    {
        _answer = _ => Task.FromResult<MetricsView?>(null);
        Panel().Markup.ShouldContain("it is not yours");
    }

    [Fact]
    public void Panel_Fault_OffersToTryAgain()
    {
        _answer = _ => Task.FromException<MetricsView?>(new InvalidOperationException("away"));
        var panel = Panel();
        panel.Find("[role=alert]").TextContent.ShouldContain("This cannot be shown at the moment.");
        _answer = w => Task.FromResult<MetricsView?>(View(w, Node("notebook")));
        panel.Find("[role=alert] button").Click();
        panel.FindAll(".chart").Count.ShouldBe(7);
    }

    [Fact]
    public void Panel_Loading_KeepsTheRoom()
    {
        _answer = _ => new TaskCompletionSource<MetricsView?>().Task;
        Panel().Find("[role=status]").GetAttribute("aria-label").ShouldBe("Loading");
    }

    [Fact]
    public void Draw_HoleInTheMeasurements_IsAHoleInTheLine()
    {
        var node = Node("notebook", Point(50), Point(49), Point(10), Point(9));
        var view = View(MetricsWindow.Hour, node);
        MetricCharts.Draw(new("", "chart-most", [.. node.Points.Select(p => (p.At, p.Cpu))]), view, 1).ShouldBe(["50,59.5 55,59.5", "250,59.5 255,59.5"]);
    }

    [Fact]
    public void Windows_Words_AreOnesOwnInverse()
    {
        foreach (var window in Enum.GetValues<MetricsWindow>()) MetricsWindows.Parse(MetricsWindows.Name(window)).ShouldBe(window);
        MetricsWindows.Parse("2h").ShouldBeNull();
        MetricsWindows.Parse(null).ShouldBeNull();
    }
}
