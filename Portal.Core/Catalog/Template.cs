namespace Portal.Core.Catalog;

/// <summary>One immutable published state of a template. Published by Jobs alone; the web selects.</summary>
public sealed class TemplateVersion
{
    public Guid Id { get; init; }
    public required string TemplateId { get; init; }

    /// <summary>SHA-256 of the template's file; equal content is the same version.</summary>
    public required string Hash { get; init; }
    public required TemplateSpec Spec { get; init; }
    public DateTimeOffset PublishedAt { get; private set; }

    /// <summary>A newer version, or none, is offered instead; workspaces keep theirs.</summary>
    public bool Retired { get; private set; }
}

/// <summary>What a template.yaml says, after it was checked.</summary>
public sealed record TemplateSpec(
    string Id, string Title, string Promise, string Engine, string Version,
    IReadOnlyList<SizeSpec> Sizes, IReadOnlyList<RoleSpec> Roles, IReadOnlyList<AppSpec> Apps)
{
    public SizeSpec? Size(string id) => Sizes.FirstOrDefault(s => s.Id == id);
}

/// <param name="Id">s, m, l.</param>
/// <param name="Says">In plain words, what it is good for.</param>
/// <param name="Vcpu">Of each node.</param>
/// <param name="MemoryMib">Of each node, MiB.</param>
public sealed record SizeSpec(string Id, string Title, string Says, int Vcpu, int MemoryMib);

/// <param name="Image">Name of a recipe in infra/images.</param>
/// <param name="Token">Name of the environment variable that receives the app's token; null for none.</param>
public sealed record RoleSpec(string Name, string Image, IReadOnlyList<string> Command, IReadOnlyDictionary<string, string> Environment, string? Token);

/// <param name="Id">First part of the app's host name.</param>
/// <param name="Path">Where a person begins.</param>
/// <param name="Kernels">It speaks Jupyter's kernel protocol, so that a computation can prove it.</param>
public sealed record AppSpec(string Id, string Title, string Says, string Role, int Port, string Path, bool Kernels);

/// <summary>An image that templates use, as Jobs last knew it.</summary>
public sealed class ImageRow
{
    public required string Name { get; init; }
    public ImageState State { get; set; }
    public string? Tag { get; set; }

    /// <summary>sha256:… of the engine; workspaces are made from this, never from a tag.</summary>
    public string? ImageId { get; set; }

    /// <summary>0 to 100 while it is built.</summary>
    public int Percent { get; set; }

    /// <summary>What is being done, or why it failed.</summary>
    public string? Says { get; set; }
    public string? Remedy { get; set; }
    public DateTimeOffset UpdatedAt { get; set; }
}

public enum ImageState { Missing, Building, Ready, Failed }
