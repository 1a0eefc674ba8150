using Microsoft.EntityFrameworkCore;
using Portal.Core.Catalog;
using Portal.Core.Data;
using Portal.Core.Policy;
using Portal.Core.Quotas;
using Portal.Core.Runs;

namespace Portal.Core.Workspaces;

/// <summary>Preview of a launch: what it would use, what is left, when it starts, and the binding limit if there is one. Reserves nothing.</summary>
/// <param name="BindingLimit">Why it would be refused now; null if it would be accepted.</param>
/// <param name="LaunchesBefore">Orders that are already waiting.</param>
/// <param name="UsualStart">How long a launch usually takes here; null before the first.</param>
public sealed record Receipt(Amounts Wanted, IReadOnlyList<QuotaState> Levels, Refusal? BindingLimit, int LaunchesBefore, TimeSpan? UsualStart,
    bool NewFolder, int FolderGib, int Workers)
{
    /// <summary>What it would wait for even without orders before it; null if it would start immediately.</summary>
    public QueueWait? WaitsFor { get; init; }

    /// <summary>Title of the pool it would run in; null where there is only one.</summary>
    public string? Pool { get; init; }

    /// <summary>Which other choices would fit, and which would not.</summary>
    public ChoiceLimits Limits { get; init; } = ChoiceLimits.None;
}

/// <summary>Which choices of a template would be refused now, and why.</summary>
/// <param name="Sizes">By id; those that do not fit even with the fewest workers.</param>
/// <param name="MostWorkers">Most workers for the chosen size; null if no number is known to fit.</param>
/// <param name="More">Why one more worker is not possible; null if the template allows no more.</param>
public sealed record ChoiceLimits(IReadOnlyDictionary<string, Refusal> Sizes, int? MostWorkers, Refusal? More)
{
    public static readonly ChoiceLimits None = new(new Dictionary<string, Refusal>(StringComparer.Ordinal), null, null);

    /// <param name="beside">What is needed besides nodes, whatever the choice.</param>
    public static ChoiceLimits Of(TemplateSpec spec, string sizeId, Amounts beside, LaunchFacts facts)
    {
        Refusal? BindingLimit(string size, int workers) => LaunchPolicy.BindingLimitOf(OtherChoices.One(spec, new(size, workers), beside), facts);
        var range = spec.WorkerRole()?.Workers;
        var sizes = spec.Sizes.Select(s => (s.Id, BindingLimit: BindingLimit(s.Id, range?.Min ?? 0))).Where(s => s.BindingLimit is not null)
            .ToDictionary(s => s.Id, s => s.BindingLimit!, StringComparer.Ordinal);
        if (range is null || spec.Size(sizeId) is null || sizes.ContainsKey(sizeId)) return new(sizes, null, null);
        var most = range.Min;
        while (most < range.Max && BindingLimit(sizeId, most + 1) is null) most++;
        return new(sizes, most, most < range.Max ? BindingLimit(sizeId, most + 1) : null);
    }
}

/// <summary>Returns what <see cref="LaunchWorkspace"/> would return, without ordering anything.</summary>
public sealed class LaunchPreview(IDbContextFactory<PortalDb> databases, StepHistories history, TimeProvider clock)
{
    /// <summary>Null if the class does not exist.</summary>
    public async Task<Receipt?> RunAsync(LaunchRequest request, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        if (await LaunchFactsReader.ReadAsync(db, request, clock.GetUtcNow(), cancel) is not { } context) return null;
        var usual = await history.ReadAsync(db, cancel);
        var queue = await LaunchQueue.ReadAsync(db, context.Place, usual, cancel);
        var facts = context.Facts;
        var limit = WorkspaceName.IsValid(request.Name) ? LaunchPolicy.Decide(facts) : new Refusal(RefusalReason.NameInvalid, "name");
        return new(facts.Wanted, facts.Levels, limit, queue.Count, usual.Launch(request.TemplateId),
            context.Folder is null, context.Folder?.LimitGib ?? context.Class.WorkFolderGib, context.Workers)
        {
            Pool = context.Place.Title,
            WaitsFor = facts.Capacity is null ? null : queue.WaitOf(facts.Occupied),
            Limits = context.Version is { Spec: var spec }
                ? ChoiceLimits.Of(spec, request.SizeId, facts.Wanted - spec.Amounts(request.SizeId, context.Workers), facts)
                : ChoiceLimits.None,
        };
    }
}
