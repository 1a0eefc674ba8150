namespace Portal.Core.Catalog;

/// <summary>What people decided about a template, whatever its files say.</summary>
public sealed class TemplateOffer
{
    public required string TemplateId { get; init; }

    /// <summary>Nothing new is launched from it; what runs goes on.</summary>
    public bool Deprecated { get; set; }

    /// <summary>Why, and what to take instead, for students.</summary>
    public string? Says { get; set; }
    public Guid? ChangedBy { get; set; }
    public DateTimeOffset ChangedAt { get; set; }
}

/// <summary>A class that may launch a template which only some classes may. A template of which there is no such row is for all.</summary>
public sealed class TemplateClass
{
    public required string TemplateId { get; init; }
    public Guid ClassId { get; init; }
}

/// <summary>A template's folder that could not be published, for whoever wrote it. Written by Jobs, gone when it is mended.</summary>
public sealed class TemplateFaultRow
{
    /// <summary>Path below the folder of templates.</summary>
    public required string File { get; init; }

    /// <summary>Beginning at 1; 0 where no line is to blame.</summary>
    public long Line { get; set; }

    /// <summary>Which key, such as roles[1].image; empty where none is to blame.</summary>
    public string Field { get; set; } = "";
    public required string Reason { get; set; }
    public DateTimeOffset SeenAt { get; set; }
}
