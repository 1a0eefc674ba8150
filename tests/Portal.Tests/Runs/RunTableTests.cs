using Portal.Core.Policy;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.Jobs.Steps;

namespace Portal.Tests.Runs;

/// <summary>The tables that govern runs.</summary>
public sealed class RunTableTests
{
    [Fact]
    public void Next_FinishedPhase_IsNeverLeft()
    {
        foreach (var phase in RunPhases.Finished)
            foreach (var trigger in Enum.GetValues<RunTrigger>()) RunPhases.Next(phase, trigger).ShouldBeNull($"{trigger} leaves {phase}");
    }

    [Fact]
    public void Next_EveryUnfinishedPhase_HasAWayToAnEnd()
    {
        var reach = new HashSet<RunPhase>(RunPhases.Finished);
        for (var before = -1; before != reach.Count;)
        {
            before = reach.Count;
            foreach (var phase in Enum.GetValues<RunPhase>())
                if (Enum.GetValues<RunTrigger>().Any(t => RunPhases.Next(phase, t) is { } next && reach.Contains(next))) reach.Add(phase);
        }
        reach.Count.ShouldBe(Enum.GetValues<RunPhase>().Length);
    }

    [Fact]
    public void StatusOf_EveryKindAndPhase_HasAStatus()
    {
        foreach (var kind in Enum.GetValues<RunKind>())
            foreach (var phase in Enum.GetValues<RunPhase>())
                foreach (var flags in new[] { (false, false), (false, true), (true, false), (true, true) }) StatusOf.Run(kind, phase, flags.Item1, flags.Item2);
        StatusOf.Run(RunKind.Launch, RunPhase.Succeeded, false, nodesHealthy: true).ShouldBe(WorkspaceStatus.Ready);
        StatusOf.Run(RunKind.Launch, RunPhase.Succeeded, false, nodesHealthy: false).ShouldBe(WorkspaceStatus.Attention);
    }

    [Theory]
    //                               wanted: Launch Start Stop Delete Resize
    [InlineData(RunKind.Launch, "UnderWay UnderWay Record Record Refuse")]
    [InlineData(RunKind.Start, "UnderWay UnderWay Record Record Refuse")]
    [InlineData(RunKind.Stop, "Refuse Refuse UnderWay Record Refuse")]
    [InlineData(RunKind.Delete, "Refuse Refuse Refuse UnderWay Refuse")]
    [InlineData(RunKind.Resize, "Refuse Refuse Record Record TakeBack")]
    public void RequestedRun_KindByKind_IsTheTable(RunKind unfinished, string expected) =>
        string.Join(' ', Enum.GetValues<RunKind>().Select(wanted => RequestedRunPolicy.Decide(unfinished, wanted))).ShouldBe(expected);

    [Fact]
    public void Release_EveryPlanThatReleases_SharesOneOrder()
    {
        StepKey[] order = [StepKey.StopNodes, StepKey.Unmount, StepKey.DenyAccess, StepKey.DropNetwork];
        PlanSteps.Release.ShouldBe(order);
        PlanSteps.Of(RunKind.Stop, false).ShouldBe(order);
        PlanSteps.Of(RunKind.Delete, false).Take(order.Length).ShouldBe(order);
        PlanSteps.Of(RunKind.Launch, releasing: true).ShouldBe(order);
        PlanSteps.Of(RunKind.Start, releasing: true).ShouldBe(order);
    }

    [Fact]
    public void Resize_BothWays_ReleasesTheWorkersThatGoInTheOrderOfEveryReleaseAndNothingElse()
    {
        StepKey[] leave = [StepKey.DrainWorkers, StepKey.DropWorkers, StepKey.UnmountWorkers, StepKey.DropWorkerScratch];
        PlanSteps.Of(RunKind.Resize, releasing: true).ShouldBe(leave);
        PlanSteps.Of(RunKind.Resize, releasing: false)
            .ShouldBe([StepKey.CheckResize, .. leave, StepKey.EnsureWorkFolder, StepKey.EnsureAccess, StepKey.EnsureCluster, StepKey.ProveEngine,
                StepKey.KeepWorkers]);
        PlanSteps.Of(RunKind.Resize, false).Concat(PlanSteps.Of(RunKind.Resize, true)).Intersect(PlanSteps.Release).ShouldBeEmpty();
        foreach (var step in leave) PlanSteps.GivesUp(RunKind.Resize, false, step).ShouldBeFalse($"{step} is repeated until it is done");
    }

    [Fact]
    public void NextStep_OfEveryPlan_FollowsTheNameThatIsDone()
    {
        foreach (var kind in Enum.GetValues<RunKind>())
            foreach (var releasing in (bool[])[false, true])
            {
                var plan = PlanSteps.Of(kind, releasing);
                plan.Distinct().Count().ShouldBe(plan.Length, "a name says where the run is");
                PlanSteps.Next(kind, releasing, null).ShouldBe(plan[0]);
                for (var i = 1; i < plan.Length; i++) PlanSteps.Next(kind, releasing, plan[i - 1]).ShouldBe(plan[i]);
                PlanSteps.Next(kind, releasing, plan[^1]).ShouldBeNull();
                PlanSteps.Next(kind, releasing, PlanSteps.Parse("ReserveNames")).ShouldBe(plan[0], "a step of another version begins the plan again");
            }
        PlanSteps.Parse("1").ShouldBe(StepKey.Unknown);
    }

    [Fact]
    public void Plan_EveryStepKey_HasItsStep()
    {
        var steps = typeof(IStep).Assembly.GetTypes().Where(t => t is { IsClass: true, IsAbstract: false } && t.IsAssignableTo(typeof(IStep))).ToList();
        steps.Select(s => s.Name).Order().ShouldBe(Enum.GetNames<StepKey>().Except([nameof(StepKey.Unknown)]).Order());
    }
}
