using System.Globalization;
using NJsonSchema;
using NJsonSchema.Validation;

namespace Portal.Jobs.Catalog;

/// <summary>The form of a template.yaml: the same schema that editors use, so that anything an editor accepts can be read.</summary>
internal static class TemplateSchema
{
    private static readonly Lazy<JsonSchema> Schema = new(() =>
        JsonSchema.FromJsonAsync(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Catalog", "template.schema.json"))).GetAwaiter().GetResult());

    /// <summary>The first mistake in file order: which field, and why; null for none.</summary>
    public static (string Field, string Reason)? Broken(YamlTree tree) => Schema.Value.Validate(tree.Value)
        .SelectMany(Innermost)
        .Select(e => (Field: FieldOf(e), Reason: Describe(e)))
        .OrderBy(f => tree.LineOf(f.Field))
        .Select(f => ((string, string)?)f)
        .FirstOrDefault();

    /// <summary>The validator reports a mistake inside an item or free-named property as one of the whole; the real one is nested in it.</summary>
    private static IEnumerable<ValidationError> Innermost(ValidationError error) => error is ChildSchemaValidationError { Errors.Count: > 0 } outer
        ? outer.Errors.SelectMany(e => e.Value).SelectMany(Innermost)
        : [error];

    private static string FieldOf(ValidationError error) => (error.Path ?? "").TrimStart('#', '/');

    private static string Describe(ValidationError error)
    {
        var schema = error.Schema.ActualSchema;
        return error.Kind switch
        {
            ValidationErrorKind.NoAdditionalPropertiesAllowed => $"unknown key; the keys allowed here are {string.Join(", ", schema.Properties.Keys)}",
            ValidationErrorKind.PropertyRequired => "is missing",
            ValidationErrorKind.PatternMismatch => Pattern(schema.Pattern),
            ValidationErrorKind.NumberTooSmall
                or ValidationErrorKind.NumberTooBig
                or ValidationErrorKind.IntegerTooBig
                or ValidationErrorKind.NumberNotMultipleOf => $"must be {Kind(schema)}",
            ValidationErrorKind.StringTooShort or ValidationErrorKind.StringTooLong => $"must have {schema.MinLength ?? 0} to {schema.MaxLength} characters",
            ValidationErrorKind.TooFewItems or ValidationErrorKind.TooManyItems => $"must have {schema.MinItems} to {schema.MaxItems} items",
            ValidationErrorKind.NotInEnumeration => $"must be one of {string.Join(", ", schema.Enumeration)}",
            _ => $"must be {Kind(schema)}",
        };
    }

    private static string Kind(JsonSchema schema) => schema.Type switch
    {
        JsonObjectType.Integer =>
            schema.Minimum is { } least ? string.Create(CultureInfo.InvariantCulture, $"a whole number from {least} to {schema.Maximum}") : "a whole number",
        JsonObjectType.Number => "a number",
        JsonObjectType.Boolean => "true or false",
        JsonObjectType.String => "text; put quotes around values that look like a number or true/false",
        JsonObjectType.Array => "a list",
        JsonObjectType.Object => "keys with values",
        _ => "text, a number, true or false",
    };

    private static string Pattern(string? pattern) => pattern switch
    {
        "^/" => "must begin with /",
        "^[a-z]{1,20}$" => "must be 1 to 20 lower-case letters, as it becomes a host name",
        "^[A-Za-z_][A-Za-z0-9_]{0,79}$" => "must be the name of a variable: letters, digits and _, not starting with a digit",
        _ => "must be 1 to 20 lower-case letters, digits and hyphens, starting with a letter",
    };
}
