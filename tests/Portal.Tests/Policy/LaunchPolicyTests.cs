using System.Collections.Immutable;
using CsCheck;
using Portal.Core.Policy;
using Portal.Core.Quotas;

namespace Portal.Tests.Policy;

public sealed class LaunchPolicyTests
{
    private static readonly Amounts Small = new(1, 1024, 0, 1), Medium = new(2, 2048, 0, 1), Large = new(4, 4096, 0, 1);

    private static readonly LaunchFacts Fits = new(true, true, true, true, true, null, null, 2, 12, Medium,
        [Level(QuotaLevel.Tenant, 100), Level(QuotaLevel.Class, 50), Level(QuotaLevel.Member, 8)], new(64, 65536, 0, 0), StorageLeftGib: 50,
        [new(new("l", 0), Large) { Nodes = [Large with { Workspaces = 0 }] },
            new(new("s", 0), Small) { Nodes = [Small with { Workspaces = 0 }] }])
    {
        Nodes = [Medium with { Workspaces = 0 }],
    };

    [Fact]
    public void Decide_EverythingFits_Allows() => LaunchPolicy.Decide(Fits).ShouldBeNull();

    [Fact]
    public void Decide_EachFact_IsRefusedWithItsReasonAndField()
    {
        Reason(Fits with { MayLaunch = false }).ShouldBe((RefusalReason.NotAMember, null));
        Reason(Fits with { TemplateOffered = false }).ShouldBe((RefusalReason.TemplateGone, "template"));
        Reason(Fits with { SizeKnown = false }).ShouldBe((RefusalReason.SizeUnknown, "size"));
        Reason(Fits with { NameFree = false }).ShouldBe((RefusalReason.NameTaken, "name"));
        Reason(Fits with { Hours = 0 }).ShouldBe((RefusalReason.EndInThePast, "end"));
        Reason(Fits with { Hours = 12.1 }).ShouldBe((RefusalReason.EndTooLate, "end"));
        Reason(Fits with { NotAvailable = "no engine" }).ShouldBe((RefusalReason.NotAvailable, "template"));
        Reason(Fits with { WorkersKnown = false }).ShouldBe((RefusalReason.WorkersUnknown, "workers"));
        Reason(Fits with { Parameter = new("memory", ParameterMistake.TooLarge) }).ShouldBe((RefusalReason.ParameterWrong, "p.memory"));
        Reason(Fits with { StorageLeftGib = 1, Wanted = Medium with { StorageGib = 2 } }).ShouldBe((RefusalReason.DiskNearlyFull, null));
        Reason(Fits with { Capacity = new(1, 65536, 0, 0) }).ShouldBe((RefusalReason.NeverPossible, "size"));
    }

    [Fact]
    public void Decide_NodeLargerThanAnyMachine_IsRefusedThoughTheSiteHasRoom()
    {
        var refusal = LaunchPolicy.Decide(Fits with { Nodes = [new(4, 1024, 0, 0)], LargestNode = new(2, 8192, 0, 0) })!;
        (refusal.Reason, refusal.Field, refusal.Resource, refusal.Fits).ShouldBe((RefusalReason.NeverPossible, "size", Resource.Vcpu, new Fit("s", 0)));
        LaunchPolicy.Decide(Fits with { Nodes = [new(2, 8192, 0, 0)], LargestNode = new(2, 8192, 0, 0) }).ShouldBeNull();
    }

    /// <summary>Nodes that exist take nothing more from the pool, but all of them must have a machine.</summary>
    [Fact]
    public void Decide_SomeNodesExist_CapacityCountsTheMissingOnesAndMachinesAll()
    {
        var growing = Fits with { Nodes = [new(4, 4096, 0, 0), new(1, 1024, 0, 0)], Missing = [new(1, 1024, 0, 0)], Capacity = new(1, 1024, 0, 0) };

        LaunchPolicy.Decide(growing).ShouldBeNull();
        LaunchPolicy.Decide(growing with { LargestNode = new(2, 8192, 0, 0) })!.Reason.ShouldBe(RefusalReason.NeverPossible);
    }

    [Fact]
    public void Decide_NoFlavorHoldsANode_IsNeverPossible()
    {
        var facts = Fits with { Machines = new([new("many", 16, 2048), new("much", 1, 65_536)], OverheadMib: 0), Nodes = [new(2, 4096, 0, 0)] };

        var refusal = LaunchPolicy.Decide(facts)!;

        (refusal.Reason, refusal.Resource).ShouldBe((RefusalReason.NeverPossible, Resource.Memory));
    }

    [Fact]
    public void Decide_SeveralLimits_NamesTheInnermostAndWhatFits()
    {
        var refusal = LaunchPolicy.Decide(Fits with { Levels = [Level(QuotaLevel.Tenant, 1), Level(QuotaLevel.Class, 1), Level(QuotaLevel.Member, 1)] })!;
        (refusal.Reason, refusal.BindingLimit, refusal.Resource,
            refusal.Fits).ShouldBe((RefusalReason.OverQuota, QuotaLevel.Member, Resource.Vcpu, new Fit("s", 0)));
    }

