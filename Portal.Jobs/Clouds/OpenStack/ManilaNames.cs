using System.Globalization;
using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>
/// How shares and rules say whose they are. The share of a work folder has a name made of ids, and metadata; a rule has, for each workspace that needs
/// it, metadata with its generation. The share also names the workspaces that ever had a rule there, so that one call finds the shares of a workspace:
/// Manila lists rules share by share only.
/// </summary>
internal sealed class ManilaNames(string installation)
{
    /// <summary>The folder in a share that belongs to the person; the share's own root belongs to everybody.</summary>
    public const string Folder = "work";

    /// <summary>Set on a share once it was seen available, or before it gets a rule: it may hold files from then on.</summary>
    public const string Ready = "portal_ready";

    private const string Installation = "portal_installation", Class = "portal_class", Person = "portal_person", Workspace = "portal_workspace_",
        Shrink = "portal_shrink";

    public string NameOf(FolderRef.Work folder) => $"portal-{installation}-{folder.Class:n}-{folder.Person:n}";

    public Dictionary<string, string> Ours => new(StringComparer.Ordinal) { [Installation] = installation };

    public Dictionary<string, string> Of(FolderRef.Work folder) =>
        new(Ours, StringComparer.Ordinal) { [Class] = folder.Class.ToString("n"), [Person] = folder.Person.ToString("n") };

    /// <summary>Of the shares on which a workspace has, or had, a rule.</summary>
    public Dictionary<string, string> Of(Guid workspace) => new(Ours, StringComparer.Ordinal) { [KeyOf(workspace)] = "1" };

    public bool IsOurs(ManilaShare share) => share.Metadata.GetValueOrDefault(Installation) == installation;

    /// <summary>The work folder that a share of this installation is; null for any other share.</summary>
    public FolderRef.Work? FolderOf(ManilaShare share) => IsOurs(share)
        && Guid.TryParseExact(share.Metadata.GetValueOrDefault(Class), "n", out var classId)
        && Guid.TryParseExact(share.Metadata.GetValueOrDefault(Person), "n", out var person) ? new(classId, person) : null;

    /// <summary>The size that a share was last asked to shrink to, and when.</summary>
    public static Dictionary<string, string> Shrinks(int gib, DateTimeOffset at) =>
        new(StringComparer.Ordinal) { [Shrink] = string.Create(CultureInfo.InvariantCulture, $"{gib} {at.ToUnixTimeSeconds()}") };

    /// <summary>Whether it was asked to shrink to this size since then.</summary>
    public static bool HasShrunk(ManilaShare share, int gib, DateTimeOffset since) =>
        share.Metadata.GetValueOrDefault(Shrink)?.Split(' ') is [var size, var at]
        && int.TryParse(size, NumberStyles.None, CultureInfo.InvariantCulture, out var asked) && asked == gib
        && long.TryParse(at, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) && seconds >= since.ToUnixTimeSeconds();

    public static Dictionary<string, string> IsReady => new(StringComparer.Ordinal) { [Ready] = "1" };

    public static string KeyOf(Guid workspace) => $"{Workspace}{workspace:n}";

    public static Dictionary<string, string> Of(Guid workspace, int generation) =>
        new(StringComparer.Ordinal) { [KeyOf(workspace)] = generation.ToString(CultureInfo.InvariantCulture) };

    /// <summary>The workspaces that need a rule, and their generations; none for a rule that is not the portal's.</summary>
    public static IEnumerable<(Guid Workspace, int Generation)> NeedsOf(ManilaRule rule) =>
        from entry in rule.Metadata
        where entry.Key.StartsWith(Workspace, StringComparison.Ordinal)
        let id = Guid.TryParseExact(entry.Key[Workspace.Length..], "n", out var workspace) ? workspace : Guid.Empty
        where id != Guid.Empty && int.TryParse(entry.Value, NumberStyles.None, CultureInfo.InvariantCulture, out _)
        select (id, int.Parse(entry.Value, NumberStyles.None, CultureInfo.InvariantCulture));
}
