using Portal.Core.Workspaces;

namespace Portal.Controls;

public enum StepState { Next, Now, Done, Failed }

/// <summary>A step as a list shows it.</summary>
/// <param name="Name">Name shown on the page.</param>
/// <param name="Usual">How long it usually takes here; null if never measured.</param>
/// <param name="Note">Why it waits or failed, in one line.</param>
public sealed record StepRow(string Name, StepState State, DateTimeOffset? Began, DateTimeOffset? Ended, TimeSpan? Usual, string? Note = null);

/// <summary>A line of a log as a list shows it.</summary>
public sealed record LogRow(long Number, DateTimeOffset At, LogLineSeverity Severity, string Text);
