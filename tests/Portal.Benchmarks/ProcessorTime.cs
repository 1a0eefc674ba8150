using System.Globalization;

namespace Portal.Benchmarks;

/// <summary>Processor time from /proc, user and system together.</summary>
internal static class ProcessorTime
{
    /// <summary>The kernel's unit for them, on every architecture that .NET runs on.</summary>
    private const double TicksPerSecond = 100;

    public static TimeSpan Of(int process) => TimeSpan.FromSeconds(Fields(process).Take(2).Sum() / TicksPerSecond);

    /// <summary>The testbed's database server with its children, those that have ended included.</summary>
    public static TimeSpan OfDatabase()
    {
        var file = Environment.GetEnvironmentVariable("PORTAL_TEST_DB_PROCESS")
            ?? throw new InvalidOperationException("PORTAL_TEST_DB_PROCESS is not set; infra/bench sets it.");
        var server = int.Parse(File.ReadAllText(file).Split('\n', ' ')[0], CultureInfo.InvariantCulture);
        var living = File.ReadAllText($"/proc/{server}/task/{server}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return TimeSpan.FromSeconds(Fields(server).Sum() / TicksPerSecond)
            + living.Select(child => Of(int.Parse(child, CultureInfo.InvariantCulture))).Aggregate(TimeSpan.Zero, (sum, one) => sum + one);
    }

    /// <summary>utime, stime, cutime, cstime; none for a process that has ended. The name before them may contain anything, even parentheses.</summary>
    private static IEnumerable<double> Fields(int process)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{process}/stat");
            return [.. stat[(stat.LastIndexOf(')') + 2)..].Split(' ').Skip(11).Take(4).Select(t => double.Parse(t, CultureInfo.InvariantCulture))];
        }
        catch (IOException) { return []; }
    }
}
