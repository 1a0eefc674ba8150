using System.ComponentModel.DataAnnotations.Schema;

namespace Portal.Core.Audit;

/// <summary>Who did what to what. These rows are never updated or deleted.</summary>
[Table("audit")]
public sealed class AuditEntry
{
    public long Id { get; private set; }
    public DateTimeOffset At { get; private set; }
    public Guid? TenantId { get; init; }
    public Guid? ActorId { get; init; }
    public required string Verb { get; init; }
    public Guid? WorkspaceId { get; init; }

    /// <summary>"accepted", or the reason of a refusal.</summary>
    public required string Outcome { get; init; }
}
