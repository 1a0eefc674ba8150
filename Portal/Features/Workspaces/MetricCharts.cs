using System.Globalization;
using Microsoft.Extensions.Localization;
using Portal.Controls;
using Portal.Core.Metrics;

namespace Portal.Features.Workspaces;

/// <param name="Css">Class of the line: chart-mean is filled below, chart-most and chart-other are lines.</param>
public sealed record ChartLine(string Name, string Css, IReadOnlyList<(DateTimeOffset At, double Value)> Points);

/// <summary>One chart, ready to draw.</summary>
/// <param name="Sentence">Text equivalent of the chart.</param>
/// <param name="Now">The newest value, formatted for display.</param>
/// <param name="Top">Value at the upper edge, above 0.</param>
/// <param name="TopText">The same, formatted for display.</param>
public sealed record Chart(string Title, string Sentence, string Now, double Top, string TopText, IReadOnlyList<ChartLine> Lines);

/// <summary>Turns measurements into the charts of a page.</summary>
public static class MetricCharts
{
    /// <summary>The charts of one node or of all together.</summary>
    /// <param name="name">Display name of the node.</param>
    /// <param name="span">The window, formatted for display: "the last hour".</param>
    public static IReadOnlyList<Chart> Of(NodeMetrics node, string name, string span, IStringLocalizer<WorkspaceTexts> text)
    {
        var points = node.Points;
        var limit = points.Length == 0 ? 0 : points.Max(p => p.MemoryLimitBytes);
        List<Chart> charts =
        [
            Make(text["Metrics.Cpu"], name, span, text, Percent, 1, Line("Metrics.Mean", "chart-mean", p => p.Cpu),
                Line("Metrics.Most", "chart-most", p => p.CpuMost)),
            Make(text["Metrics.Memory"], name, span, text, Bytes, limit, Line("Metrics.Mean", "chart-mean", p => p.MemoryBytes),
                Line("Metrics.Most", "chart-most", p => p.MemoryMost)),
            Make(text["Metrics.Network"], name, span, text, Rate, 0, Line("Metrics.Received", "chart-mean", p => p.NetIn),
                Line("Metrics.Sent", "chart-other", p => p.NetOut)),
            Make(text["Metrics.Disk"], name, span, text, Rate, 0, Line("Metrics.Read", "chart-mean", p => p.DiskRead),
                Line("Metrics.Written", "chart-other", p => p.DiskWritten)),
            Make(text["Metrics.Processes"], name, span, text, Whole, 0, Line("Metrics.Processes", "chart-mean", p => p.Pids)),
        ];
        if (points.Any(p => p.Throttled > .01))
            charts.Insert(1, Make(text["Metrics.Throttled"], name, span, text, Percent, 1, Line("Metrics.Throttled", "chart-mean", p => p.Throttled)));
        if (points.Any(p => p.OutOfMemoryKills > 0))
            charts.Add(Make(text["Metrics.OutOfMemory"], name, span, text, Whole, 0, Line("Metrics.OutOfMemory", "chart-mean", p => p.OutOfMemoryKills)));
        if (points.Any(p => p.Restarts > 0))
            charts.Add(Make(text["Node.Restarts"], name, span, text, Whole, 0, Line("Node.Restarts", "chart-mean", p => p.Restarts)));
        return charts;

        ChartLine Line(string key, string css, Func<MetricPoint, double> value) => new(text[key], css, [.. points.Select(p => (p.At, value(p)))]);
    }

    /// <summary>Counts of compute engines and notebooks.</summary>
    public static Chart Of(CountMetrics count, string name, string span, IStringLocalizer<WorkspaceTexts> text) =>
        Make(count.Title ?? text[$"Count.{count.Id}"], name, span, text, Whole, 0,
            new(text["Metrics.Mean"], "chart-mean", [.. count.Points.Select(p => (p.At, p.Value))]),
            new(text["Metrics.Most"], "chart-most", [.. count.Points.Select(p => (p.At, p.Most))]));

    /// <summary>Points of an svg of 300 by 80 with a gap wherever nothing was measured for longer than two steps.</summary>
    public static IEnumerable<string> Draw(ChartLine line, MetricsView view, double top)
    {
        var length = Math.Max(1, (view.To - view.From).TotalSeconds);
        var piece = new List<string>();
        DateTimeOffset? before = null;
        foreach (var (at, value) in line.Points)
        {
            if (before is { } last && at - last > view.Step * 2 && piece.Count > 0)
            {
                yield return Join(piece);
                piece.Clear();
            }
            before = at;
            piece.Add(string.Create(CultureInfo.InvariantCulture,
                $"{Math.Clamp((at - view.From).TotalSeconds / length, 0, 1) * 300:0.#},{79 - (Math.Clamp(value / top, 0, 1) * 78):0.#}"));
        }
        if (piece.Count > 0) yield return Join(piece);

        string Join(List<string> points) => string.Join(' ', line.Css == "chart-mean" ? [Floor(points[0]), .. points, Floor(points[^1])] : points);

        static string Floor(string point) => $"{point[..point.IndexOf(',', StringComparison.Ordinal)]},80";
    }

    /// <summary>Bytes per second.</summary>
    public static string Rate(double value) => value switch
    {
        >= 1 << 20 => string.Create(CultureInfo.CurrentCulture, $"{value / (1 << 20):#,0.#} MiB/s"),
        >= 1 << 10 => string.Create(CultureInfo.CurrentCulture, $"{value / (1 << 10):0.#} KiB/s"),
        _ => string.Create(CultureInfo.CurrentCulture, $"{value:0} B/s"),
    };

    public static string Percent(double value) => value.ToString("0%", CultureInfo.CurrentCulture);

    private static string Bytes(double value) => Length.Bytes((long)value);

    private static string Whole(double value) => value.ToString("#,0.#", CultureInfo.CurrentCulture);

    /// <param name="top">Top of the scale if known, such as a limit; 0 uses the highest value.</param>
    private static Chart Make(string title, string name, string span, IStringLocalizer<WorkspaceTexts> text, Func<double, string> say, double top,
        params ChartLine[] lines)
    {
        var highest = lines.SelectMany(l => l.Points).Select(p => p.Value).DefaultIfEmpty().Max();
        var edge = top > 0 ? top : highest > 0 ? highest : 1;
        var now = lines[0].Points.Count > 0 ? lines[0].Points[^1].Value : 0;
        var mean = lines[0].Points.Count > 0 ? lines[0].Points.Average(p => p.Value) : 0;
        var sentence = lines.Length > 1 && lines[1].Css == "chart-other"
            ? text["Metrics.SentenceTwo", title, name, span, lines[0].Name, say(now), say(mean), lines[1].Name,
                say(lines[1].Points.Count > 0 ? lines[1].Points[^1].Value : 0), say(lines[1].Points.Select(p => p.Value).DefaultIfEmpty().Average())]
            : text["Metrics.Sentence", title, name, span, say(now), say(mean), say(highest)];
        return new(title, sentence, say(now), edge, say(edge), lines);
    }
}
