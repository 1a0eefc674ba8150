using Hangfire;
using Npgsql;
using Portal.Core.Clouds;
using Portal.Core.Policy;
using Portal.Core.Runs;
using Portal.Jobs.Leases;
using Portal.Jobs.Plans;
using Portal.Jobs.Steps;

namespace Portal.Jobs.Runs;

/// <summary>
/// The only job for runs. Its argument is a list of ids, so a forged job can at most request what the rows already allow. The row holds due time,
/// order and back-off; Hangfire provides the worker and, after an unexpected exception, the stack trace.
/// </summary>
[AutomaticRetry(Attempts = 0)]
public sealed class AdvanceRun(RunStore runs, HeldRuns held, Plan plan, RunFactsReader facts, DispatchSignal signal, TimeProvider clock)
{
    private static readonly TimeSpan[] BackOff = [.. new[] { 1, 2, 5, 10, 30, 60 }.Select(s => TimeSpan.FromSeconds(s))];

    /// <summary>A run that checks again within this time stays with its worker: a row for each of those checks would cost more than the checks.</summary>
    private static readonly TimeSpan InHand = TimeSpan.FromMilliseconds(250);

    [JobDisplayName("runs {0}")]
    public async Task<string> AdvanceAsync(long[] ids, CancellationToken stopping)
    {
        try
        {
            return string.Join("; ", await Task.WhenAll(ids.Select(async id => $"{id}: {await OneAsync(id, stopping)}")));
        }
        finally
        {
            if (signal.LeftUnclaimed) signal.Wake(); // there are free places, and a due run is waiting for one
        }
    }

    private async Task<string> OneAsync(long id, CancellationToken stopping)
    {
        if (await runs.TakeAsync(id, stopping) is not { } run) return "stale";
        using var mine = held.Hold(run, stopping);
        try
        {
            return await StepsAsync(mine);
        }
        catch (LeaseLostException) { return "lease lost"; }
        catch (OperationCanceledException) when (mine.Lost) { return "lease lost"; }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            await LetGoAsync(mine.Run, TimeSpan.Zero, mine.Run.Attempts, "The background worker stopped; another one will take over.");
            return "handed back";
        }
        catch (CloudException e)
        {
            return await FaultAsync(mine, e.Message, e.WhatToDo, e.MayPass);
        }
        catch (Exception e)
        {
            await FaultAsync(mine, Unexpected(e), "The operator can find the details under failed jobs.", mayPass: true);
            throw;
        }
    }

    /// <summary>A message for people: neither the database's nor the runtime's.</summary>
    private static string Unexpected(Exception e) => e switch
    {
        OutOfMemoryException => "The background worker ran out of memory in this step.",
        NpgsqlException => "The database was unavailable, or did not accept what this step wanted to save.",
        _ => "An unexpected error occurred: " + e.Message,
    };

    private async Task<string> StepsAsync(HeldRuns.Held mine)
    {
        var known = await facts.ReadAsync(mine.Run, mine.Token);
        while (true)
        {
            var run = mine.Run;
            switch (run.RequestedRun is { } requested ? RequestedRunPolicy.Decide(run.Kind, requested) : (RequestedRunDecision?)null)
            {
                case RequestedRunDecision.Record:
                    await runs.EndAsync(run, RunTrigger.Cancel, mine.Token);
                    return $"ended for {run.RequestedRun}";
                case RequestedRunDecision.TakeBack when !run.Releasing && CanBeTakenBack(run, known):
                    mine.Run = await runs.BeginTakeBackAsync(run, mine.Token);
                    continue;
                case not null:
                    await runs.DropRequestedRunAsync(run, mine.Token);
                    break;
            }
            if (run.Next is not { } key) return await EndAsync(mine);
            switch (await plan.Step(key).RunAsync(new(run, known), mine.Token))
            {
                case StepAnswer.Done:
                    mine.Run = await runs.SaveStepAsync(run, mine.Token);
                    break;
                case StepAnswer.Nothing:
                    mine.Run = await runs.PassStepAsync(run, mine.Token);
                    break;
                case StepAnswer.LookAgainIn wait when wait.Time <= InHand:
                    await Task.Delay(wait.Time, clock, mine.Token);
                    mine.Run = await runs.LookAsync(run, mine.Token) with { Attempts = 0 };
                    break;
                case StepAnswer.LookAgainIn wait:
                    await WaitAsync(run, wait.Time, 0, wait.Why, mine.Token); // a fault counts only against those right before it
                    return $"checks again in {wait.Time.TotalSeconds:0.##} s";
                case StepAnswer.Fail fail:
                    mine.Run = await runs.BeginReleaseAsync(run, fail.Cause, fail.Remedy, mine.Token);
                    known = await facts.ReadAsync(mine.Run, mine.Token); // release the generation that was begun
                    break;
            }
        }
    }

    /// <summary>Before it began, or while it adds workers and the larger number is not stored yet.</summary>
    private static bool CanBeTakenBack(HeldRun run, RunFacts known) =>
        run.DoneStep is null || (run.DoneStep is not StepKey.KeepWorkers && new StepContext(run, known).Grows);

    private async Task<string> EndAsync(HeldRuns.Held mine)
    {
        var run = mine.Run;
        await runs.EndAsync(
            run, run switch { { Releasing: false } => RunTrigger.Succeed, { TakenBack: true } => RunTrigger.Cancel, _ => RunTrigger.Fail }, mine.Token);
        return run switch { { Releasing: false } => "done", { TakenBack: true } => "taken back", _ => "failed, released" };
    }

    /// <summary>Waits and retries; a launch gives up after the last back-off, a release never does.</summary>
    private async Task<string> FaultAsync(HeldRuns.Held mine, string cause, string remedy, bool mayPass)
    {
        var run = mine.Run;
        var forward = run.Next is { } step && PlanSteps.GivesUp(run.Kind, run.Releasing, step);
        try
        {
            if (forward && (!mayPass || run.Attempts >= BackOff.Length))
            {
                var releasing = await runs.BeginReleaseAsync(run, cause, remedy, CancellationToken.None);
                await LetGoAsync(releasing, TimeSpan.Zero, 0, "Releasing what was created.");
                return "failed: " + cause;
            }
            await LetGoAsync(run, BackOff[Math.Min(run.Attempts, BackOff.Length - 1)], run.Attempts + 1, $"{cause} {remedy}");
            return "again later: " + cause;
        }
        catch (LeaseLostException) { return "lease lost"; }
    }

    /// <summary>The dispatcher sleeps until the next due time it knows of, so it must learn that this one may be earlier.</summary>
    private async Task WaitAsync(HeldRun run, TimeSpan dueIn, int attempts, string message, CancellationToken cancel)
    {
        await runs.WaitAsync(run, dueIn, attempts, message, cancel);
        signal.Wake();
    }

    private async Task LetGoAsync(HeldRun run, TimeSpan dueIn, int attempts, string message)
    {
        await WaitAsync(run, dueIn, attempts, message, CancellationToken.None);
        if (dueIn == TimeSpan.Zero) await runs.WakeDispatcherAsync(CancellationToken.None);
    }
}
