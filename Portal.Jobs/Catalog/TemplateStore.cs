using Portal.Core.Catalog;

namespace Portal.Jobs.Catalog;

/// <summary>
/// Folders of published versions, by their hash: what a workspace was made from stays, whatever becomes of the folder that it was published
/// from. A version's folder is whole or not there.
/// </summary>
public sealed class TemplateStore(string folder)
{
    /// <summary>Keeps a copy of a template's folder, readable by all; done twice it changes nothing.</summary>
    public void Keep(string source, string hash)
    {
        var kept = Path.Combine(folder, hash);
        if (Directory.Exists(kept)) return;
        Directory.CreateDirectory(folder, AllRead);
        var half = kept + ".new";
        if (Directory.Exists(half)) Directory.Delete(half, recursive: true); // left by a crash
        Copy(new DirectoryInfo(source), half);
        Directory.Move(half, kept);
    }

    /// <summary>Where the version's example notebooks lie; null where it has none.</summary>
    public string? Examples(TemplateVersion version) => Path.Combine(folder, version.Hash, "examples") is var path && Directory.Exists(path) ? path : null;

    private const UnixFileMode AllRead = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    private static void Copy(DirectoryInfo from, string to)
    {
        Directory.CreateDirectory(to, AllRead);
        foreach (var file in from.EnumerateFiles().Where(f => f.LinkTarget is null))
        {
            file.CopyTo(Path.Combine(to, file.Name));
            File.SetUnixFileMode(Path.Combine(to, file.Name), AllRead & ~(UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute));
        }
        foreach (var below in from.EnumerateDirectories().Where(d => d.LinkTarget is null)) Copy(below, Path.Combine(to, below.Name));
    }
}
