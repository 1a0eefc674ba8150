using System.ComponentModel.DataAnnotations.Schema;

namespace Portal.Core.Catalog;

/// <summary>One immutable published state of a template. Only Jobs publishes; the web process only selects.</summary>
[Table("template_versions")]
public sealed class TemplateVersion
{
    public Guid Id { get; init; }
    public required string TemplateId { get; init; }

    /// <summary>SHA-256 of the template's folder; equal content is the same version.</summary>
    public required string Hash { get; init; }
    public required TemplateSpec Spec { get; init; }

    /// <summary>Markdown for beginners; empty if the template has none.</summary>
    public string Guide { get; init; } = "";
    public DateTimeOffset PublishedAt { get; private set; }

    /// <summary>No longer offered, because a newer version replaced it or its folder is gone; workspaces made from it keep it.</summary>
    public bool Retired { get; private set; }
}

/// <summary>What a template.yaml says, after it was checked.</summary>
public sealed record TemplateSpec(
    string Id, string Title, string Promise, string Engine, string Version,
    IReadOnlyList<SizeSpec> Sizes, IReadOnlyList<RoleSpec> Roles, IReadOnlyList<AppSpec> Apps)
{
    public IReadOnlyList<ParameterSpec> Parameters { get; init; } = [];
    public IReadOnlyList<PresetSpec> Presets { get; init; } = [];

    /// <summary>Counts that a compute engine reports about its work: they are shown and charted, and can be evidence that the workspace is in use.</summary>
    public IReadOnlyList<CountSpec> Counts { get; init; } = [];

    public SizeSpec? Size(string id) => Sizes.FirstOrDefault(s => s.Id == id);
}

/// <param name="Id">s, m, l.</param>
/// <param name="Description">What it is suitable for, in plain language.</param>
/// <param name="Vcpu">vCPU of each node whose role does not set its own amounts for this size.</param>
/// <param name="MemoryMib">Memory of each such node, MiB.</param>
public sealed record SizeSpec(string Id, string Title, string Description, int Vcpu, int MemoryMib);

/// <summary>The limits of one node.</summary>
/// <param name="Vcpu">CPU limit in cores.</param>
/// <param name="MemoryMib">Memory limit, MiB.</param>
public sealed record NodeSize(int Vcpu, int MemoryMib);

/// <summary>One kind of node: a single node named after the role, a fixed number of nodes, or workers; the last two are named role0, role1 …</summary>
/// <param name="Image">Name of a recipe in infra/images.</param>
/// <param name="Token">Name of the environment variable that receives the app's token; null for none.</param>
public sealed record RoleSpec(string Name, string Image, IReadOnlyList<string> Command, IReadOnlyDictionary<string, string> Environment, string? Token)
{
    /// <summary>Nodes worker0, worker1 … as many as are asked for; null for a role with the fixed number <see cref="Count"/>.</summary>
    public WorkerRange? Workers { get; init; }

    /// <summary>Number of nodes of a role without workers: one, named after the role, or more, named keeper0, keeper1 …</summary>
    public int Count { get; init; } = 1;

    /// <summary>Exactly one node, which can be addressed by the role's name.</summary>
    public bool IsSingle => Workers is null && Count == 1;

    /// <summary>Limits by size id, where this role's nodes differ from the size.</summary>
    public IReadOnlyDictionary<string, NodeSize> Sizes { get; init; } = new Dictionary<string, NodeSize>(StringComparer.Ordinal);

    /// <summary>Hard limit of each node's own scratch folder at /scratch, GiB; kept when the workspace stops. 0 for none.</summary>
    public int ScratchGib { get; init; }

    /// <summary>Advice on how to free space in a full scratch folder of this role; null if there is none.</summary>
    public string? ScratchRemedy { get; init; }

    /// <summary>Whether the owner's work folder is mounted in it.</summary>
    public bool Files { get; init; } = true;

    /// <summary>Maximum number of processes and threads.</summary>
    public int Pids { get; init; } = 512;

    /// <summary>An additional health check; null if a running node counts as healthy.</summary>
    public HealthSpec? Health { get; init; }

    /// <summary>Where the compute engine reports how many of these nodes have registered; nothing is Ready until all have.</summary>
    public IReadOnlyList<CountSpec> Registered { get; init; } = [];

