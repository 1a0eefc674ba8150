using Portal.Core.Catalog;
using Portal.Core.Policy;
using Portal.Core.Workspaces;

namespace Portal.Features.Launch;

/// <summary>The current contents of the form. All of it is in the page's address, so a reload, going back or a lost circuit loses nothing.</summary>
/// <param name="Id">Id of the future workspace; created when the form opens, so that it launches only once, however often it is sent.</param>
/// <param name="Hours">How long it runs from when it is ready.</param>
/// <param name="Workers">0 if the template has none.</param>
public sealed record LaunchDraft(Guid Id, Guid ClassId, string SizeId, int Workers, string Name, int Hours)
{
    private const int UsualLength = 4;
    private static readonly int[] Ends = [1, 2, 4, 8, 12, 24, 48, 96, 168];

    /// <summary>Values of parameters that differ from their defaults, including an invalid one while it is being typed.</summary>
    public IReadOnlyDictionary<string, string> Parameters { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>Durations that a class allows, including its longest; hours.</summary>
    public static IReadOnlyList<int> HoursFor(int longest)
    {
        int[] shorter = [.. Ends.Where(h => h < longest)];
        return [.. shorter.TakeLast(4), longest];
    }

    /// <summary>The default duration.</summary>
    public static int UsualHours(ClassView @class) =>
        HoursFor(@class.LongestHours) is var lengths ? lengths.LastOrDefault(h => h <= UsualLength, lengths[0]) : UsualLength;

    /// <summary>What the link asked for where that is valid, else the best default. A value in the link takes precedence over its preset.</summary>
    public static LaunchDraft Begin(Guid id, TemplateSpec template, ClassView @class, IReadOnlyCollection<string> taken, LaunchLink link)
    {
        var draft = new LaunchDraft(id, @class.Id, template.Sizes[0].Id, template.DefaultWorkers(),
            string.IsNullOrWhiteSpace(link.Name) ? FreeName(template.Id, taken) : link.Name, link.HoursOf(@class) ?? UsualHours(@class));
        if (link.PresetOf(template) is { } preset) draft = draft.Take(preset, template);
        draft = draft with { SizeId = link.SizeOf(template) ?? draft.SizeId, Workers = link.WorkersOf(template) ?? draft.Workers };
        return link.ValuesOf(template).Aggregate(draft, (now, p) => now.Set(template.Parameters.First(s => s.Id == p.Key), p.Value));
    }

    /// <summary>Size, workers and all parameters of the preset; what it leaves open gets its default.</summary>
    public LaunchDraft Take(PresetSpec preset, TemplateSpec template)
    {
        var plain = this with
        {
            SizeId = preset.Size,
            Workers = preset.Workers ?? template.DefaultWorkers(),
            Parameters = new Dictionary<string, string>(StringComparer.Ordinal)
        };
        return template.Parameters.Where(p => preset.Parameters.ContainsKey(p.Id)).Aggregate(plain, (draft, p) => draft.Set(p, preset.Parameters[p.Id]));
    }

    /// <summary>Whether it equals what the preset fills in.</summary>
    public bool Has(PresetSpec preset, TemplateSpec template) => Take(preset, template) is var taken && taken.SizeId == SizeId && taken.Workers == Workers
        && taken.Parameters.Count == Parameters.Count && taken.Parameters.All(p => Parameters.TryGetValue(p.Key, out var value) && value == p.Value);

    public LaunchDraft Set(ParameterSpec parameter, string value)
    {
        var values = new Dictionary<string, string>(Parameters, StringComparer.Ordinal);
        if (value == parameter.Default) values.Remove(parameter.Id);
        else values[parameter.Id] = value;
        return this with { Parameters = values };
    }

    /// <summary>Values that apply: those of the parameters that are shown, given the values of the others.</summary>
    public IReadOnlyDictionary<string, string> Used(TemplateSpec template) =>
        template.Parameters
            .Where(p => Parameters.ContainsKey(p.Id) && ParameterPolicy.IsUsed(template, p, Parameters))
            .ToDictionary(p => p.Id, p => Parameters[p.Id], StringComparer.Ordinal);

    /// <summary>The template's id with the lowest free number.</summary>
    public static string FreeName(string template, IReadOnlyCollection<string> taken)
    {
        for (var n = 1; ; n++)
            if ($"{template}-{n}" is var name && !taken.Contains(name, StringComparer.Ordinal)) return name;
    }
}
