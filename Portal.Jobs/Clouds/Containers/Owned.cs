using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.Containers;

/// <summary>
/// Names and labels of everything that belongs to one installation, on a container engine that others use too. Nothing without the label is ever touched.
/// </summary>
public sealed class Owned
{
    public const string Installation = "portal.installation", Workspace = "portal.workspace", Generation = "portal.generation",
        Role = "portal.role", Node = "portal.node", State = "portal.state", Vcpus = "portal.vcpus";

    /// <param name="installation">Ten characters of a-z and 0-9, the first a letter.</param>
    public Owned(string installation)
    {
        if (installation.Length != 10
            || !char.IsAsciiLetterLower(installation[0])
            || !installation.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c)))
        {
            throw new ArgumentException("Installation:Id must be ten characters of a-z and 0-9, the first a letter.", nameof(installation));
        }

        Id = installation;
    }

    public string Id { get; }

    /// <summary>Prefix of the names of all workspace bridges; the firewall rules match it.</summary>
    public string BridgePrefix => $"p{Id[..5]}";

    /// <summary>The bridge on which images are built.</summary>
    public string BuildBridge => $"b{Id[..5]}";

    public string BuildNetwork => $"portal-{Id}-build";

    public string Network(Guid workspace, int generation) => string.Create(CultureInfo.InvariantCulture, $"portal-{Id}-{workspace:n}-{generation}");

    public string Container(Guid workspace, int generation, string node) => $"{Network(workspace, generation)}-{node}";

    /// <summary>Fourteen characters, one less than the kernel's limit.</summary>
    public string Bridge(string network) => BridgePrefix + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(network)))[..8];

    public IDictionary<string, string> Labels(Guid workspace, int generation) => new Dictionary<string, string>(StringComparer.Ordinal)
    {
        [Installation] = Id,
        [Workspace] = workspace.ToString("n"),
        [Generation] = generation.ToString(CultureInfo.InvariantCulture),
    };

    /// <summary>Of the container of a node.</summary>
    /// <param name="state">Hash of its wanted state.</param>
    public IDictionary<string, string> Labels(ClusterPlan plan, NodePlan node, string state) =>
        new Dictionary<string, string>(Labels(plan.Workspace, plan.Generation), StringComparer.Ordinal)
        {
            [Vcpus] = node.Vcpus.ToString(CultureInfo.InvariantCulture),
            [Role] = node.Role,
            [Node] = node.Name,
            [State] = state,
        };

    /// <summary>What belongs to no workspace: probes, the network of image builds.</summary>
    public IDictionary<string, string> Labels(string role) => new Dictionary<string, string>(StringComparer.Ordinal) { [Installation] = Id, [Role] = role };

    /// <summary>A filter for the API: this installation and this workspace, or any workspace.</summary>
    public IDictionary<string, IDictionary<string, bool>> Mine(Guid? workspace) => Filter(workspace is { } one ? $"{Workspace}={one:n}" : Workspace);

    /// <summary>A filter for the API: this installation and this role.</summary>
    public IDictionary<string, IDictionary<string, bool>> Mine(string role) => Filter($"{Role}={role}");

    /// <summary>The workspace that labels name; empty if they name none.</summary>
    public static Guid WorkspaceOf(IDictionary<string, string>? labels) =>
        labels is not null && labels.TryGetValue(Workspace, out var text) && Guid.TryParseExact(text, "n", out var id) ? id : Guid.Empty;

    /// <summary>The generation that labels name; 0 if they name none.</summary>
    public static int GenerationOf(IDictionary<string, string> labels) =>
        labels.TryGetValue(Generation, out var text) && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var generation)
            ? generation
            : 0;

    /// <summary>The node that labels name; empty if they name none.</summary>
    public static string NodeOf(IDictionary<string, string> labels) => labels.TryGetValue(Node, out var node) ? node : "";

    private Dictionary<string, IDictionary<string, bool>> Filter(string label) => new(StringComparer.Ordinal)
    {
        ["label"] = new Dictionary<string, bool>(StringComparer.Ordinal) { [$"{Installation}={Id}"] = true, [label] = true },
    };
}