    /// <summary>How a worker is drained before it is removed; null if it is simply stopped.</summary>
    public DrainSpec? Drain { get; init; }
}

public sealed record WorkerRange(int Min, int Max, int Default);

/// <summary>A URL of a node that responds with a status below 400 when the node is healthy.</summary>
public sealed record HealthSpec(int Port, string Path);

/// <summary>A number that a compute engine reports over HTTP as JSON.</summary>
/// <param name="Id">Name in charts and metrics.</param>
/// <param name="Title">Display name, such as "Running applications".</param>
/// <param name="Role">Role of the single node that is asked.</param>
/// <param name="Value">Path of the number: names and indexes joined by dots, such as beans.0.NumLiveDataNodes. For an array, its length.</param>
/// <param name="Busy">A value above zero means that the workspace is in use.</param>
public sealed record CountSpec(string Id, string Title, string Role, int Port, string Path, string Value, bool Busy = false);

/// <summary>Asks a worker to leave so that nothing it holds is lost.</summary>
/// <param name="Role">Role of the node that runs the command: a single node, or the worker role for the leaving worker itself.</param>
/// <param name="Command">Repeated until it exits with 0; 75 means not yet. "{node}" as a separate argument stands for the worker's name.</param>
/// <param name="Minutes">After this time the worker is stopped anyway.</param>
public sealed record DrainSpec(string Role, IReadOnlyList<string> Command, int Minutes = 5);

/// <param name="Id">First part of the app's host name.</param>
/// <param name="Role">Role of its node; for the worker role, each worker has this app.</param>
/// <param name="Path">The app's start page.</param>
/// <param name="Kernels">Whether it speaks Jupyter's kernel protocol, so that running a computation can verify it.</param>
public sealed record AppSpec(string Id, string Title, string Description, string Role, int Port, string Path, bool Kernels)
{
    /// <summary>A path on its port that responds with a status below 400 when the app is healthy; required for Ready. Null for no check.</summary>
    public string? Health { get; init; }
}

public enum ParameterType { Text, Number, Choice, Switch }

/// <summary>Something a person may set. It reaches nodes only as an environment variable; no shell ever parses it.</summary>
/// <param name="Env">Name of that variable.</param>
/// <param name="Default">As text; "true" or "false" for a switch.</param>
public sealed record ParameterSpec(string Id, string Title, string Help, ParameterType Type, string Env, string Default)
{
    public decimal? Min { get; init; }
    public decimal? Max { get; init; }

    /// <summary>Whether only whole numbers are allowed: every bound that the template gives is one.</summary>
    public bool IsWhole => Type is ParameterType.Number && !Default.Contains('.', StringComparison.Ordinal) && (Min ?? 0) % 1 == 0 && (Max ?? 0) % 1 == 0;

    /// <summary>Maximum length of a text.</summary>
    public int Longest { get; init; } = 200;

    /// <summary>A regular expression that must match the whole text; null for any text without control characters.</summary>
    public string? Pattern { get; init; }
    public IReadOnlyList<OptionSpec> Options { get; init; } = [];

    /// <summary>Shown and used only while another parameter has this value.</summary>
    public WhenSpec? When { get; init; }
}

public sealed record OptionSpec(string Value, string Title);

public sealed record WhenSpec(string Parameter, string Is);

/// <summary>A preset for one purpose, chosen with one click.</summary>
public sealed record PresetSpec(string Id, string Title, string Description, string Size, int? Workers, IReadOnlyDictionary<string, string> Parameters);

/// <summary>An image that templates use, in one pool, as Jobs last saw it: a project sees only its own.</summary>
[Table("images")]
public sealed class ImageRow
{
    public required string PoolKey { get; init; }
    public required string Name { get; init; }
    public ImageState State { get; set; }
    public string? Tag { get; set; }

    /// <summary>What nodes are made from in this pool, never a tag; opaque to all but the cloud.</summary>
    public string? Reference { get; set; }

    /// <summary>0 to 100 while it is built.</summary>
    public int Percent { get; set; }

    /// <summary>What is being done, or why it failed.</summary>
    public string? Message { get; set; }
    public string? Remedy { get; set; }
    public DateTimeOffset UpdatedAt { get; set; }
}

public enum ImageState { Missing, Building, Ready, Failed }
