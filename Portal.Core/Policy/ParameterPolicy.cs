using System.Globalization;
using System.Text.RegularExpressions;
using Portal.Core.Catalog;

namespace Portal.Core.Policy;

/// <param name="Id">Id of the parameter; if the template has no such parameter, the name that was given.</param>
public sealed record ParameterFault(string Id, ParameterMistake Mistake, string? Detail = null);

public enum ParameterMistake { Unknown, NotANumber, NotWhole, TooSmall, TooLarge, NotAnOption, TooLong, NotAllowed }

/// <summary>Decides about values of a template's parameters; used by both the form and the verb.</summary>
public static class ParameterPolicy
{
    private const int LongestValue = 4000;

    // Without backtracking, the time is proportional to the length: more than this means that the machine has stalled.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>The first value that is not allowed; null if all are. Parameters without a value have their default.</summary>
    public static ParameterFault? Fault(TemplateSpec spec, IReadOnlyDictionary<string, string> given)
    {
        if (given.Keys.FirstOrDefault(k => spec.Parameters.All(p => p.Id != k)) is { } unknown) return new(unknown, ParameterMistake.Unknown);
        foreach (var parameter in spec.Parameters.Where(p => IsUsed(spec, p, given)))
            if (given.TryGetValue(parameter.Id, out var value) && Mistake(parameter, value) is { } mistake)
                return new(parameter.Id, mistake.Mistake, mistake.Detail);
        // Those that are not used are still stored with the workspace.
        foreach (var (id, value) in given)
        {
            if (value is null || value.Contains('\0', StringComparison.Ordinal)) return new(id, ParameterMistake.NotAllowed);
            if (value.Length > LongestValue) return new(id, ParameterMistake.TooLong, Format(LongestValue));
        }
        return null;
    }

    /// <summary>Whether a parameter is shown and reaches the nodes, given the others.</summary>
    public static bool IsUsed(TemplateSpec spec, ParameterSpec parameter, IReadOnlyDictionary<string, string> given) =>
        parameter.When is not { } when
            || spec.Parameters.FirstOrDefault(p => p.Id == when.Parameter) is not { } other
            || (IsUsed(spec, other, given) && ValueOf(other, given) == when.Is);

    /// <summary>What was given, else the default.</summary>
    public static string ValueOf(ParameterSpec parameter, IReadOnlyDictionary<string, string> given) =>
        given.TryGetValue(parameter.Id, out var value) ? value : parameter.Default;

    /// <summary>The variables that nodes get. Assumes that <see cref="Fault"/> found none.</summary>
    public static IReadOnlyDictionary<string, string> Environment(TemplateSpec spec, IReadOnlyDictionary<string, string> given) =>
        spec.Parameters.Where(p => IsUsed(spec, p, given)).ToDictionary(p => p.Env, p => ValueOf(p, given), StringComparer.Ordinal);

    /// <summary>What is wrong with one value; null when nothing is.</summary>
    public static (ParameterMistake Mistake, string? Detail)? Mistake(ParameterSpec parameter, string value) => parameter.Type switch
    {
        ParameterType.Number => Number(parameter, value),
        ParameterType.Choice => parameter.Options.Any(o => o.Value == value) ? null : (ParameterMistake.NotAnOption, null),
        ParameterType.Switch => value is "true" or "false" ? null : (ParameterMistake.NotAnOption, null),
        _ => Text(parameter, value),
    };

    private static (ParameterMistake, string?)? Number(ParameterSpec parameter, string value)
    {
        if (!decimal.TryParse(value, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number))
            return (ParameterMistake.NotANumber, null);
        if (parameter.IsWhole && value.Contains('.', StringComparison.Ordinal)) return (ParameterMistake.NotWhole, null);
        if (number < parameter.Min) return (ParameterMistake.TooSmall, Format(parameter.Min));
        return number > parameter.Max ? (ParameterMistake.TooLarge, Format(parameter.Max)) : null;
    }

    private static (ParameterMistake, string?)? Text(ParameterSpec parameter, string? value)
    {
        if (value is null) return (ParameterMistake.NotAllowed, null); // JSON null, where a client meant no value
        if (value.Length > parameter.Longest) return (ParameterMistake.TooLong, Format(parameter.Longest));
        if (value.Any(char.IsControl)) return (ParameterMistake.NotAllowed, null);
        // Without backtracking: an operator's pattern with a student's value must not keep the web process busy forever.
        return parameter.Pattern is null
            || Regex.IsMatch(value, $@"\A(?:{parameter.Pattern})\z", RegexOptions.NonBacktracking | RegexOptions.CultureInvariant, Patience)
            ? null
            : (ParameterMistake.NotAllowed, parameter.Pattern);
    }

    private static string? Format(decimal? value) => value?.ToString(CultureInfo.InvariantCulture);
}
