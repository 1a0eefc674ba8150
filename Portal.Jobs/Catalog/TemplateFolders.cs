using System.Globalization;
using System.Text;

namespace Portal.Jobs.Catalog;

/// <summary>Where templates are searched for: the shipped folder, and those that operators name in <c>Catalog:Folders</c>.</summary>
public sealed record TemplateFolders(string Shipped, IReadOnlyList<string> Operators)
{
    /// <summary>How often they are scanned.</summary>
    public TimeSpan Every { get; init; } = TimeSpan.FromSeconds(10);

    public static TemplateFolders Of(IConfiguration configuration) =>
        new(configuration["Catalog:Templates"] ?? Path.Combine(AppContext.BaseDirectory, "Catalog", "Templates"),
            configuration.GetSection("Catalog:Folders").Get<string[]>() ?? [])
        {
            Every = configuration.GetValue("Catalog:Every", TimeSpan.FromSeconds(10)),
        };

    /// <summary>
    /// Every folder that may be a template, the shipped ones first, and the faults that exclude others. Not complete: some folder could not be
    /// read, so a template missing from the result may still exist.
    /// </summary>
    internal (IReadOnlyList<TemplateFolder> Found, IReadOnlyList<TemplateFault> Faults, bool Complete) Look()
    {
        var (found, faults, complete) = (new List<TemplateFolder>(), new List<TemplateFault>(), true);
        foreach (var (root, shipped) in Operators.Select(o => (o, false)).Prepend((Shipped, true)))
        {
            try
            {
                foreach (var below in new DirectoryInfo(root)
                    .EnumerateDirectories()
                    .Where(d => !d.Name.StartsWith('.'))
                    .OrderBy(d => d.Name, StringComparer.Ordinal))
                {
                    var folder = new TemplateFolder(below.FullName, below.Name,
                        shipped ? $"{below.Name}/{TemplateFolder.File}" : Path.Combine(root, below.Name, TemplateFolder.File), shipped);
                    var taken = found.Find(f => f.Id == folder.Id);
                    if (below.LinkTarget is not null) faults.Add(new(folder.FaultFile, 0, "", "the folder is a symbolic link; put the folder itself here"));
                    else if (taken is not null)
                        faults.Add(new(folder.FaultFile, 0, "id",
                            taken.Shipped
                                ? $"{folder.Id} is the name of a built-in template; choose another"
                                : $"{folder.Id} already exists in {taken.FaultFile}"));
                    else found.Add(folder);
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                complete = false;
                faults.Add(new(root, 0, "", $"the folder cannot be read: {e.Message}"));
            }
        }
        return (found, faults, complete);
    }
}

/// <summary>A folder that may be a template.</summary>
/// <param name="Id">Name of the folder, and so of the template.</param>
/// <param name="FaultFile">Path of its template.yaml as shown to the person who must fix it.</param>
internal sealed record TemplateFolder(string Path, string Id, string FaultFile, bool Shipped)
{
    public const string File = "template.yaml";

    /// <summary>Names, lengths and times of all files in it: if two in a row are equal, nothing is being written.</summary>
    public string Stamp()
    {
        var stamp = new StringBuilder();
        foreach (var file in TemplateStore.Files(new(Path)).OrderBy(f => f.FullName, StringComparer.Ordinal))
            stamp.Append(CultureInfo.InvariantCulture, $"{file.FullName}\n{file.Length}\n{file.LastWriteTimeUtc.Ticks}\n");
        return stamp.ToString();
    }
}
