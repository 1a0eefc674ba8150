using System.Linq.Expressions;
using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Portal.Core.Data;

internal static class MapHelpers
{
    /// <summary>
    /// A column that EF reads and never writes: the database sets its first value, and only Jobs changes it, with SQL.
    /// Otherwise EF would name the column in every insert, which the web role may not do.
    /// </summary>
    public static PropertyBuilder<T> NotWrittenHere<TRow, T>(this EntityTypeBuilder<TRow> row, Expression<Func<TRow, T>> property,
        string? first = null) where TRow : class
    {
        var p = row.Property(property).ValueGeneratedOnAdd();
        if (first is not null) p.HasDefaultValueSql(first);
        p.Metadata.SetBeforeSaveBehavior(PropertySaveBehavior.Ignore);
        p.Metadata.SetAfterSaveBehavior(PropertySaveBehavior.Ignore);
        return p;
    }

    /// <summary>Names and values as one jsonb object.</summary>
    public static PropertyBuilder<IReadOnlyDictionary<string, string>> IsJsonObject(this PropertyBuilder<IReadOnlyDictionary<string, string>> property)
    {
        property.HasColumnType("jsonb").HasDefaultValueSql("'{}'").Metadata.SetMaxLength(null);
        return property.HasConversion(
            values => JsonSerializer.Serialize(values, JsonSerializerOptions.Web),
            text => JsonSerializer.Deserialize<Dictionary<string, string>>(text, JsonSerializerOptions.Web)!,
            new ValueComparer<IReadOnlyDictionary<string, string>>(
                (a, b) => a!.Count == b!.Count && !a.Except(b).Any(), values => values.Count, values => values));
    }

    /// <summary>A value as jsonb; equal text is the same value.</summary>
    public static PropertyBuilder<T> IsJson<T>(this PropertyBuilder<T> property, T first) where T : class
    {
        property.HasColumnType("jsonb").HasDefaultValueSql($"'{JsonSerializer.Serialize(first, JsonSerializerOptions.Web)}'").Metadata.SetMaxLength(null);
        return property.HasConversion(
            value => JsonSerializer.Serialize(value, JsonSerializerOptions.Web),
            text => JsonSerializer.Deserialize<T>(text, JsonSerializerOptions.Web)!,
            new ValueComparer<T>(
                (a, b) => JsonSerializer.Serialize(a, JsonSerializerOptions.Web) == JsonSerializer.Serialize(b, JsonSerializerOptions.Web),
                value => JsonSerializer.Serialize(value, JsonSerializerOptions.Web).GetHashCode(StringComparison.Ordinal), value => value));
    }

    public const string Now = "clock_timestamp()";
}
