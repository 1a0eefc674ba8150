using System.ComponentModel.DataAnnotations;
using Portal.Core.Workspaces;

namespace Portal.Api;

/// <summary>A workspace to launch.</summary>
/// <param name="Id">A UUID of the caller's choice: repeating a request with it launches nothing new.</param>
/// <param name="ClassId">The class whose quota is charged.</param>
/// <param name="TemplateId">What to launch, such as notebook.</param>
/// <param name="Size">One of the template's sizes, such as s.</param>
/// <param name="Name">A label, unique among the caller's workspaces.</param>
/// <param name="EndAt">When it is stopped (never deleted), however long it waits in the queue; either this or <c>hours</c> is required.</param>
public sealed record NewWorkspace(
    [property: Required] Guid? Id,
    [property: Required] Guid? ClassId,
    [property: Required, StringLength(40, MinimumLength = 1), RegularExpression(NewWorkspace.Printable, ErrorMessage = NewWorkspace.NotPrintable)]
    string? TemplateId,
    [property: Required, StringLength(20, MinimumLength = 1), RegularExpression(NewWorkspace.Printable, ErrorMessage = NewWorkspace.NotPrintable)]
    string? Size,
    [property: Required, StringLength(WorkspaceName.Longest, MinimumLength = 1)] string? Name,
    [property: EndOrHours] DateTimeOffset? EndAt = null)
{
    internal const string Printable = @"\P{Cc}*", NotPrintable = "{0} must not contain control characters.";

    /// <summary>Instead of endAt: how many hours it runs, counted from when it is ready.</summary>
    [Range(0.01, 24 * 366)]
    public double? Hours { get; init; }

    /// <summary>Number of workers; if absent, the template's default.</summary>
    public int? Workers { get; init; }

    /// <summary>Values of the template's parameters by id; absent ones take their defaults.</summary>
    public IReadOnlyDictionary<string, string>? Parameters { get; init; }
}

/// <summary>Exactly one of endAt and hours. A rule of the property, so that it is reported together with other errors.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class EndOrHoursAttribute : ValidationAttribute
{
    public override bool RequiresValidationContext => true;

    protected override ValidationResult? IsValid(object? value, ValidationContext validationContext) =>
        validationContext.ObjectInstance is NewWorkspace { Hours: var hours } && value is null == hours is null
            ? new("Give either an end time (endAt) or a duration (hours), not both.", [validationContext.MemberName!])
            : ValidationResult.Success;
}

/// <summary>A new end time.</summary>
public sealed record NewEnd([property: Required] DateTimeOffset? EndAt);

/// <summary>How many hours from now a workspace is kept running even if idle.</summary>
public sealed record KeepFor([property: Required, Range(1, KeepWorkspace.MostHours)] int? Hours);

/// <summary>Idle minutes after which workspaces of a class are stopped; absent or null: idle workspaces are not stopped.</summary>
public sealed record IdleRule([property: Range(Core.Policy.IdlePolicy.Shortest, Core.Policy.IdlePolicy.Longest)] int? Minutes);

/// <summary>The new number of workers.</summary>
public sealed record NewNumber([property: Required] int? Workers);

/// <summary>When the restarted workspace stops; if absent, it keeps its remaining time, counted from when it is ready.</summary>
/// <param name="Size">New size, kept from now on.</param>
/// <param name="Workers">New number of workers, kept from now on.</param>
/// <param name="NewestVersion">Use the currently offered version of the template.</param>
/// <param name="WithoutSettings">
/// Until the next start, ignore the owner's settings for Jupyter, IPython and the shell, and packages the owner installed; nothing is deleted.
/// </param>
public sealed record StartAgain(DateTimeOffset? EndAt, string? Size = null, int? Workers = null, bool NewestVersion = false, bool WithoutSettings = false);

/// <summary>The signed-in person and their classes.</summary>
public sealed record MeShape(Guid Id, string Name, IReadOnlyList<string> Roles, IReadOnlyList<ClassShape> Classes);

/// <param name="LongestHours">Longest time from now to the end of a workspace.</param>
public sealed record ClassShape(Guid Id, string Title, int LongestHours);

/// <param name="NotAvailable">Why it cannot be launched now; null if it can.</param>
/// <param name="Building">0 to 100 while its image is being built.</param>
public sealed record TemplateShape(string Id, string Title, string Version, IReadOnlyList<SizeShape> Sizes, IReadOnlyList<AppShape> Apps,
    string? NotAvailable, int? Building);

/// <param name="Vcpu">vCPU of each node.</param>
/// <param name="MemoryMib">Memory of each node, MiB.</param>
public sealed record SizeShape(string Id, string Title, int Vcpu, int MemoryMib);

