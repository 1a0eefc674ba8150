using System.Diagnostics;
using System.Globalization;
using Portal.TestKit;

namespace Portal.Benchmarks.Figures;

/// <summary>From SIGKILL of Jobs, in the middle of a step, to the moment when the process restarted by its supervisor holds the run.</summary>
internal sealed class Takeover() : Figure("takeover")
{
    private const double Goal = 6;

    public override async Task MeasureAsync(Bench bench, CancellationToken cancel)
    {
        var took = new Series();
        bench.It.Jobs.Kill();
        try
        {
            for (var i = bench.Times(10, 2); i > 0; i--)
            {
                // A new supervisor each time: it waits longer after each death within a minute, and in real use Jobs does not die that often.
                using var jobs = Supervised.Start(bench.It);
                took.Add(await OnceAsync(bench, jobs, cancel));
            }
        }
        finally
        {
            bench.It.Jobs.Start();
        }
        await bench.ServesAsync(cancel);
        bench.Report.Worst("SIGKILL of Jobs → the run is held again", took, "s", Goal);
    }

    private static async Task<double> OnceAsync(Bench bench, Supervised jobs, CancellationToken cancel)
    {
        var id = await bench.OrderAsync(cancel);
        string? victim = null;
        await Until.TrueAsync("a worker is in the middle of a step", async () => (victim = await OwnerAsync(bench, id, cancel)) is not null, cancel,
            TimeSpan.FromMinutes(1));
        var killed = TimeProvider.System.GetTimestamp();
        jobs.Kill();
        await Until.TrueAsync("the run is held again", async () => await OwnerAsync(bench, id, cancel) is { } owner && owner != victim, cancel,
            TimeSpan.FromMinutes(1));
        var took = TimeProvider.System.GetElapsedTime(killed).TotalSeconds;
        await bench.EndedAsync(id, cancel);
        await bench.DeleteAsync(id, cancel);
        return took;
    }

    /// <summary>Who holds the run in its third step or later; null while it is waiting, on its way or at an earlier one.</summary>
    private static async Task<string?> OwnerAsync(Bench bench, Guid workspace, CancellationToken cancel)
    {
        await using var ask = bench.Command(
            "select owner from portal.runs where workspace_id = $1 and phase = 'Active' and done_step <> 'CheckOrder'", workspace);
        return await ask.ExecuteScalarAsync(cancel) as string;
    }

    /// <summary>Jobs under the supervisor of infra/lib, as infra/run starts it.</summary>
    private sealed class Supervised : IDisposable
    {
        private readonly Process _supervisor;
        private readonly string _file;

        private Supervised(Process supervisor, string file) => (_supervisor, _file) = (supervisor, file);

        public static Supervised Start(Installation it)
        {
            var script = Environment.GetEnvironmentVariable("PORTAL_TEST_SUPERVISE")
                ?? throw new InvalidOperationException("PORTAL_TEST_SUPERVISE is not set; infra/bench sets it.");
            var start = it.Jobs.Command();
            foreach (var argument in (string[])[script, "jobs", it.Folder, Path.Combine(it.Folder, "supervised.log"), start.FileName])
                start.ArgumentList.Insert(start.ArgumentList.Count - 1, argument);
            (start.FileName, start.RedirectStandardOutput, start.RedirectStandardError) = ("bash", false, false);
            return new(Process.Start(start)!, Path.Combine(it.Folder, "jobs.process"));
        }

        public void Kill()
        {
            using var jobs = Process.GetProcessById(int.Parse(File.ReadAllText(_file).Split(' ')[0], CultureInfo.InvariantCulture));
            jobs.Kill();
        }

        /// <summary>Stops it as infra/run does: its child first, in an orderly way.</summary>
        public void Dispose()
        {
            using var ask = Process.Start("kill", ["-TERM", _supervisor.Id.ToString(CultureInfo.InvariantCulture)])!;
            ask.WaitForExit();
            _supervisor.WaitForExit();
            _supervisor.Dispose();
        }
    }
}
