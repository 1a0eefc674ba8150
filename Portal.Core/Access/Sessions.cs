using System.ComponentModel.DataAnnotations.Schema;

namespace Portal.Core.Access;

/// <summary>A signed-in browser. The cookie is a random key and the row holds its hash, so reading rows is not enough to sign in.</summary>
[Table("sessions")]
public sealed class Session
{
    /// <summary>SHA-256 of the cookie's key, hex.</summary>
    public required string Hash { get; init; }
    public Guid PersonId { get; init; }
    public DateTimeOffset CreatedAt { get; private set; }
    public DateTimeOffset ExpiresAt { get; set; }
}

/// <summary>Permission to open one app once, within one minute.</summary>
[Table("app_tickets")]
public sealed class AppTicket
{
    public required string Hash { get; init; }
    public Guid WorkspaceId { get; init; }
    public required string App { get; init; }
    public Guid PersonId { get; init; }

    /// <summary>The portal session that asked; null for Jobs' own kernel check.</summary>
    public string? SessionHash { get; init; }
    public DateTimeOffset ExpiresAt { get; init; }
    public DateTimeOffset? SpentAt { get; set; }
}

/// <summary>A browser that may use one app on its own host, until the portal session, the workspace or the membership ends.</summary>
[Table("app_sessions")]
public sealed class AppSession
{
    public required string Hash { get; init; }
    public Guid WorkspaceId { get; init; }

    /// <summary>Generation of the workspace when it was opened; a later one requires a new ticket.</summary>
    public int Generation { get; init; }
    public required string App { get; init; }
    public Guid PersonId { get; init; }
    public string? SessionHash { get; init; }
    public DateTimeOffset ExpiresAt { get; init; }
}
