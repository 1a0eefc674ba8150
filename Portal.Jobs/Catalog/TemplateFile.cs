using System.Security.Cryptography;
using System.Text.RegularExpressions;
using Portal.Core.Catalog;
using YamlDotNet.Core;
using YamlDotNet.Serialization;
using YamlDotNet.Serialization.NamingConventions;

namespace Portal.Jobs.Catalog;

/// <summary>What was wrong with a template.yaml, for whoever wrote it.</summary>
/// <param name="Line">Beginning at 1; 0 where no line is to blame.</param>
public sealed record TemplateFault(string File, long Line, string Reason)
{
    public override string ToString() => Line > 0 ? $"{File}, line {Line}: {Reason}" : $"{File}: {Reason}";
}

/// <summary>Reads one template.yaml: every key known, every value in its range.</summary>
public static partial class TemplateFile
{
    private const int LargestFile = 256 * 1024;

    /// <summary>The template and the hash of its text, or what is wrong with it.</summary>
    public static (TemplateSpec? Spec, string Hash, TemplateFault? Fault) Read(string file, byte[] text)
    {
        var hash = Convert.ToHexStringLower(SHA256.HashData(text));
        if (text.Length > LargestFile) return (null, hash, new(file, 0, $"larger than {LargestFile / 1024} KiB"));
        try
        {
            using var reader = new StreamReader(new MemoryStream(text));
            var yaml = new DeserializerBuilder().WithNamingConvention(CamelCaseNamingConvention.Instance).WithDuplicateKeyChecking().Build().Deserialize<TemplateYaml?>(reader);
            if (yaml is null) return (null, hash, new(file, 0, "the file is empty"));
            return Wrong(yaml) is { } wrong ? (null, hash, new(file, 0, wrong)) : (Spec(yaml), hash, null);
        }
        catch (YamlException e)
        {
            return (null, hash, new(file, e.Start.Line, e.InnerException?.Message ?? e.Message));
        }
    }

    private static string? Wrong(TemplateYaml yaml)
    {
        if (!Id().IsMatch(yaml.Id)) return "id: lower-case letters, digits and hyphens, a letter first";
        if (yaml.Title.Length is 0 or > 60) return "title: 1 to 60 characters";
        if (yaml.Sizes.Count == 0) return "sizes: at least one";
        if (yaml.Roles.Count == 0) return "roles: at least one";
        if (yaml.Sizes.Find(s => !Id().IsMatch(s.Id) || s.Vcpu is < 1 or > 64 || s.MemoryMib is < 256 or > 1_048_576) is { } size) return $"sizes: \"{size.Id}\" needs an id, vcpu of 1 to 64 and memoryMib of 256 to 1048576";
        if (yaml.Roles.Find(r => !Id().IsMatch(r.Name) || !Id().IsMatch(r.Image) || r.Command.Count == 0) is { } role) return $"roles: \"{role.Name}\" needs a name, an image and a command";
        if (yaml.Apps.Find(a => !Id().IsMatch(a.Id) || a.Port is < 1 or > 65535 || !a.Path.StartsWith('/') || yaml.Roles.TrueForAll(r => r.Name != a.Role)) is { } app)
            return $"apps: \"{app.Id}\" needs an id, a role of this template, a port of 1 to 65535 and a path that begins with /";
        return yaml.Sizes.Select(s => s.Id).Distinct(StringComparer.Ordinal).Count() < yaml.Sizes.Count || yaml.Roles.Select(r => r.Name).Distinct(StringComparer.Ordinal).Count() < yaml.Roles.Count
            || yaml.Apps.Select(a => a.Id).Distinct(StringComparer.Ordinal).Count() < yaml.Apps.Count ? "two sizes, roles or apps have the same name" : null;
    }

    private static TemplateSpec Spec(TemplateYaml y) => new(y.Id, y.Title, y.Promise, y.Engine, y.Version,
        [.. y.Sizes.Select(s => new SizeSpec(s.Id, s.Title, s.Says, s.Vcpu, s.MemoryMib))],
        [.. y.Roles.Select(r => new RoleSpec(r.Name, r.Image, [.. r.Command], r.Environment, r.Token))],
        [.. y.Apps.Select(a => new AppSpec(a.Id, a.Title, a.Says, a.Role, a.Port, a.Path, a.Kernels))]);

    [GeneratedRegex("^[a-z][a-z0-9-]{0,19}$", RegexOptions.NonBacktracking)]
    private static partial Regex Id();

    private sealed class TemplateYaml
    {
        public string Id { get; set; } = "";
        public string Title { get; set; } = "";
        public string Promise { get; set; } = "";
        public string Engine { get; set; } = "";
        public string Version { get; set; } = "";
        public List<SizeYaml> Sizes { get; set; } = [];
        public List<RoleYaml> Roles { get; set; } = [];
        public List<AppYaml> Apps { get; set; } = [];
    }

    private sealed class SizeYaml
    {
        public string Id { get; set; } = "";
        public string Title { get; set; } = "";
        public string Says { get; set; } = "";
        public int Vcpu { get; set; }
        public int MemoryMib { get; set; }
    }

    private sealed class RoleYaml
    {
        public string Name { get; set; } = "";
        public string Image { get; set; } = "";
        public List<string> Command { get; set; } = [];
        public Dictionary<string, string> Environment { get; set; } = new(StringComparer.Ordinal);
        public string? Token { get; set; }
    }

    private sealed class AppYaml
    {
        public string Id { get; set; } = "";
        public string Title { get; set; } = "";
        public string Says { get; set; } = "";
        public string Role { get; set; } = "";
        public int Port { get; set; }
        public string Path { get; set; } = "/";
        public bool Kernels { get; set; }
    }
}
