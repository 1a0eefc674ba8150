using System.ComponentModel.DataAnnotations;
using Portal.Core.Workspaces;

namespace Portal.Api;

/// <summary>A workspace to launch.</summary>
/// <param name="Id">A UUID of the caller's choice: a repeated request with the same one launches nothing twice.</param>
/// <param name="ClassId">The class whose quota is used.</param>
/// <param name="TemplateId">What to launch, such as notebook.</param>
/// <param name="Size">One of the template's sizes, such as s.</param>
/// <param name="Name">A label, unique among the caller's workspaces.</param>
/// <param name="EndAt">When it is stopped (never deleted), however long it waits before it is ready; this or <c>hours</c> is required.</param>
public sealed record NewWorkspace(
    [property: Required] Guid? Id,
    [property: Required] Guid? ClassId,
    [property: Required, StringLength(40, MinimumLength = 1)] string? TemplateId,
    [property: Required, StringLength(20, MinimumLength = 1)] string? Size,
    [property: Required, StringLength(WorkspaceName.Longest, MinimumLength = 1)] string? Name,
    [property: EndOrHours] DateTimeOffset? EndAt = null)
{
    /// <summary>Instead of endAt: how long it runs from when it is ready.</summary>
    [Range(0.01, 24 * 366)]
    public double? Hours { get; init; }

    /// <summary>Number of workers; the template's default if absent.</summary>
    public int? Workers { get; init; }

    /// <summary>Values of the template's parameters by id; absent ones have their defaults.</summary>
    public IReadOnlyDictionary<string, string>? Parameters { get; init; }
}

/// <summary>Exactly one of endAt and hours. A rule of the property, so that it is reported together with other errors.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class EndOrHoursAttribute : ValidationAttribute
{
    public override bool RequiresValidationContext => true;

    protected override ValidationResult? IsValid(object? value, ValidationContext validationContext) =>
        validationContext.ObjectInstance is NewWorkspace { Hours: var hours } && value is null == hours is null
            ? new("Say either when it is to stop (endAt) or how long it is to run (hours).", [validationContext.MemberName!])
            : ValidationResult.Success;
}

/// <summary>A new end time.</summary>
public sealed record NewEnd([property: Required] DateTimeOffset? EndAt);

/// <summary>How long to keep a workspace running although it is idle, hours from now.</summary>
public sealed record KeepFor([property: Required, Range(1, KeepWorkspace.MostHours)] int? Hours);

/// <summary>Idle minutes after which workspaces of a class are stopped; absent or null: never.</summary>
public sealed record IdleRule([property: Range(Core.Policy.IdlePolicy.Shortest, Core.Policy.IdlePolicy.Longest)] int? Minutes);

/// <summary>Another number of workers.</summary>
public sealed record NewNumber([property: Required] int? Workers);

/// <summary>When a restarted workspace is to stop; if absent, what was left of its time applies, from when it is ready.</summary>
/// <param name="Size">Another size from now on.</param>
/// <param name="Workers">Another number of workers from now on.</param>
/// <param name="NewestVersion">Switch to the template version that is offered now.</param>
/// <param name="WithoutSettings">
/// Until the next start, ignore the owner's settings for Jupyter, IPython and the shell and the owner's own packages; nothing is deleted.
/// </param>
public sealed record StartAgain(DateTimeOffset? EndAt, string? Size = null, int? Workers = null, bool NewestVersion = false, bool WithoutSettings = false);

/// <summary>Who is asking, and in which classes.</summary>
public sealed record MeShape(Guid Id, string Name, IReadOnlyList<string> Roles, IReadOnlyList<ClassShape> Classes);

/// <param name="LongestHours">Maximum hours from now to a workspace's end time.</param>
public sealed record ClassShape(Guid Id, string Title, int LongestHours);

/// <param name="NotAvailable">Why it cannot be launched now; null if it can.</param>
/// <param name="Building">0 to 100 while an image of it is being built.</param>
public sealed record TemplateShape(string Id, string Title, string Version, IReadOnlyList<SizeShape> Sizes, IReadOnlyList<AppShape> Apps, string? NotAvailable, int? Building);

/// <param name="Vcpu">Of each node.</param>
/// <param name="MemoryMib">Of each node, MiB.</param>
public sealed record SizeShape(string Id, string Title, int Vcpu, int MemoryMib);

