using System.Text.RegularExpressions;
using Portal.Core.Catalog;
using Portal.Core.Policy;

namespace Portal.Jobs.Catalog;

/// <summary>Rules for a template beyond the form of its file: references that resolve, amounts that are possible, no ambiguous names.</summary>
internal static partial class TemplateRules
{
    /// <summary>Maximum number of nodes: the addresses of a workspace less those of the bridge.</summary>
    private const int MostNodes = 29;

    private const int MostWorkers = 24;

    /// <summary>The first broken rule: which key, and why; null if none is broken.</summary>
    public static (string Field, string Reason)? Broken(TemplateSpec spec) => Rules(spec).Select(r => ((string, string)?)r).FirstOrDefault();

    private static IEnumerable<(string, string)> Rules(TemplateSpec spec) =>
        Head(spec)
            .Concat(Each("sizes", spec.Sizes, Size))
            .Concat(Each("roles", spec.Roles, r => Role(spec, r)))
            .Concat(Each("apps", spec.Apps, a => App(spec, a)))
            .Concat(Each("parameters", spec.Parameters, p => Parameter(spec, p)))
            .Concat(Each("presets", spec.Presets, p => Preset(spec, p)))
            .Concat(Each("counts", spec.Counts, c => Count(spec, c)));

    private static IEnumerable<(string, string)> Head(TemplateSpec spec)
    {
        if (!Id().IsMatch(spec.Id)) yield return ("id", "must be lower-case letters, digits and hyphens, starting with a letter");
        if (spec.Title.Length is 0 or > 60) yield return ("title", "must have 1 to 60 characters");
        if (spec.Sizes.Count == 0) yield return ("sizes", "must have at least one");
        if (spec.Roles.Count == 0) yield return ("roles", "must have at least one");
        if (spec.Roles.Count(r => r.Workers is not null) > 1) yield return ("roles", "at most one role may have workers");
        if (spec.Roles.Sum(r => r.Workers?.Max ?? r.Count) > MostNodes) yield return ("roles", $"must have at most {MostNodes} nodes in total");
        foreach (var (field, names) in (IEnumerable<(string, IEnumerable<string>)>)[("sizes", spec.Sizes.Select(s => s.Id)),
            ("roles", spec.Roles.Select(r => r.Name)), ("apps", spec.Apps.Select(a => a.Id)), ("parameters", spec.Parameters.Select(p => p.Id)),
            ("presets", spec.Presets.Select(p => p.Id))])
            if (names.Distinct(StringComparer.Ordinal).Count() < names.Count()) yield return (field, "two have the same name");
    }

    private static IEnumerable<(string, string)> Size(SizeSpec size)
    {
        if (!Id().IsMatch(size.Id)) yield return ("id", "must be lower-case letters, digits and hyphens, starting with a letter");
        if (size.Vcpu is < 1 or > 64) yield return ("vcpu", "must be from 1 to 64");
        if (size.MemoryMib is < 256 or > 1_048_576) yield return ("memoryMib", "must be from 256 to 1048576");
    }

    private static IEnumerable<(string, string)> Role(TemplateSpec spec, RoleSpec role)
    {
        if (!Name().IsMatch(role.Name)) yield return ("name", "must be lower-case letters only, as it becomes a host name");
        if (!Id().IsMatch(role.Image)) yield return ("image", "must be the name of an image recipe");
        if (role.Command.Count == 0) yield return ("command", "must name at least the program");
        if (role.Environment.Keys.Append(role.Token ?? "TOKEN").FirstOrDefault(k => !Variable().IsMatch(k)) is { } variable)
            yield return ("environment", $"\"{variable}\" is not a valid variable name");
        if (role.Workers is { } w && (w.Min < 1 || w.Max < w.Min || w.Max > MostWorkers || w.Default < w.Min || w.Default > w.Max))
            yield return ("workers", $"must have 1 <= min <= default <= max <= {MostWorkers}");
        if (role.Count is < 1 or > MostWorkers || role is { Workers: not null, Count: > 1 })
            yield return ("count", $"must be from 1 to {MostWorkers}, and not together with workers");
        if (role.Sizes.Keys.FirstOrDefault(s => spec.Size(s) is null) is { } size) yield return ("sizes", $"there is no size \"{size}\"");
        if (role.Sizes.Values.Any(s => s.Vcpu is < 1 or > 64 || s.MemoryMib is < 256 or > 1_048_576))
            yield return ("sizes", "must have vcpu from 1 to 64 and memoryMib from 256 to 1048576");
        if (role.ScratchGib is < 0 or > 10_000) yield return ("scratchGib", "must be from 0 to 10000");
        if (role.ScratchRemedy is { } remedy && (role.ScratchGib == 0 || remedy.Length is < 1 or > 300))
            yield return ("scratchRemedy", "must have 1 to 300 characters, and only together with scratchGib");
        if (role.Pids is < 64 or > 32_768) yield return ("pids", "must be from 64 to 32768");
        if (role.Health is { } health && !IsAddress(health.Port, health.Path))
            yield return ("health", "needs a port from 1 to 65535 and a path that begins with /");
        foreach (var (field, reason) in Each("registered", role.Registered, c => Count(spec, c))) yield return (field, reason);
        if (role.Drain is { } drain && (drain.Command.Count == 0 || drain.Minutes is < 1 or > 120 || spec.Roles.All(r => r.Name != drain.Role)))
            yield return ("drain", "needs a role of this template, a command and 1 to 120 minutes");
    }

