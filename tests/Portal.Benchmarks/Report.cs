using System.Globalization;

namespace Portal.Benchmarks;

/// <summary>One line per figure: name, what, values, the target beside it, and the machine's one-minute load before the figure and at its end.</summary>
internal sealed class Report(TextWriter say)
{
    private string _name = "", _before = "";

    /// <summary>Number of targets that were missed.</summary>
    public int Missed { get; private set; }

    /// <summary>Call before each measurement, also if one figure measures several in a row.</summary>
    public void Begin(string name) => (_name, _before) = (name, Load());

    /// <summary>First, middle and last of a series.</summary>
    public void Spread(string what, Series series, string unit, double? goal = null, string? because = null) =>
        Line(what, series, $"min {N(series.Min)}  median {N(series.Median)}  max {N(series.Max)} {unit}", series.Median, goal, unit, because);

    /// <summary>The tail of a series; the target is for p95.</summary>
    public void Tail(string what, Series series, string unit, double? goal = null) =>
        Line(what, series, $"p50 {N(series.Median)}  p95 {N(series.At(0.95))}  max {N(series.Max)} {unit}", series.At(0.95), goal, unit, null);

    /// <summary>The worst of a series; the target is for all of it.</summary>
    public void Worst(string what, Series series, string unit, double goal) =>
        Line(what, series, $"min {N(series.Min)}  median {N(series.Median)}  max {N(series.Max)} {unit}", series.Max, goal, unit, null);

    /// <summary>A figure without a target, or a remark on the previous one.</summary>
    public void Say(string what, string values) => say.WriteLine($"{_name,-9} {what,-44} {values}  load {_before} → {Load()}");

    private void Line(string what, Series series, string values, double judged, double? goal, string unit, string? because)
    {
        if (goal is not { } limit)
        {
            Say(what, $"{values}  n={series.Count}");
            return;
        }
        if (judged > limit) Missed++;
        Say(what, $"{values}  n={series.Count}  target ≤ {N(limit)} {unit}{(because is null ? "" : $" ({because})")}: {(judged > limit ? "MISSED" : "met")}");
    }

    public static string N(double value) => value.ToString(value >= 100 ? "F0" : value >= 10 ? "F1" : "F2", CultureInfo.InvariantCulture);

    private static string Load() => File.ReadAllText("/proc/loadavg").Split(' ')[0];
}
