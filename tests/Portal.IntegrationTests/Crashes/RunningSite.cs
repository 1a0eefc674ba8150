using Microsoft.EntityFrameworkCore;
using Portal.Core.Runs;
using Portal.TestKit;

namespace Portal.IntegrationTests.Crashes;

/// <summary>The running product, for test classes that kill nothing.</summary>
public sealed class RunningSite : IAsyncLifetime
{
    private static readonly TimeSpan Settles = TimeSpan.FromMinutes(3);
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public Installation It { get; private set; } = null!;

    /// <summary>Waits until the newest run of a kind has ended, and asserts how.</summary>
    public Task<TimeSpan> EndedAsync(Guid workspace, RunKind kind, RunPhase phase = RunPhase.Succeeded) => Until.TrueAsync($"{kind} has ended", async () =>
    {
        await using var db = It.Database.Open();
        var run = await db.Runs.AsNoTracking()
            .Where(r => r.WorkspaceId == workspace && r.Kind == kind)
            .OrderByDescending(r => r.Number)
            .FirstOrDefaultAsync(Cancel);
        if (run is null || !run.Phase.IsFinished()) return false;
        run.Phase.ShouldBe(phase, run.Cause);
        return true;
    }, Cancel, Settles);

    public async ValueTask InitializeAsync() => It = await Installation.StartAsync(students: 4, Cancel);

    public async ValueTask DisposeAsync()
    {
        if (It is not null) await It.DisposeAsync();
    }
}