/// <param name="Kernels">Whether it speaks Jupyter's kernel protocol.</param>
public sealed record AppShape(string Id, string Title, bool Kernels);

/// <param name="Status">Queued, Starting, Ready, Resizing, Attention, Stopping, Stopped, Failed, Deleting or Deleted.</param>
/// <param name="Place">Place in the launch queue, 1 is next; null if it is not queued.</param>
/// <param name="Message">Why it is waiting.</param>
/// <param name="Cause">Why it failed, or what is wrong since; <paramref name="Remedy"/> says what to do.</param>
public sealed record WorkspaceShape(
    Guid Id, string Slug, string Name, string Template, string Size, WorkspaceStatus Status, DateTimeOffset CreatedAt, DateTimeOffset EndAt,
    int? Place, string? Message, string? Cause, string? Remedy, IReadOnlyList<StepShape> Steps)
{
    /// <summary>Hours it will run once ready; until then, endAt is only an estimate. Null once endAt is fixed.</summary>
    public double? Hours { get; init; }

    /// <summary>What was last active in it; "?" before a name means that it did not respond.</summary>
    public string? ActiveBy { get; init; }
    public DateTimeOffset? ActiveAt { get; init; }

    /// <summary>When it stops if it stays idle; null if it is not stopped for being idle.</summary>
    public DateTimeOffset? IdleStopAt { get; init; }

    public static WorkspaceShape Of(WorkspaceView view) => new(
        view.Id, view.Slug, view.Name, view.Template.Id, view.Size.Id, view.Status, view.CreatedAt, view.EndAt,
        view.Queue?.Place, view.Run.Message, view.Run.Cause, view.Run.Remedy,
        [.. view.Run.Steps.Select(s => new StepShape(s.Key.ToString(), s.Began, s.Ended, s.Failed))])
    {
        Hours = view.RunFor?.TotalHours,
        ActiveBy = view.Idle.ActiveBy,
        ActiveAt = view.Idle.ActiveAt,
        IdleStopAt = view.Idle.StopAt,
        Workers = view.Workers,
        WithoutSettings = view.WithoutSettings,
        Scratch = [.. ScratchUse.Of(view).Select(ScratchShape.Of)],
    };

    /// <summary>The running workspace ignores the owner's own settings.</summary>
    public bool WithoutSettings { get; init; }

    /// <summary>Number of workers; 0 if the template has none.</summary>
    public int Workers { get; init; }

    /// <summary>How full the scratch folders of its nodes are; empty if they have none.</summary>
    public IReadOnlyList<ScratchShape> Scratch { get; init; } = [];
}

/// <summary>The scratch folder of one node.</summary>
/// <param name="UsedBytes">Null if it is not known: not measured yet, or not reported by the storage.</param>
/// <param name="State">Normal; NearlyFull from 90% of the limit; Full: anything that needs to write there waits or fails.</param>
/// <param name="Cause">What is wrong; <paramref name="Remedy"/> says what to do; both null while there is enough space.</param>
public sealed record ScratchShape(string Node, long? UsedBytes, long LimitBytes, ScratchState State, string? Cause, string? Remedy)
{
    internal static ScratchShape Of(ScratchView scratch) => new(
        scratch.Node, scratch.UsedBytes, scratch.LimitBytes, scratch.State, CauseOf(scratch),
        scratch.State is ScratchState.Normal ? null : scratch.Remedy ?? Anyhow);

    private const string Anyhow = "Delete what is no longer needed in /scratch on that node. Stopping the workspace does not empty it.";

    private static string? CauseOf(ScratchView scratch) => scratch.State switch
    {
        ScratchState.Normal => null,
        _ when !scratch.Enforced => $"The scratch folder of {scratch.Node} holds more than its limit; the limit is not enforced here.",
        ScratchState.NearlyFull => $"The scratch folder of {scratch.Node} is nearly full; once it is full, anything that needs to write there waits or fails.",
        _ => $"The scratch folder of {scratch.Node} is full: anything that needs to write there waits or fails until there is space.",
    };
}

/// <summary>A step of the latest run.</summary>
public sealed record StepShape(string Key, DateTimeOffset? Began, DateTimeOffset? Ended, bool Failed);

/// <summary>Accepted.</summary>
/// <param name="Place">Place in the launch queue, 1 is next; 0 if it was requested before.</param>
public sealed record LaunchedShape(Guid Id, string Slug, int Place);

/// <summary>Send it within a minute as the form field "ticket", by POST to <paramref name="Address"/> with the portal's origin in the Origin header.</summary>
public sealed record TicketShape(string Ticket, string Address, string Origin);
