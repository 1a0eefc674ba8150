using System.Globalization;
using Microsoft.AspNetCore.WebUtilities;
using Portal.Core.Catalog;
using Portal.Core.Policy;
using Portal.Core.Workspaces;

namespace Portal.Features.Launch;

/// <summary>The form's contents as given in an address, verbatim: the author of the link may have been wrong about any of it.</summary>
public sealed record LaunchLink(string? Preset, string? Size, string? Workers, string? Name, string? Hours, IReadOnlyDictionary<string, string> Parameters)
{
    private const string Setting = "p.";
    private const int LongestPart = 40, MostParts = 5;

    /// <summary>Name of a parameter in the address, and of its field in a refusal.</summary>
    public static string FieldOf(string parameter) => Setting + parameter;

    public static LaunchLink Read(string uri)
    {
        var query = QueryHelpers.ParseQuery(new Uri(uri, UriKind.Absolute).Query);
        string? Value(string name) => query.TryGetValue(name, out var values) ? values[0] : null;
        return new(Value("preset"), Value("size"), Value("workers"), Value("name"), Value("hours"),
            query.Where(q => q.Key.StartsWith(Setting, StringComparison.Ordinal))
                .ToDictionary(q => q.Key[Setting.Length..], q => q.Value[0] ?? "", StringComparer.Ordinal));
    }

    /// <summary>The address of a form with these contents, from the site's root. Defaults are omitted.</summary>
    public static string To(LaunchDraft draft, TemplateSpec template, ClassView @class)
    {
        var query = new Dictionary<string, string?>(StringComparer.Ordinal) { ["id"] = draft.Id.ToString(), ["name"] = draft.Name };
        if (draft.SizeId != template.Sizes[0].Id) query["size"] = draft.SizeId;
        if (draft.Workers != template.DefaultWorkers()) query["workers"] = draft.Workers.ToString(CultureInfo.InvariantCulture);
        if (draft.Hours != LaunchDraft.UsualHours(@class)) query["hours"] = draft.Hours.ToString(CultureInfo.InvariantCulture);
        foreach (var (id, value) in draft.Used(template)) query[FieldOf(id)] = value;
        return QueryHelpers.AddQueryString($"launch/{template.Id}", query);
    }

    public PresetSpec? PresetOf(TemplateSpec template) => template.Presets.FirstOrDefault(p => p.Id == Preset);
    public string? SizeOf(TemplateSpec template) =>
        Size is null ? null : template.Sizes.FirstOrDefault(s => string.Equals(s.Id, Size, StringComparison.OrdinalIgnoreCase))?.Id;
    public int? WorkersOf(TemplateSpec template) => Number(Workers) is { } many && template.Allows(many) ? many : null;
    public int? HoursOf(ClassView @class) => Number(Hours) is { } hours && hours > 0 && hours <= @class.LongestHours ? hours : null;

    /// <summary>Values that a field can show. An invalid text or number stays in its field with
    /// the error; a choice cannot show what it does not offer.</summary>
    public IEnumerable<KeyValuePair<string, string>> ValuesOf(TemplateSpec template) =>
        Parameters.Where(p => template.Parameters.FirstOrDefault(s => s.Id == p.Key) is { } spec && CanShow(spec, p.Value));

    /// <summary>Parts of the link that this form has no field for, as in the address; the first few.</summary>
    public IReadOnlyList<string> LeftOut(TemplateSpec template, ClassView @class)
    {
        var known = ValuesOf(template).Select(v => v.Key).ToHashSet(StringComparer.Ordinal);
        List<(string Name, string Value)> out1 = [];
        if (Preset is { Length: > 0 } && PresetOf(template) is null) out1.Add(("preset", Preset));
        if (Size is { Length: > 0 } && SizeOf(template) is null) out1.Add(("size", Size));
        if (Workers is { Length: > 0 } && WorkersOf(template) is null) out1.Add(("workers", Workers));
        if (Hours is { Length: > 0 } && HoursOf(@class) is null) out1.Add(("hours", Hours));
        out1.AddRange(Parameters.Where(p => !known.Contains(p.Key)).Select(p => (FieldOf(p.Key), p.Value)));
        return [.. out1.Take(MostParts).Select(o =>
            $"{o.Name}={o.Value}" is var part && part.Length > LongestPart ? part[..LongestPart] + "…" : $"{o.Name}={o.Value}")];
    }

    private static bool CanShow(ParameterSpec spec, string value) =>
        spec.Type is ParameterType.Text or ParameterType.Number || ParameterPolicy.Mistake(spec, value) is null;

    private static int? Number(string? word) => int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
}
