using Portal.Core.Catalog;
using Portal.Core.Workspaces;

namespace Portal.Features.Launch;

/// <summary>What the form says at this moment. All of it is in the page's address, so that a reload, a way back or a lost circuit loses nothing.</summary>
/// <param name="Id">Of the workspace to be; made when the form was opened, so that it launches once however often it is sent.</param>
/// <param name="Hours">From the launch to the end.</param>
/// <param name="Workers">0 where the template has none.</param>
public sealed record LaunchDraft(Guid Id, Guid ClassId, string SizeId, int Workers, string Name, int Hours)
{
    /// <summary>Values of parameters that differ from their defaults.</summary>
    public IReadOnlyDictionary<string, string> Parameters { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    private static readonly int[] Ends = [1, 2, 4, 8, 12, 24, 48, 96, 168];

    /// <summary>Lengths that a class allows, its longest among them; hours.</summary>
    public static IReadOnlyList<int> HoursFor(int longest)
    {
        int[] shorter = [.. Ends.Where(h => h < longest)];
        return [.. shorter.TakeLast(4), longest];
    }

    /// <summary>What the address asked for where that makes sense, else what suits most.</summary>
    public static LaunchDraft Begin(Guid id, TemplateSpec template, ClassView @class, IReadOnlyCollection<string> taken, string? size, int? workers, string? name, int? hours)
    {
        var lengths = HoursFor(@class.LongestHours);
        return new(
            id, @class.Id,
            (size is null ? null : template.Size(size.ToLowerInvariant()))?.Id ?? template.Sizes[0].Id,
            workers is { } many && template.Allows(many) ? many : template.DefaultWorkers(),
            string.IsNullOrWhiteSpace(name) ? FreeName(template.Id, taken) : name,
            hours is { } asked && asked > 0 && asked <= @class.LongestHours ? asked : lengths.LastOrDefault(h => h <= 4, lengths[0]));
    }

    /// <summary>The template's id with the lowest number that is free.</summary>
    public static string FreeName(string template, IReadOnlyCollection<string> taken)
    {
        for (var n = 1; ; n++)
            if ($"{template}-{n}" is var name && !taken.Contains(name, StringComparer.Ordinal)) return name;
    }
}
