using System.ComponentModel.DataAnnotations.Schema;

namespace Portal.Core.Runs;

/// <summary>What a run changes.</summary>
public enum RunKind
{
    Launch, Start, Stop, Delete,
    /// <summary>Another number of workers, while it is running.</summary>
    Resize,
}

public static class RunKinds
{
    /// <summary>The kinds that wait in the launch queue for capacity; a Resize only when it grows.</summary>
    public static readonly RunKind[] Queued = [RunKind.Launch, RunKind.Start, RunKind.Resize];
}

/// <summary>Where a run is. Only Jobs writes it; the web's order starts as <see cref="Queued"/> by the column's default.</summary>
public enum RunPhase
{
    /// <summary>Ordered, but not admitted yet.</summary>
    Queued,
    /// <summary>Admitted; due at a time.</summary>
    Waiting,
    /// <summary>Claimed by a dispatcher and on its way to a worker.</summary>
    Handed,
    /// <summary>A worker holds it.</summary>
    Active,
    Succeeded,
    Failed,
    Cancelled,
}

/// <summary>One numbered attempt to change a workspace.</summary>
[Table("runs")]
public sealed class Run
{
    public long Id { get; private set; }
    public Guid WorkspaceId { get; init; }
    public int Number { get; init; }
    public RunKind Kind { get; init; }
    public Guid? OrderedBy { get; init; }

    /// <summary>What is ordered to differ from the workspace's current state; null for no change. Never changed after the order.</summary>
    public string? SizeId { get; init; }
    public int? Workers { get; init; }
    public Guid? TemplateVersionId { get; init; }

    /// <summary>For a Start: ignore the owner's own settings in the work folder.</summary>
    public bool WithoutSettings { get; init; }
    public RunPhase Phase { get; private set; }

    /// <summary>The last finished step of its plan, by name, so that a version with other steps goes on at the right place; null before the first.</summary>
    public StepKey? DoneStep { get; private set; }

    /// <summary>Set when the forward steps failed: the release steps follow, then the run ends as failed.</summary>
    public bool Releasing { get; private set; }

    /// <summary>Fencing: every claim increments it, every write names it.</summary>
    public long Version { get; private set; }
    public DateTimeOffset DueAt { get; private set; }
    public DateTimeOffset? LeaseUntil { get; private set; }
    public string? Owner { get; private set; }

    /// <summary>Attempts at the current step that ended in a temporary fault.</summary>
    public int Attempts { get; private set; }

    /// <summary>Why it is waiting, as text for people.</summary>
    public string? Message { get; private set; }

    /// <summary>Why it failed; of one that succeeded, what its workspace has lost since. And the remedy.</summary>
    public string? Cause { get; private set; }
    public string? Remedy { get; private set; }
    public StepKey? FailedStep { get; private set; }

    /// <summary>It brought its workspace up, which has lost something since: <see cref="Cause"/> says what.</summary>
    public bool HasLost => Phase is RunPhase.Succeeded && Cause is not null;

    public DateTimeOffset CreatedAt { get; private set; }
    public DateTimeOffset? AdmittedAt { get; private set; }
    public DateTimeOffset? EndedAt { get; private set; }
}

/// <summary>When a step of a run began and ended.</summary>
[Table("run_steps")]
public sealed class RunStep
{
    public long RunId { get; init; }
    public StepKey Key { get; init; }
    public DateTimeOffset BeganAt { get; init; }
    public DateTimeOffset? EndedAt { get; init; }
}
