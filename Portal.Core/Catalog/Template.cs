namespace Portal.Core.Catalog;

/// <summary>One immutable published state of a template. Published by Jobs alone; the web selects.</summary>
public sealed class TemplateVersion
{
    public Guid Id { get; init; }
    public required string TemplateId { get; init; }

    /// <summary>SHA-256 of the template's folder; equal content is the same version.</summary>
    public required string Hash { get; init; }
    public required TemplateSpec Spec { get; init; }

    /// <summary>Markdown for whoever begins with it; empty where the template has none.</summary>
    public string Guide { get; init; } = "";
    public DateTimeOffset PublishedAt { get; private set; }

    /// <summary>A newer version, or none, is offered instead; workspaces keep theirs.</summary>
    public bool Retired { get; private set; }
}

/// <summary>What a template.yaml says, after it was checked.</summary>
public sealed record TemplateSpec(
    string Id, string Title, string Promise, string Engine, string Version,
    IReadOnlyList<SizeSpec> Sizes, IReadOnlyList<RoleSpec> Roles, IReadOnlyList<AppSpec> Apps)
{
    public IReadOnlyList<ParameterSpec> Parameters { get; init; } = [];
    public IReadOnlyList<PresetSpec> Presets { get; init; } = [];

    /// <summary>What an engine counts of its work: shown, charted, and evidence that somebody still needs it.</summary>
    public IReadOnlyList<CountSpec> Counts { get; init; } = [];

    public SizeSpec? Size(string id) => Sizes.FirstOrDefault(s => s.Id == id);
}

/// <param name="Id">s, m, l.</param>
/// <param name="Says">In plain words, what it is good for.</param>
/// <param name="Vcpu">Of each node whose role has no amounts of its own for this size.</param>
/// <param name="MemoryMib">Likewise, MiB.</param>
public sealed record SizeSpec(string Id, string Title, string Says, int Vcpu, int MemoryMib);

/// <summary>What one node may use at most.</summary>
/// <param name="Vcpu">CPU limit in cores.</param>
/// <param name="MemoryMib">Memory limit, MiB.</param>
public sealed record NodeSize(int Vcpu, int MemoryMib);

/// <summary>One kind of node: a single one that carries the role's name, a fixed number, or workers; these two are counted from it.</summary>
/// <param name="Image">Name of a recipe in infra/images.</param>
/// <param name="Token">Name of the environment variable that receives the app's token; null for none.</param>
public sealed record RoleSpec(string Name, string Image, IReadOnlyList<string> Command, IReadOnlyDictionary<string, string> Environment, string? Token)
{
    /// <summary>Nodes worker0, worker1 … as many as are asked for; null: as many as <see cref="Count"/> says.</summary>
    public WorkerRange? Workers { get; init; }

    /// <summary>How many nodes a role without workers has: one, named as the role, or more, as keeper0, keeper1 …</summary>
    public int Count { get; init; } = 1;

    /// <summary>Exactly one node, which can be asked by the role's name.</summary>
    public bool IsSingle => Workers is null && Count == 1;

    /// <summary>By id of a size, where this role's nodes differ from what the size says.</summary>
    public IReadOnlyDictionary<string, NodeSize> Sizes { get; init; } = new Dictionary<string, NodeSize>(StringComparer.Ordinal);

    /// <summary>Hard limit of each node's own scratch folder at /scratch, GiB; it is kept over a stop. 0: it has none.</summary>
    public int ScratchGib { get; init; }

    /// <summary>For people, what frees a full scratch folder of this role; null where nothing special does.</summary>
    public string? ScratchRemedy { get; init; }

    /// <summary>The owner's work folder is mounted in it.</summary>
    public bool Files { get; init; } = true;

    /// <summary>Most processes and threads at once.</summary>
    public int Pids { get; init; } = 512;

    /// <summary>What must answer before the node counts as well; null: that it runs is enough.</summary>
    public HealthSpec? Health { get; init; }

    /// <summary>Where the engine says how many of these nodes have registered; all must agree before anything is Ready.</summary>
    public IReadOnlyList<CountSpec> Registered { get; init; } = [];

    /// <summary>How a worker leaves in order; null: it is just stopped.</summary>
    public DrainSpec? Drain { get; init; }
}

public sealed record WorkerRange(int Min, int Max, int Default);

/// <summary>An address of a node that answers below 400 when it is well.</summary>
public sealed record HealthSpec(int Port, string Path);

/// <summary>A number that an engine tells over HTTP as JSON.</summary>
/// <param name="Id">Name in charts and metrics.</param>
/// <param name="Title">For people, such as "Running applications".</param>
/// <param name="Role">Whose node is asked; a single one.</param>
/// <param name="Value">Where the number is: names and indexes joined by dots, such as beans.0.NumLiveDataNodes. An array counts as its length.</param>
/// <param name="Busy">More than none means that somebody needs the workspace.</param>
public sealed record CountSpec(string Id, string Title, string Role, int Port, string Path, string Value, bool Busy = false);

/// <summary>Asks a worker to leave, so that nothing it holds is lost.</summary>
/// <param name="Role">Whose node runs the command: a single one, or the worker's own role for the worker that leaves.</param>
/// <param name="Command">Run again and again until it exits with 0; 75 means not yet. "{node}" as an argument of its own is the worker's name.</param>
/// <param name="Minutes">After so long it is stopped all the same.</param>
public sealed record DrainSpec(string Role, IReadOnlyList<string> Command, int Minutes = 5);

/// <param name="Id">First part of the app's host name.</param>
/// <param name="Role">Its node; where the role has workers, each of them has this app.</param>
/// <param name="Path">Where a person begins.</param>
/// <param name="Kernels">It speaks Jupyter's kernel protocol, so that a computation can prove it.</param>
public sealed record AppSpec(string Id, string Title, string Says, string Role, int Port, string Path, bool Kernels)
{
    /// <summary>A path of its port that answers below 400 when the app is well; nothing is Ready before. Null: nobody asks.</summary>
    public string? Health { get; init; }
}

public enum ParameterType { Text, Number, Choice, Switch }

/// <summary>Something a person may set. Reaches nodes as an environment variable and nothing else: no shell ever reads it.</summary>
/// <param name="Env">Name of that variable.</param>
/// <param name="Default">As text; "true" or "false" for a switch.</param>
public sealed record ParameterSpec(string Id, string Title, string Help, ParameterType Type, string Env, string Default)
{
    public decimal? Min { get; init; }
    public decimal? Max { get; init; }

    /// <summary>A number without a fraction: nothing that the template says of it has one.</summary>
    public bool IsWhole => Type is ParameterType.Number && !Default.Contains('.', StringComparison.Ordinal) && (Min ?? 0) % 1 == 0 && (Max ?? 0) % 1 == 0;

    /// <summary>Longest text.</summary>
    public int Longest { get; init; } = 200;

    /// <summary>A regular expression that the whole text must match; null for any text without control characters.</summary>
    public string? Pattern { get; init; }
    public IReadOnlyList<OptionSpec> Options { get; init; } = [];

    /// <summary>Shown and used only while another parameter has this value.</summary>
    public WhenSpec? When { get; init; }
}

public sealed record OptionSpec(string Value, string Title);

public sealed record WhenSpec(string Parameter, string Is);

/// <summary>A choice that suits a purpose, one click for all of it.</summary>
public sealed record PresetSpec(string Id, string Title, string Says, string Size, int? Workers, IReadOnlyDictionary<string, string> Parameters);

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
