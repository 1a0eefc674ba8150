using System.Text.Json;

namespace Portal.Jobs.Foreign;

/// <summary>Reads foreign JSON, in which nothing can be relied on.</summary>
public static class ForeignJson
{
    /// <summary>The text at the end of a path of names; null if there is none, or it has an unpaired surrogate.</summary>
    public static string? Text(JsonElement json, params ReadOnlySpan<string> path)
    {
        foreach (var name in path)
        {
            if (json.ValueKind != JsonValueKind.Object || !json.TryGetProperty(name, out json)) return null;
        }
        if (json.ValueKind != JsonValueKind.String) return null;
        try { return json.GetString(); }
        catch (InvalidOperationException) { return null; }
    }
}
