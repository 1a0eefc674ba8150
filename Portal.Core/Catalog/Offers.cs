using System.ComponentModel.DataAnnotations.Schema;

namespace Portal.Core.Catalog;

/// <summary>What people decided about a template, whatever its files say.</summary>
[Table("template_offers")]
public sealed class TemplateOffer
{
    public required string TemplateId { get; init; }

    /// <summary>No new launches; what is running continues.</summary>
    public bool Deprecated { get; set; }

    /// <summary>Why, and what to use instead, for students.</summary>
    public string? Reason { get; set; }
    public Guid? ChangedBy { get; set; }
    public DateTimeOffset ChangedAt { get; set; }
}

/// <summary>A class that may launch a restricted template. A template without such rows is open to all classes.</summary>
[Table("template_classes")]
public sealed class TemplateClass
{
    public required string TemplateId { get; init; }
    public Guid ClassId { get; init; }
}

/// <summary>A template folder that could not be published, for its author. Written by Jobs, deleted once it is fixed.</summary>
[Table("template_faults")]
public sealed class TemplateFaultRow
{
    /// <summary>Path relative to the folder of templates.</summary>
    public required string File { get; init; }

    /// <summary>Starting at 1; 0 if the error is not on a particular line.</summary>
    public long Line { get; set; }

    /// <summary>The key, such as roles[1].image; empty if the error is not in a key.</summary>
    public string Field { get; set; } = "";
    public required string Reason { get; set; }
    public DateTimeOffset SeenAt { get; set; }
}
