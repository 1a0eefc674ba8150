using System.ComponentModel.DataAnnotations.Schema;
using Portal.Core.Policy;
using Portal.Core.Quotas;

namespace Portal.Core.Classes;

/// <summary>A department: one quota, and later one OpenStack project.</summary>
[Table("tenants")]
public sealed class Tenant
{
    public Guid Id { get; init; }
    public required string Slug { get; init; }
    public required string Name { get; set; }

    /// <summary>The pool of a cloud in which its workspaces run.</summary>
    public required string PoolKey { get; init; }
    public required Amounts Limits { get; set; }
}

/// <summary>A course in one term inside a tenant. Its workspaces are charged to its quota, and its share holds all work folders.</summary>
[Table("classes")]
public sealed class Class
{
    public Guid Id { get; init; }
    public Guid TenantId { get; init; }
    public required string Slug { get; init; }
    public required string Title { get; set; }
    public required Amounts Limits { get; set; }

    /// <summary>The most that each member may use.</summary>
    public required Amounts MemberLimits { get; set; }

    /// <summary>Size of a new work folder, GiB.</summary>
    public int WorkFolderGib { get; set; }

    /// <summary>Minutes without activity after which a workspace is stopped; null for never.</summary>
    public int? IdleMinutes { get; set; } = IdlePolicy.Usual;

    /// <summary>Maximum hours from now to a workspace's end time; an extension may request up to the same number of hours again.</summary>
    public int LongestHours { get; set; }
}
