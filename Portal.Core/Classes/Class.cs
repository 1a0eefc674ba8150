using Portal.Core.Policy;
using Portal.Core.Quotas;

namespace Portal.Core.Classes;

/// <summary>A department: one quota, later one OpenStack project.</summary>
public sealed class Tenant
{
    public Guid Id { get; init; }
    public required string Slug { get; init; }
    public required string Name { get; set; }
    public required Amounts Limits { get; set; }
}

/// <summary>A course in one term inside a tenant. It pays for its workspaces and owns one share with all work folders.</summary>
public sealed class Class
{
    public Guid Id { get; init; }
    public Guid TenantId { get; init; }
    public required string Slug { get; init; }
    public required string Title { get; set; }
    public required Amounts Limits { get; set; }

    /// <summary>What each member may use at most.</summary>
    public required Amounts MemberLimits { get; set; }

    /// <summary>GiB of a new work folder.</summary>
    public int WorkFolderGib { get; set; }

    /// <summary>Minutes without any sign of work after which a workspace is stopped; null: never for that reason.</summary>
    public int? IdleMinutes { get; set; } = IdlePolicy.Usual;

    /// <summary>Longest time from now to a workspace's end, hours; an extension may again ask for as much.</summary>
    public int LongestHours { get; set; }
}
