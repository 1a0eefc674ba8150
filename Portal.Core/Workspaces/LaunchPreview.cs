using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;
using Portal.Core.Policy;
using Portal.Core.Quotas;
using Portal.Core.Runs;

namespace Portal.Core.Workspaces;

/// <summary>The receipt: what a launch would use, what is left, when it starts, and the wall if there is one. Promises nothing.</summary>
/// <param name="Wall">Why it would be refused now; null when it would be accepted.</param>
/// <param name="LaunchesBefore">Orders that wait already.</param>
/// <param name="UsualStart">How long a launch usually takes here; null before the first.</param>
public sealed record Receipt(Amounts Wanted, IReadOnlyList<QuotaState> Levels, Refusal? Wall, int LaunchesBefore, TimeSpan? UsualStart, bool NewFolder, int FolderGib, int Workers)
{
    /// <summary>What it waits for although nobody stands before it; null when it begins at once.</summary>
    public QueueWait? WaitsFor { get; init; }
}

/// <summary>Answers what <see cref="LaunchWorkspace"/> would answer, without ordering anything.</summary>
public sealed class LaunchPreview(IDbContextFactory<PortalDb> databases, TimeProvider clock)
{
    /// <summary>Null when the class does not exist.</summary>
    public async Task<Receipt?> RunAsync(LaunchRequest request, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        if (await LaunchFactsReader.ReadAsync(db, request, clock.GetUtcNow(), cancel) is not { } situation) return null;
        var before = await db.Runs.CountAsync(r => r.Phase == RunPhase.Queued && RunKinds.Queued.Contains(r.Kind), cancel);
        var usual = (await StepHistory.ReadAsync(db, cancel)).Launch(request.TemplateId);
        var wall = WorkspaceName.IsValid(request.Name) ? LaunchPolicy.Decide(situation.Facts) : new Refusal(RefusalReason.NameInvalid, "name");
        return new(situation.Facts.Wanted, situation.Facts.Levels, wall, before,
            usual,
            situation.Folder is null, situation.Folder?.LimitGib ?? situation.Class.WorkFolderGib, situation.Workers)
        {
            WaitsFor = await WaitsForAsync(db, situation.Facts, cancel),
        };
    }

    private static async Task<QueueWait?> WaitsForAsync(PortalDb db, LaunchFacts facts, CancellationToken cancel)
    {
        if (facts.Capacity is not { } capacity) return null;
        if ((await db.ClaimedAsync(cancel) + facts.Wanted with { StorageGib = 0, Workspaces = 0 }).FirstAbove(capacity) is not null) return QueueWait.Capacity;
        return await db.StartingRuns().CountAsync(cancel) >= await db.Site.Select(s => s.LaunchesAtOnce).SingleAsync(cancel) ? QueueWait.Launches : null;
    }
}
