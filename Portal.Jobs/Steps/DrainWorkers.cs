using Portal.Core.Catalog;
using Portal.Core.Clouds;
using Portal.Core.Foreign;
using Portal.Core.Runs;
using Portal.Core.Workspaces;
using Portal.Jobs.Leases;

namespace Portal.Jobs.Steps;

/// <summary>
/// Asks the leaving workers to leave their compute engine, so that nothing they hold is lost, and waits as long as the template says.
/// Nothing is removed here.
/// </summary>
public sealed class DrainWorkers(LeavingWorkers leavingWorkers, RunStore runs, StepClock stepClock, TimeProvider clock) : IStep
{
    private const int LongestLine = 200, Left = 0, NotYet = 75; // EX_TEMPFAIL of sysexits.h
    private static readonly TimeSpan Between = TimeSpan.FromSeconds(2), OneCommand = TimeSpan.FromSeconds(20);

    public StepKey Key => StepKey.DrainWorkers;

    public async Task<StepAnswer> RunAsync(StepContext context, CancellationToken cancel)
    {
        if (context.Grows) return StepAnswer.IsNothing;
        var kept = await leavingWorkers.KeptAsync(context.Run.WorkspaceId, context.Run.Releasing ? null : context.Facts.Workers, cancel);
        var there = await LeavingWorkers.SeenAsync(kept, cancel);
        if (kept.Spec.WorkerRole() is not { Drain: { } drain } role || there.Count == 0) return StepAnswer.IsNothing;
        var stay = new List<(string Node, string Why)>();
        // One that has exited on its own has left.
        foreach (var node in there.Where(n => n.State == NodeState.Running))
            if (await WhyNotLeftAsync(kept, role, drain, node.Name, cancel) is { } why) stay.Add((node.Name, why));
        if (stay.Count == 0) return StepAnswer.IsDone;
        var names = string.Join(", ", stay.Select(s => s.Node));
        if (await stepClock.AgeAsync(context.Run, cancel) < TimeSpan.FromMinutes(drain.Minutes))
            return new StepAnswer.LookAgainIn(Between, $"{names}: {stay[0].Why}");
        await runs.TellAsync(context.Run, LogLineSeverity.Warn,
            $"{names} did not leave within {drain.Minutes} minutes and will be stopped anyway: {stay[0].Why}", cancel);
        return StepAnswer.IsDone;
    }

    /// <summary>Why it has not left, as text for people; null if it has.</summary>
    private async Task<string?> WhyNotLeftAsync(Kept kept, RoleSpec role, DrainSpec drain, string node, CancellationToken cancel)
    {
        var where = drain.Role == role.Name ? node : drain.Role;
        using var own = new CancellationTokenSource(OneCommand, clock);
        using var until = CancellationTokenSource.CreateLinkedTokenSource(cancel, own.Token);
        try
        {
            var result = await kept.Kit.Clusters.ExecuteAsync(kept.Workspace.Id, where, [.. drain.Command.Select(a => a == "{node}" ? node : a)], until.Token);
            return result.ExitCode switch
            {
                Left => null,
                NotYet => "it is finishing its work and handing over its data.",
                var code => $"it could not be asked to leave (exit code {code}): {LastLine(result.Output)}",
            };
        }
        catch (CloudException e) when (e.Fault is CloudFault.Refused or CloudFault.TimedOut) { return $"it could not be asked to leave: {e.Message}"; }
        catch (CloudException e) when (e.Fault is CloudFault.Missing) { return $"{where} is not running at the moment."; }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested) { return $"{where} is not responding."; }
    }

    private static string LastLine(string output) => ForeignText.Lines(output, 1) is [var last] ? ForeignText.Clean(last, LongestLine) : "no output";
}
