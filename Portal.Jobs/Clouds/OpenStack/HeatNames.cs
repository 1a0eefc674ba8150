using System.Globalization;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>A generation of a workspace.</summary>
internal sealed record StackKey(Guid Workspace, int Generation);

/// <summary>
/// How stacks and servers say whose they are: a stack by its name, made of ids, and its tags; a server by its name and metadata. The tags decide: a
/// stack without them is not the portal's, whatever its name.
/// </summary>
internal sealed class HeatNames(string installation)
{
    private const string Portal = "portal", Workspace = "portal_workspace", Generation = "portal_generation", Installation = "portal_installation";

    /// <summary>Keys of a server's metadata.</summary>
    public const string Node = "portal_node", Role = "portal_role", State = "portal_state";

    /// <summary>Key under which the portal keeps the fingerprint of a server's container engine, once it knows it.</summary>
    public const string Fingerprint = "portal_fingerprint";

    public string NameOf(StackKey key) => string.Create(CultureInfo.InvariantCulture, $"portal-{installation}-{key.Workspace:n}-g{key.Generation}");

    /// <summary>A server's name is also its host name, which has at most 63 characters.</summary>
    public string ServerOf(StackKey key, string node) =>
        string.Create(CultureInfo.InvariantCulture, $"portal-{installation}-{key.Workspace.ToString("n")[..12]}-g{key.Generation}-{node}");

    /// <summary>Tags of every stack of the installation; Heat lists the stacks that carry all of the given ones.</summary>
    public IReadOnlyList<string> Ours => [Portal, installation];

    public IReadOnlyList<string> TagsOf(Guid workspace) => [Portal, installation, workspace.ToString("n")];

    /// <summary>The generation that a stack of this installation is; null for any other stack.</summary>
    public StackKey? KeyOf(HeatStack stack)
    {
        var prefix = $"portal-{installation}-";
        if (Ours.Except(stack.Tags, StringComparer.Ordinal).Any() || !stack.Name.StartsWith(prefix, StringComparison.Ordinal)) return null;
        return stack.Name[prefix.Length..].Split("-g") is [var id, var number] && Guid.TryParseExact(id, "n", out var workspace)
            && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var generation) ? new(workspace, generation) : null;
    }

    public Dictionary<string, string> MetadataOf(StackKey key, string node, string role) => new(StringComparer.Ordinal)
    {
        [Installation] = installation,
        [Workspace] = key.Workspace.ToString("n"),
        [Generation] = key.Generation.ToString(CultureInfo.InvariantCulture),
        [Node] = node,
        [Role] = role,
    };

    /// <summary>The generation that a server of this installation belongs to; null for any other server.</summary>
    public StackKey? KeyOf(NovaServer server) => server.Metadata.GetValueOrDefault(Installation) == installation
        && Guid.TryParseExact(server.Metadata.GetValueOrDefault(Workspace), "n", out var workspace)
        && int.TryParse(server.Metadata.GetValueOrDefault(Generation), NumberStyles.None, CultureInfo.InvariantCulture, out var generation)
            ? new(workspace, generation) : null;
}