    /// <summary>The person's smallest workspace that is enough; several only if no single one is, and none if no stop helps.</summary>
    [Fact]
    public void Decide_OverQuota_NamesTheOwnWorkspaceWhoseStopMakesItFit()
    {
        var mine = Level(QuotaLevel.Member, 8) with { Promised = new(7, 0, 0, 0) };
        var full = Fits with { Levels = [Level(QuotaLevel.Tenant, 100), Level(QuotaLevel.Class, 50), mine] };
        var small = new OwnWorkspace("small", new(1, 512, 0, 0), true);
        var middle = new OwnWorkspace("middle", new(2, 2048, 0, 0), true);
        var large = new OwnWorkspace("large", new(4, 4096, 0, 0), true);

        Stop(full with { Own = [large, small, middle] }).ShouldBe(["small"]);
        Stop(full with { Own = [large, middle], Wanted = new(4, 2048, 0, 1) }).ShouldBe(["large"]);
        Stop(full with { Own = [small, middle], Wanted = new(4, 2048, 0, 1) }).ShouldBe(["middle", "small"]);
        Stop(full with { Own = [small], Wanted = new(8, 2048, 0, 1) }).ShouldBeEmpty();
        Stop(full with { Own = [small with { SameClass = false }] }).ShouldBeEmpty();
    }

    [Fact]
    public void Decide_DepartmentFull_GainsFromOwnWorkspacesOfOtherClasses()
    {
        var tenant = Level(QuotaLevel.Tenant, 8) with { Promised = new(7, 0, 0, 0) };
        var full = Fits with { Levels = [tenant, Level(QuotaLevel.Class, 50), Level(QuotaLevel.Member, 8)] };

        Stop(full with { Own = [new("elsewhere", new(1, 512, 0, 0), false)] }).ShouldBe(["elsewhere"]);
    }

    private static ImmutableArray<string> Stop(LaunchFacts facts) => LaunchPolicy.Decide(facts)!.Stop;

    [Fact]
    public void ChoiceLimits_SomeFit_NamesThoseThatDoNot()
    {
        var spec = Pages.Views.Spark; // notebook, master and workers of one size
        var facts = Fits with { Levels = [Level(QuotaLevel.Tenant, 100), Level(QuotaLevel.Class, 50), Level(QuotaLevel.Member, 5)] };

        var limits = Core.Workspaces.ChoiceLimits.Of(spec, "s", new(0, 0, 0, 1), facts);

        limits.Sizes.Keys.ShouldBe(["m"]);
        (limits.MostWorkers, limits.More!.Reason).ShouldBe((3, RefusalReason.OverQuota));
    }

    [Fact]
    public void Decide_NothingFits_OffersNothing() =>
        LaunchPolicy.Decide(Fits with { Levels = [Level(QuotaLevel.Member, 0)] })!.Fits.ShouldBeNull();

    [Fact]
    public void Decide_AnyFacts_NeverOverCommitsAndOffersOnlyWhatFits() =>
        Gen.Select(Gen.Int[0, 10], Gen.Int[0, 10], Gen.Int[0, 10], Gen.Int[1, 6]).Sample((tenant, @class, member, wanted) =>
        {
            var facts = Fits with
            {
                Wanted = new(wanted, wanted * 1024, 0, 1),
                Levels = [Level(QuotaLevel.Tenant, tenant), Level(QuotaLevel.Class, @class), Level(QuotaLevel.Member, member)]
            };
            var least = Math.Min(tenant, Math.Min(@class, member));
            var refusal = LaunchPolicy.Decide(facts);
            (refusal is null).ShouldBe(wanted <= least);
            if (refusal?.Fits is { } fits) facts.Others.Single(s => s.Choice == fits).Wanted.Vcpu.ShouldBeLessThanOrEqualTo(least);
            else if (refusal is not null) facts.Others.ShouldAllBe(s => s.Wanted.Vcpu > least);
        });

    private static QuotaState Level(QuotaLevel level, int vcpu) => new(level, "", new(vcpu, vcpu * 1024, 100, 100), Amounts.None);

    private static (RefusalReason, string?) Reason(LaunchFacts facts) =>
        LaunchPolicy.Decide(facts) is { } r ? (r.Reason, r.Field) : throw new InvalidOperationException("It was allowed.");
}

