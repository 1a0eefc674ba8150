using Portal.Core.Catalog;
using YamlDotNet.Core;
using YamlDotNet.Serialization;
using YamlDotNet.Serialization.NamingConventions;

namespace Portal.Jobs.Catalog;

/// <summary>What was wrong with a template's folder, for whoever wrote it.</summary>
/// <param name="Line">Beginning at 1; 0 where no line is to blame.</param>
/// <param name="Field">Such as roles[1].image; empty where no key is to blame.</param>
public sealed record TemplateFault(string File, long Line, string Field, string Reason)
{
    public override string ToString() => $"{File}{(Line > 0 ? $", line {Line}" : "")}: {(Field.Length > 0 ? Field + ": " : "")}{Reason}";
}

/// <summary>Reads one template.yaml: every key known, every value in its range.</summary>
public static class TemplateFile
{
    private const int LargestFile = 256 * 1024;

    /// <summary>The template, or what is wrong with it.</summary>
    public static (TemplateSpec? Spec, TemplateFault? Fault) Read(string file, byte[] text)
    {
        if (text.Length > LargestFile) return (null, new(file, 0, "", $"larger than {LargestFile / 1024} KiB"));
        try
        {
            using var reader = new StreamReader(new MemoryStream(text));
            var yaml = new DeserializerBuilder().WithNamingConvention(CamelCaseNamingConvention.Instance).WithDuplicateKeyChecking().WithEnforceNullability().Build().Deserialize<TemplateYaml?>(reader);
            if (yaml is null) return (null, new(file, 0, "", "the file is empty"));
            var spec = yaml.Spec();
            return TemplateRules.Broken(spec) is var (field, reason) ? (null, new(file, 0, field, reason)) : (spec, null);
        }
        catch (YamlException e)
        {
            return (null, new(file, e.Start.Line, "", e.InnerException?.Message ?? e.Message));
        }
        catch (Exception e) when (e is NullReferenceException or ArgumentException)
        {
            return (null, new(file, 0, "", "a key has no value"));
        }
    }
}
