namespace Portal.Theme;

/// <summary>Every colour of the product, once for light and once for dark pages. No other code names a colour.</summary>
public sealed record Tokens
{
    public required string Scheme { get; init; }

    // Backgrounds, from the page upwards.
    public required string Ground { get; init; }
    public required string Surface { get; init; }
    public required string Sunken { get; init; }
    public required string Hover { get; init; }

    // Hairlines, and the stronger border of input fields (3:1).
    public required string Line { get; init; }
    public required string InputLine { get; init; }

    public required string Text { get; init; }
    public required string Muted { get; init; }

    public required string Accent { get; init; }
    public required string AccentStrong { get; init; }
    public required string AccentSoft { get; init; }
    public required string OnAccent { get; init; }

    public required Tone Ready { get; init; }
    public required Tone Working { get; init; }
    public required Tone Waiting { get; init; }
    public required Tone Attention { get; init; }
    public required Tone Failed { get; init; }
    public required Tone Stopped { get; init; }

    /// <summary>The one shadow, for floating elements: menus, dialogs, snackbars.</summary>
    public required string Floating { get; init; }

    /// <summary>Dims the page behind a dialog.</summary>
    public required string Overlay { get; init; }

    public static readonly Tokens Light = new()
    {
        Scheme = "light",
        Ground = "#f7f9fb",
        Surface = "#ffffff",
        Sunken = "#f0f3f7",
        Hover = "#eef2f6",
        Line = "#e1e7ee",
        InputLine = "#7d8ba0",
        Text = "#17202e",
        Muted = "#536176",
        Accent = "#0f6e67",
        AccentStrong = "#0b5650",
        AccentSoft = "#e3f2f0",
        OnAccent = "#ffffff",
        Ready = new("#157347", "#e6f4ec"),
        Working = new("#1f5fc4", "#e8f0fc"),
        Waiting = new("#605b8f", "#efeef7"),
        Attention = new("#8f5a06", "#fcf1dd"),
        Failed = new("#b3261e", "#fcebea"),
        Stopped = new("#566273", "#eceff3"),
        Floating = "0 1px 2px rgba(23,32,46,.06), 0 12px 32px rgba(23,32,46,.14)",
        Overlay = "rgba(10,15,22,.32)",
    };

    public static readonly Tokens Dark = new()
    {
        Scheme = "dark",
        Ground = "#151c26",
        Surface = "#1c2531",
        Sunken = "#121820",
        Hover = "#253040",
        Line = "#2d3948",
        InputLine = "#74839a",
        Text = "#e7ecf3",
        Muted = "#a6b2c3",
        Accent = "#5cc8ba",
        AccentStrong = "#7ad8cc",
        AccentSoft = "#17383b",
        OnAccent = "#06211e",
        Ready = new("#63cb91", "#173529"),
        Working = new("#8db8f7", "#1b304d"),
        Waiting = new("#bab5e6", "#2c2d47"),
        Attention = new("#efb65c", "#3a2f1b"),
        Failed = new("#f5938d", "#42262b"),
        Stopped = new("#a9b5c4", "#2a3441"),
        Floating = "0 1px 2px rgba(0,0,0,.3), 0 16px 40px rgba(0,0,0,.45)",
        Overlay = "rgba(10,15,22,.55)",
    };
}

/// <summary>A status colour: the mark and its text, and the quiet background behind them.</summary>
public sealed record Tone(string Mark, string Soft);

/// <summary>What does not change with the theme: type, space, shape, motion.</summary>
public static class Scale
{
    public const string Sans = "Portal Sans";
    public const string Mono = "Portal Mono";

    /// <summary>Css custom properties by name, without the leading hyphens.</summary>
    public static readonly IReadOnlyDictionary<string, string> Values = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["font-sans"] = $"'{Sans}', Inter, system-ui, sans-serif",
        ["font-mono"] = $"'{Mono}', 'JetBrains Mono', ui-monospace, monospace",
        ["text-12"] = ".75rem",
        ["text-13"] = ".8125rem",
        ["text-14"] = ".875rem",
        ["text-16"] = "1rem",
        ["text-20"] = "1.25rem",
        ["text-28"] = "1.75rem",
        ["space-4"] = "4px",
        ["space-8"] = "8px",
        ["space-12"] = "12px",
        ["space-16"] = "16px",
        ["space-24"] = "24px",
        ["space-32"] = "32px",
        ["space-48"] = "48px",
        ["radius"] = "8px",
        ["radius-card"] = "12px",
        ["radius-pill"] = "999px",
        ["motion"] = "150ms cubic-bezier(.2,0,0,1)",
    };
}
