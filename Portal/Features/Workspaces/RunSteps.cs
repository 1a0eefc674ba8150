using Microsoft.Extensions.Localization;
using Portal.Controls;
using Portal.Core.Runs;
using Portal.Core.Workspaces;

namespace Portal.Features.Workspaces;

/// <summary>The steps of a run as a list shows them.</summary>
public static class RunSteps
{
    public static IReadOnlyList<StepRow> Of(RunView run, IStringLocalizer<WorkspaceTexts> text) =>
        [.. run.Steps.Select(s => new StepRow(text[$"Step.{s.Key}"], StateOf(s, run), s.Began, s.Ended, s.Usual, NoteOf(s, run)))];

    private static StepState StateOf(StepView step, RunView run) => step switch
    {
        { Failed: true } => StepState.Failed,
        { Ended: not null } => StepState.Done,
        { Began: not null } when !run.Phase.IsFinished() => StepState.Now,
        _ => StepState.Next,
    };

    private static string? NoteOf(StepView step, RunView run) => StateOf(step, run) switch
    {
        StepState.Failed => run.Cause,
        StepState.Now => run.Message,
        _ => null,
    };
}
