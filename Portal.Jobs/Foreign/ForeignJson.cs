using System.Text.Json;

namespace Portal.Jobs.Foreign;

/// <summary>Looks into JSON that others wrote, in which nothing need be what it should.</summary>
public static class ForeignJson
{
    /// <summary>The text at the end of a path of names; null when there is none, or half of a surrogate pair in it.</summary>
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