    private static IEnumerable<(string, string)> App(TemplateSpec spec, AppSpec app)
    {
        if (!Id().IsMatch(app.Id) || app.Id.Contains("--", StringComparison.Ordinal) || app.Id == "cluster")
            yield return ("id", "must be lower-case letters, digits and single hyphens, starting with a letter");
        if (spec.Roles.All(r => r.Name != app.Role)) yield return ("role", "must be a role of this template");
        if (!IsAddress(app.Port, app.Path))
            yield return (app.Port is < 1 or > 65535 ? "port" : "path", "needs a port from 1 to 65535 and a path that begins with /");
        if (app.Health is { } health && !IsAddress(1, health)) yield return ("health", "must be a path that begins with /");
    }

    private static IEnumerable<(string, string)> Count(TemplateSpec spec, CountSpec count)
    {
        if (!Id().IsMatch(count.Id)) yield return ("id", "must be lower-case letters, digits and hyphens, starting with a letter");
        if (spec.Roles.All(r => r.Name != count.Role || !r.IsSingle)) yield return ("role", "must be a role of this template that has a single node");
        if (!IsAddress(count.Port, count.Path) || count.Value.Length == 0)
            yield return ("path", "needs a port from 1 to 65535, a path that begins with / and the location of the value");
    }

    private static IEnumerable<(string, string)> Parameter(TemplateSpec spec, ParameterSpec parameter)
    {
        if (!Id().IsMatch(parameter.Id)) yield return ("id", "must be lower-case letters, digits and hyphens, starting with a letter");
        if (!Variable().IsMatch(parameter.Env) || parameter.Env.StartsWith("PORTAL_", StringComparison.Ordinal))
            yield return ("env", "must be the name of a variable that does not begin with PORTAL_");
        if (parameter.Type is ParameterType.Choice && parameter.Options.Count == 0) yield return ("options", "must have at least one");
        if (parameter.Pattern is { } pattern && !IsPattern(pattern)) yield return ("pattern", "must be a regular expression without backtracking");
        else if (ParameterPolicy.Mistake(parameter, parameter.Default) is { } mistake) yield return ("default", $"is not an allowed value ({mistake.Mistake})");
        if (parameter.When is { } when && (when.Parameter == parameter.Id || !spec.Parameters.TakeWhile(p => p != parameter).Any(p => p.Id == when.Parameter)))
            yield return ("when", "must name a parameter defined above this one");
    }

    private static IEnumerable<(string, string)> Preset(TemplateSpec spec, PresetSpec preset)
    {
        if (!Id().IsMatch(preset.Id)) yield return ("id", "must be lower-case letters, digits and hyphens, starting with a letter");
        if (spec.Size(preset.Size) is null) yield return ("size", "must be a size of this template");
        if (!spec.Allows(preset.Workers ?? spec.DefaultWorkers())) yield return ("workers", "must be a number of workers that the template supports");
        if (ParameterPolicy.Fault(spec, preset.Parameters) is { } fault) yield return ($"parameters.{fault.Id}", $"is not allowed ({fault.Mistake})");
    }

    private static IEnumerable<(string, string)> Each<T>(string list, IReadOnlyList<T> items, Func<T, IEnumerable<(string Field, string Reason)>> rules) =>
        items.SelectMany((item, at) => rules(item).Select(broken => ($"{list}[{at}].{broken.Field}", broken.Reason)));

    private static bool IsAddress(int port, string path) => port is >= 1 and <= 65535 && path.StartsWith('/') && !path.Any(char.IsControl);

    private static bool IsPattern(string pattern)
    {
        try
        {
            _ = new Regex(pattern, RegexOptions.NonBacktracking, TimeSpan.FromSeconds(1));
            return true;
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            return false;
        }
    }

    [GeneratedRegex(@"^[a-z][a-z0-9-]{0,19}\z", RegexOptions.NonBacktracking)]
    private static partial Regex Id();

    [GeneratedRegex(@"^[a-z]{1,20}\z", RegexOptions.NonBacktracking)]
    private static partial Regex Name();

    [GeneratedRegex(@"^[A-Za-z_][A-Za-z0-9_]{0,79}\z", RegexOptions.NonBacktracking)]
    private static partial Regex Variable();
}
