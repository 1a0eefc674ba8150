using Portal.Core.Catalog;
using YamlDotNet.Core;
using YamlDotNet.Serialization;
using YamlDotNet.Serialization.NamingConventions;

namespace Portal.Jobs.Catalog;

/// <summary>What was wrong with a template folder, for its author.</summary>
/// <param name="Line">Starting at 1; 0 if the error is not on a particular line.</param>
/// <param name="Field">Such as roles[1].image; empty if the error is not in a key.</param>
public sealed record TemplateFault(string File, long Line, string Field, string Reason)
{
    public override string ToString() => $"{File}{(Line > 0 ? $", line {Line}" : "")}: {(Field.Length > 0 ? Field + ": " : "")}{Reason}";
}

/// <summary>Reads one template.yaml: every key must be known and every value in range.</summary>
public static class TemplateFile
{
    /// <summary>Maximum file size, bytes.</summary>
    public const int Largest = 256 * 1024;

    /// <summary>The template, or what is wrong with it.</summary>
    /// <param name="file">How faults name the file; the folder in it is the template's id.</param>
    public static (TemplateSpec? Spec, TemplateFault? Fault) Read(string file, byte[] text)
    {
        if (text.Length > Largest) return (null, new(file, 0, "", $"larger than {Largest / 1024} KiB"));
        try
        {
            var tree = YamlTree.Read(Reader(text));
            if (TemplateSchema.Broken(tree) is var (form, mistake)) return Wrong(tree, form, mistake);
            // Only a document of the right form is deserialised; the tree has rejected anything in YAML that is more than plain data.
            var spec = new DeserializerBuilder()
                .WithNamingConvention(CamelCaseNamingConvention.Instance)
                .WithEnforceNullability()
                .Build()
                .Deserialize<TemplateYaml>(Reader(text))
                .Spec();
            if (TemplateRules.Broken(spec) is var (field, reason)) return Wrong(tree, field, reason);
            var folder = Path.GetFileName(Path.GetDirectoryName(file));
            return spec.Id == folder ? (spec, null) : Wrong(tree, "id", $"must be the name of its folder, {folder}");

            (TemplateSpec?, TemplateFault?) Wrong(YamlTree tree, string field, string reason) => (null, new(file, tree.LineOf(field), field, reason));
        }
        catch (YamlFault e)
        {
            return (null, new(file, e.Line, e.Field, e.Message));
        }
        catch (YamlException e)
        {
            return (null, new(file, e.Start.Line, "", e.InnerException?.Message ?? e.Message));
        }
    }

    private static StreamReader Reader(byte[] text) => new(new MemoryStream(text));
}