/// <param name="Kernels">It speaks Jupyter's kernel protocol.</param>
public sealed record AppShape(string Id, string Title, bool Kernels);

/// <param name="Status">Queued, Starting, Ready, Resizing, Attention, Stopping, Stopped, Failed, Deleting or Deleted.</param>
/// <param name="Place">In the launch queue, 1 is next; null if it does not wait there.</param>
/// <param name="Said">Why it waits.</param>
/// <param name="Cause">Why it failed, and <paramref name="Remedy"/>: what to do.</param>
public sealed record WorkspaceShape(
    Guid Id, string Slug, string Name, string Template, string Size, WorkspaceStatus Status, DateTimeOffset CreatedAt, DateTimeOffset EndAt,
    int? Place, string? Said, string? Cause, string? Remedy, IReadOnlyList<StepShape> Steps)
{
    /// <summary>Hours that it will run from when it is ready; until then endAt is only what it would be if it were ready now. Null afterwards.</summary>
    public double? Hours { get; init; }

    /// <summary>What was last active in it, and when; "?" before a name means that it gave no answer.</summary>
    public string? ActiveBy { get; init; }
    public DateTimeOffset? ActiveAt { get; init; }

    /// <summary>When it stops without further activity; null: not for being idle.</summary>
    public DateTimeOffset? IdleStopAt { get; init; }

    public static WorkspaceShape Of(WorkspaceView view) => new(
        view.Id, view.Slug, view.Name, view.Template.Id, view.Size.Id, view.Status, view.CreatedAt, view.EndAt,
        view.Queue?.Place, view.Run.Said, view.Run.Cause, view.Run.Remedy, [.. view.Run.Steps.Select(s => new StepShape(s.Key.ToString(), s.Began, s.Ended, s.Failed))])
    {
        Hours = view.RunFor?.TotalHours,
        ActiveBy = view.Idle.ActiveBy,
        ActiveAt = view.Idle.ActiveAt,
        IdleStopAt = view.Idle.StopAt,
        Workers = view.Workers,
        WithoutSettings = view.WithoutSettings,
        Scratch = [.. ScratchUse.Of(view).Select(ScratchShape.Of)],
    };

    /// <summary>The running generation ignores the owner's own settings.</summary>
    public bool WithoutSettings { get; init; }

    /// <summary>Number of workers; 0 if the template has none.</summary>
    public int Workers { get; init; }

    /// <summary>How full the scratch folders of its nodes are; empty if they have none.</summary>
    public IReadOnlyList<ScratchShape> Scratch { get; init; } = [];
}

/// <summary>The scratch folder of one node.</summary>
/// <param name="State">Roomy; NearlyFull from 90 % of the limit; Full: programs that need to write there hang or fail.</param>
/// <param name="Cause">What is wrong, and <paramref name="Remedy"/>: what to do; both null while it is roomy.</param>
public sealed record ScratchShape(string Node, long UsedBytes, long LimitBytes, ScratchState State, string? Cause, string? Remedy)
{
    internal static ScratchShape Of(ScratchView scratch) => new(
        scratch.Node, scratch.UsedBytes, scratch.LimitBytes, scratch.State, CauseOf(scratch), scratch.State is ScratchState.Roomy ? null : scratch.Remedy ?? Anyhow);

    private const string Anyhow = "Delete what is no longer needed in /scratch of that node. Stopping does not empty it.";

    private static string? CauseOf(ScratchView scratch) => scratch.State switch
    {
        ScratchState.Roomy => null,
        _ when !scratch.Enforced => $"More lies in the scratch folder of {scratch.Node} than it was given; nothing stops a writer here.",
        ScratchState.NearlyFull => $"The scratch folder of {scratch.Node} is nearly full; once it is full, what needs to write there waits or fails.",
        _ => $"The scratch folder of {scratch.Node} is full: what needs to write there waits or fails until there is room.",
    };
}

/// <summary>A step of the newest run.</summary>
public sealed record StepShape(string Key, DateTimeOffset? Began, DateTimeOffset? Ended, bool Failed);

/// <summary>Accepted.</summary>
/// <param name="Place">In the launch queue, 1 is next; 0 if it was ordered before.</param>
public sealed record LaunchedShape(Guid Id, string Slug, int Place);

/// <summary>To be sent within a minute as form field "ticket" by POST to <paramref name="Address"/>, with the portal's origin in the Origin header.</summary>
public sealed record TicketShape(string Ticket, string Address, string Origin);
