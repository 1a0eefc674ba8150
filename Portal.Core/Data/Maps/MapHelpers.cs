using System.Linq.Expressions;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Portal.Core.Data.Maps;

internal static class MapHelpers
{
    /// <summary>
    /// A column that EF reads and never writes: the database gives its first value, and only SQL of Jobs changes it.
    /// Without this EF would name the column in every insert, which the web's role may not.
    /// </summary>
    public static PropertyBuilder<T> NotWrittenHere<TRow, T>(this EntityTypeBuilder<TRow> row, Expression<Func<TRow, T>> property, string? first = null) where TRow : class
    {
        var p = row.Property(property).ValueGeneratedOnAdd();
        if (first is not null) p.HasDefaultValueSql(first);
        p.Metadata.SetBeforeSaveBehavior(PropertySaveBehavior.Ignore);
        p.Metadata.SetAfterSaveBehavior(PropertySaveBehavior.Ignore);
        return p;
    }

    public const string Now = "clock_timestamp()";
}