public sealed class AdmissionPolicyTests
{
    [Fact]
    public void Admit_AnyQueue_IsTheLongestHeadThatFits() =>
        Gen.Select(Gen.Int[0, 20], Gen.Int[0, 10], Gen.Int[0, 8], Gen.Int[0, 10], Gen.Int[1, 6].Array[0, 30])
            .Sample((capacity, claimed, atOnce, starting, wants) =>
            {
                var starts = Math.Max(0, atOnce - starting);
                var queue = wants.Select((w, i) => new QueuedOrder(i, Guid.Empty, "local", [new("notebook", new(w, 0, 0, 0))])).ToImmutableArray();
                var admitted = AdmissionPolicy.Admit(Launches(atOnce, ("local", starting)), Pools(capacity, claimed), queue);
                // What the pool could never run does not block others.
                queue = [.. queue.Where(o => o.Wanted.Vcpu <= capacity)];
                admitted.ShouldBe(queue.Take(admitted.Length));
                admitted.Length.ShouldBeLessThanOrEqualTo(starts);
                var sum = claimed + admitted.Sum(a => a.Wanted.Vcpu);
                if (admitted.Length > 0) sum.ShouldBeLessThanOrEqualTo(capacity);
                if (admitted.Length < Math.Min(queue.Length, starts)) (sum + queue[admitted.Length].Wanted.Vcpu).ShouldBeGreaterThan(capacity);
            });

    [Fact]
    public void Admit_HoldsItsRoomAlready_NeedsNoMore() =>
        AdmissionPolicy.Admit(Launches(1, ("local", 0)), Pools(1, 1), [new(1, Guid.Empty, "local", [])]).Length.ShouldBe(1);

    [Fact]
    public void Admit_OnePoolIsFull_HoldsUpNobodyElse()
    {
        var pools = new Dictionary<string, PoolCapacity>(StringComparer.Ordinal)
        {
            ["physics"] = new(new(4, 0, 0, 0), new(4, 0, 0, 0)),
            ["biology"] = new(new(4, 0, 0, 0), Amounts.None),
        };
        var queue = Turns(2);

        AdmissionPolicy.Admit(Launches(10, ("physics", 0), ("biology", 0)), pools, queue).Select(o => o.RunId).ShouldBe([1, 3],
            "the third of biology waits for the two before it");
        AdmissionPolicy.Admit(Launches(1, ("physics", 0), ("biology", 0)), pools, queue).Select(o => o.RunId).ShouldBe([1], "launches at once are the cloud's");
    }

    [Fact]
    public void Admit_OnePoolHasAllLaunches_LeavesTheOtherItsShare()
    {
        Admitted(4, ofPhysics: 0).ShouldBe([0, 1, 2, 3], "in turn");
        Admitted(4, ofPhysics: 4).ShouldBe([1, 3]);
        Admitted(4, ofPhysics: 3).ShouldBe([0, 1, 3], "one is left, then its share");
        Admitted(1, ofPhysics: 9).ShouldBe([1], "one at least");
        Admitted(0, ofPhysics: 0).ShouldBeEmpty("nothing is known of the cloud yet");

        static IEnumerable<long> Admitted(int atOnce, int ofPhysics) =>
            AdmissionPolicy.Admit(Launches(atOnce, ("physics", ofPhysics), ("biology", 0)), Wide, Turns(1)).Select(o => o.RunId);
    }

    /// <summary>Whatever comes and ends in whatever order.</summary>
    [Fact]
    public void MayStart_AnyHistory_StaysBelowTwiceTheLimitAndLeavesEachItsShare() =>
        Gen.Select(Gen.Int[1, 20], Gen.Int[1, 5], Gen.Int[0, 99].Array[0, 200]).Sample((atOnce, pools, events) =>
        {
            var now = Launches(atOnce, [.. Enumerable.Range(0, pools).Select(p => ($"{p}", 0))]);
            foreach (var one in events)
            {
                var pool = $"{one % pools}";
                if (one >= 70) now = now with { Starting = now.Starting.SetItem(pool, Math.Max(0, now.Starting[pool] - 1)) };
                else if (now.MayStart(pool)) now = now.And(pool);
                now.Starting.Values.Sum().ShouldBeLessThanOrEqualTo(atOnce + (pools - 1) * now.Share);
                now.Starting.ShouldAllBe(p => p.Value >= now.Share || now.MayStart(p.Key));
            }
        });

    private static readonly Dictionary<string, PoolCapacity> Wide = new(StringComparer.Ordinal)
    {
        ["physics"] = new(new(100, 0, 0, 0), Amounts.None),
        ["biology"] = new(new(100, 0, 0, 0), Amounts.None),
    };

    /// <summary>Six orders of the two pools in turn.</summary>
    private static ImmutableArray<QueuedOrder> Turns(int vcpu) => [.. Enumerable.Range(0, 6).Select(i =>
        new QueuedOrder(i, Guid.Empty, i % 2 == 0 ? "physics" : "biology", [new("notebook", new(vcpu, 0, 0, 0))]))];

    private static CloudLaunches Launches(int atOnce, params (string Pool, int Starting)[] pools) =>
        new(atOnce, pools.ToImmutableDictionary(p => p.Pool, p => p.Starting, StringComparer.Ordinal));

    private static Dictionary<string, PoolCapacity> Pools(int capacity, int claimed) =>
        new(StringComparer.Ordinal) { ["local"] = new(new(capacity, 0, 0, 0), new(claimed, 0, 0, 0)) };
}
