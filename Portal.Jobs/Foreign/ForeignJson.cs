using System.Text.Json;

namespace Portal.Jobs.Foreign;

/// <summary>Reads foreign JSON, whose structure cannot be relied on.</summary>
public static class ForeignJson
{
    /// <summary>The text at the end of a path of names; null if there is none, or if it or a neighbouring name has an unpaired surrogate.</summary>
    public static string? Text(JsonElement json, params ReadOnlySpan<string> path)
    {
        try
        {
            foreach (var name in path)
            {
                if (json.ValueKind != JsonValueKind.Object || !json.TryGetProperty(name, out json)) return null;
            }
            return json.ValueKind == JsonValueKind.String ? json.GetString() : null;
        }
        catch (InvalidOperationException) { return null; }
    }

    /// <summary>The elements of the array of this name; none if there is none.</summary>
    public static IReadOnlyList<JsonElement> Items(JsonElement json, string name) =>
        json.ValueKind == JsonValueKind.Object && json.TryGetProperty(name, out var items) && items.ValueKind == JsonValueKind.Array
            ? [.. items.EnumerateArray()] : [];

    /// <summary>The whole number of this name; 0 if there is none.</summary>
    public static int Number(JsonElement json, string name) =>
        json.ValueKind == JsonValueKind.Object && json.TryGetProperty(name, out var number) && number.ValueKind == JsonValueKind.Number
        && number.TryGetInt32(out var value) ? value : 0;
}
