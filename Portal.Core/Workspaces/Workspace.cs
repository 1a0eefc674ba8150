using System.ComponentModel.DataAnnotations.Schema;
using System.Net;
using Portal.Core.Clouds;
using Portal.Core.Foreign;
using Portal.Core.Runs;

namespace Portal.Core.Workspaces;

/// <summary>What a student launches. Its status is never stored: see <see cref="StatusOf"/>.</summary>
[Table("workspaces")]
public sealed class Workspace
{
    /// <summary>Created by the form, so that a double click launches only one workspace.</summary>
    public Guid Id { get; init; }

    /// <summary>Ten random characters for hosts and addresses.</summary>
    public required string Slug { get; init; }
    public Guid TenantId { get; init; }
    public Guid ClassId { get; init; }
    public Guid PersonId { get; init; }
    public Guid TemplateVersionId { get; init; }
    public Guid WorkFolderId { get; init; }

    /// <summary>A label, unique among a person's existing workspaces.</summary>
    public required string Name { get; init; }

    /// <summary>Key of a size of the template version; the amounts come from there, not from this row. Changed only by Jobs, as a run orders.</summary>
    public required string SizeId { get; init; }

    /// <summary>Number of workers, 0 if the template has none. Changed only by Jobs, as a run orders.</summary>
    public int Workers { get; init; }

    /// <summary>Values of the template's parameters that were given, by id.</summary>
    public IReadOnlyDictionary<string, string> Parameters { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);
    public DateTimeOffset CreatedAt { get; private set; }

    /// <summary>When it is stopped (never deleted). While <see cref="RunFor"/> is set, this is only
    /// the end time it would have if it were ready immediately.</summary>
    public DateTimeOffset EndAt { get; set; }

    /// <summary>
    /// How long it is to run from when it is ready; Jobs then sets <see cref="EndAt"/> and clears this. Null once the end time is known, or if a
    /// person named a time.
    /// </summary>
    public TimeSpan? RunFor { get; set; }

    /// <summary>The requested run: what a person wants next while a run is unfinished; Jobs acts on it.</summary>
    public RunKind? RequestedRun { get; set; }
    public Guid? RequestedBy { get; set; }

    /// <summary>Its owner wants it kept until then even if it is idle.</summary>
    public DateTimeOffset? KeepUntil { get; set; }

    /// <summary>Raised by Jobs at each launch or start; names and tokens carry it.</summary>
    public int Generation { get; private set; }

    /// <summary>The current generation ignores the owner's own settings in the work folder. Changed only by Jobs, as a run orders.</summary>
    public bool WithoutSettings { get; private set; }

    /// <summary>Address block of the running generation, CIDR; assigned by Jobs.</summary>
    public string? Subnet { get; private set; }

    /// <summary>When activity was last seen in it, and what kind; written by Jobs.</summary>
    public DateTimeOffset? ActiveAt { get; private set; }
    public string? ActiveBy { get; private set; }
    public DateTimeOffset? DeletedAt { get; private set; }
}

/// <summary>A node as last seen by Jobs.</summary>
[Table("nodes")]
public sealed class NodeRow
{
    public Guid WorkspaceId { get; init; }
    public required string Name { get; init; }
    public required string Role { get; set; }
    public int Generation { get; set; }

    /// <summary>Running or not; a node that no longer exists has no row.</summary>
    public bool Running { get; set; }

    /// <summary>Inside the workspace's network, of this generation only. To connect, use <see cref="EndPointOf"/>.</summary>
    public string? Address { get; set; }

    /// <summary>Each a <see cref="MappedPort"/>.</summary>
    public string[] MappedPorts { get; set; } = [];
    public int? ExitCode { get; set; }
    public long OutOfMemoryKills { get; set; }

    /// <summary>Shares of its CPU limit, 0 to 1, oldest first, one reading every few seconds.</summary>
    public double[] CpuHistory { get; set; } = [];
    public long MemoryBytes { get; set; }
    public long MemoryLimitBytes { get; set; }

    /// <summary>Share of the last interval in which its CPU limit throttled it, 0 to 1.</summary>
    public double Throttled { get; set; }
    public int Pids { get; set; }

    /// <summary>Number of restarts in this generation after it had exited on its own.</summary>
    public int Restarts { get; set; }

    /// <summary>Bytes used in its scratch folder; null before they are measured, and if the storage does not report them.</summary>
    public long? ScratchBytes { get; set; }
    public DateTimeOffset SeenAt { get; set; }

    /// <summary>Where the portal reaches one of its ports; null unless it is running.</summary>
    public IPEndPoint? EndPointOf(int port) => MappedPort.EndPointOf(port, Address, MappedPorts.Select(MappedPort.Parse));
}

/// <summary>Events, for the people who can see the workspace; kept when it fails.</summary>
[Table("log_lines")]
public sealed class LogLine
{
    public long Id { get; private set; }
    public Guid WorkspaceId { get; init; }
    public long? RunId { get; init; }
    public DateTimeOffset At { get; private set; }
    public LogLineSeverity Severity { get; init; }
    public required string Text
    {
        get;
        init => field = ForeignText.Clean(value); // part of it is often a node's output
    }
}

public enum LogLineSeverity { Info, Warn, Fail }

/// <summary>An address block that is in use, or held back for a while after it was found free.</summary>
[Table("subnets")]
public sealed class SubnetHold
{
    public long Id { get; private set; }
    public required string Block { get; init; }
    public Guid WorkspaceId { get; init; }
    public DateTimeOffset? ReleasedAt { get; private set; }
}
