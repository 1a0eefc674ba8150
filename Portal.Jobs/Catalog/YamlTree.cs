using System.Globalization;
using System.Text.RegularExpressions;
using Newtonsoft.Json.Linq;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Portal.Jobs.Catalog;

/// <summary>One YAML document as plain data, with the line of every key and item. Tags, anchors and aliases are rejected.</summary>
internal sealed partial class YamlTree
{
    private const int Deepest = 12, MostNodes = 20_000;
    private readonly IParser _parser;
    private readonly Dictionary<string, long> _lines = new(StringComparer.Ordinal);
    private int _nodes;

    private YamlTree(IParser parser) => _parser = parser;

    /// <summary>The content of the document, as JSON.</summary>
    public JToken Value { get; private set; } = JValue.CreateNull();

    /// <summary>Throws <see cref="YamlFault"/> for what a template may not contain, and <see cref="YamlException"/> for invalid YAML.</summary>
    public static YamlTree Read(TextReader text)
    {
        var tree = new YamlTree(new Parser(text));
        tree._parser.Consume<StreamStart>();
        if (tree._parser.Accept<StreamEnd>(out _)) throw new YamlFault(0, "", "the file is empty");
        tree._parser.Consume<DocumentStart>();
        tree.Value = tree.Node("", 0);
        tree._parser.Consume<DocumentEnd>();
        if (!tree._parser.Accept<StreamEnd>(out var more))
            throw new YamlFault(more?.Start.Line ?? tree._parser.Current!.Start.Line, "", "a second document begins here; a template is a single document");
        return tree;
    }

    /// <summary>Line of a field such as roles[1].image, or of the nearest enclosing one if the field itself is missing; 0 for none.</summary>
    public long LineOf(string field)
    {
        for (var at = field; at.Length > 0; at = at[..Math.Max(at.LastIndexOfAny(['.', '[']), 0)])
            if (_lines.TryGetValue(at, out var line)) return line;
        return 0;
    }

    private JToken Node(string field, int depth)
    {
        var at = _parser.Current!.Start.Line;
        if (++_nodes > MostNodes) throw new YamlFault(at, field, $"more than {MostNodes} values in one file");
        if (depth > Deepest) throw new YamlFault(at, field, $"nested more than {Deepest} levels deep");
        if (_parser.TryConsume<AnchorAlias>(out _)) throw new YamlFault(at, field, "is an alias (*); write the value out");
        if (_parser.Current is not NodeEvent node) throw new YamlFault(at, field, "a value is missing");
        if (!node.Anchor.IsEmpty) throw new YamlFault(at, field, "has an anchor (&); write the value out where it is used");
        if (!node.Tag.IsEmpty && !node.Tag.IsNonSpecific) throw new YamlFault(at, field, $"has a tag ({node.Tag.Value}); only plain values are read");
        return node switch
        {
            MappingStart => Mapping(field, depth),
            SequenceStart => Sequence(field, depth),
            _ => Scalar(_parser.Consume<Scalar>()),
        };
    }

    private JObject Mapping(string field, int depth)
    {
        _parser.Consume<MappingStart>();
        var mapping = new JObject();
        while (!_parser.TryConsume<MappingEnd>(out _))
        {
            var line = _parser.Current!.Start.Line;
            if (!_parser.TryConsume<Scalar>(out var key)) throw new YamlFault(line, field, "a key is not a plain word");
            if (!key.Anchor.IsEmpty || (!key.Tag.IsEmpty && !key.Tag.IsNonSpecific))
                throw new YamlFault(line, field, $"the key \"{key.Value}\" has a tag or an anchor");
            var name = field.Length == 0 ? key.Value : $"{field}.{key.Value}";
            if (mapping.ContainsKey(key.Value)) throw new YamlFault(line, name, "is given twice");
            _lines[name] = line;
            mapping.Add(key.Value, Node(name, depth + 1));
        }
        return mapping;
    }

    private JArray Sequence(string field, int depth)
    {
        _parser.Consume<SequenceStart>();
        var sequence = new JArray();
        while (!_parser.TryConsume<SequenceEnd>(out _))
        {
            var name = string.Create(CultureInfo.InvariantCulture, $"{field}[{sequence.Count}]");
            _lines[name] = _parser.Current!.Start.Line;
            sequence.Add(Node(name, depth + 1));
        }
        return sequence;
    }

    /// <summary>Unquoted numbers and booleans, as in YAML's core schema; everything else is text.</summary>
    private static JValue Scalar(Scalar scalar)
    {
        if (scalar.Style is not ScalarStyle.Plain) return JValue.CreateString(scalar.Value);
        return scalar.Value switch
        {
            "" or "~" or "null" or "Null" or "NULL" => JValue.CreateNull(),
            "true" or "True" or "TRUE" => new JValue(true),
            "false" or "False" or "FALSE" => new JValue(false),
            var text when Whole().IsMatch(text) && long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole) =>
                new JValue(whole),
            var text when Number().IsMatch(text) && decimal.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) =>
                new JValue(number),
            var text => JValue.CreateString(text),
        };
    }

    [GeneratedRegex(@"^[-+]?[0-9]+\z", RegexOptions.NonBacktracking)]
    private static partial Regex Whole();

    [GeneratedRegex(@"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\z", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex Number();
}

/// <summary>Something that YAML allows but a template may not contain.</summary>
internal sealed class YamlFault(long line, string key, string reason) : Exception(reason)
{
    public long Line => line;
    public string Field => key;
}
