using MudBlazor;

namespace Portal.Theme;

/// <summary>Translates our tokens into MudBlazor's. The only place that knows both.</summary>
public static class PortalTheme
{
    /// <summary>One theme for one scheme: MudBlazor writes only its light palette, so the dark tokens are passed as that.</summary>
    public static MudTheme For(Tokens tokens) => new()
    {
        PaletteLight = PaletteFor(tokens),
        Typography = Typography(),
        Shadows = new Shadow { Elevation = Elevations(tokens.Floating) },
        LayoutProperties = new LayoutProperties
        {
            DefaultBorderRadius = "8px",
            AppbarHeight = "56px",
            DrawerWidthLeft = "232px",
            DrawerMiniWidthLeft = "64px",
        },
    };

    private static PaletteLight PaletteFor(Tokens t) => new()
    {
        Primary = t.Accent,
        PrimaryContrastText = t.OnAccent,
        PrimaryDarken = t.AccentStrong,
        PrimaryLighten = t.AccentSoft,
        Secondary = t.Muted,
        SecondaryContrastText = t.Surface,
        Tertiary = t.Waiting.Mark,
        TertiaryContrastText = t.Surface,
        Success = t.Ready.Mark,
        SuccessContrastText = t.Surface,
        Info = t.Working.Mark,
        InfoContrastText = t.Surface,
        Warning = t.Attention.Mark,
        WarningContrastText = t.Surface,
        Error = t.Failed.Mark,
        ErrorContrastText = t.Surface,
        ErrorDarken = t.Failed.Mark,
        Dark = t.Text,
        DarkContrastText = t.Surface,
        Background = t.Ground,
        BackgroundGray = t.Sunken,
        Surface = t.Surface,
        AppbarBackground = t.Surface,
        AppbarText = t.Text,
        DrawerBackground = t.Surface,
        DrawerText = t.Muted,
        DrawerIcon = t.Muted,
        TextPrimary = t.Text,
        TextSecondary = t.Muted,
        TextDisabled = t.Muted,
        ActionDefault = t.Muted,
        ActionDisabled = t.Muted,
        ActionDisabledBackground = t.Sunken,
        LinesDefault = t.Line,
        LinesInputs = t.InputLine,
        Divider = t.Line,
        DividerLight = t.Line,
        TableLines = t.Line,
        TableHover = t.Hover,
        TableStriped = t.Sunken,
        Skeleton = t.Line,
        GrayDefault = t.Muted,
        GrayLight = t.InputLine,
        GrayLighter = t.Line,
        GrayDark = t.Muted,
        GrayDarker = t.Text,
        OverlayDark = t.Overlay,
        OverlayLight = t.Overlay,
        HoverOpacity = 0.08,
        RippleOpacity = 0,
        RippleOpacitySecondary = 0,
        BorderOpacity = 1,
    };

    private static Typography Typography()
    {
        string[] sans = [$"'{Scale.Sans}'", "Inter", "system-ui", "sans-serif"];
        return new Typography
        {
            Default = new DefaultTypography { FontFamily = sans, FontSize = ".875rem", FontWeight = "400", LineHeight = "1.5", LetterSpacing = "normal" },
            H1 = new H1Typography { FontFamily = sans, FontSize = "1.75rem", FontWeight = "600", LineHeight = "1.2", LetterSpacing = "-.015em" },
            H2 = new H2Typography { FontFamily = sans, FontSize = "1.25rem", FontWeight = "600", LineHeight = "1.3", LetterSpacing = "-.01em" },
            H3 = new H3Typography { FontFamily = sans, FontSize = "1rem", FontWeight = "600", LineHeight = "1.4", LetterSpacing = "normal" },
            H6 = new H6Typography { FontFamily = sans, FontSize = "1.25rem", FontWeight = "600", LineHeight = "1.3", LetterSpacing = "-.01em" },
            Subtitle1 = new Subtitle1Typography { FontFamily = sans, FontSize = "1rem", FontWeight = "500", LineHeight = "1.5", LetterSpacing = "normal" },
            Subtitle2 = new Subtitle2Typography { FontFamily = sans, FontSize = ".875rem", FontWeight = "600", LineHeight = "1.5", LetterSpacing = "normal" },
            Body1 = new Body1Typography { FontFamily = sans, FontSize = ".875rem", LineHeight = "1.5", LetterSpacing = "normal" },
            Body2 = new Body2Typography { FontFamily = sans, FontSize = ".8125rem", LineHeight = "1.5", LetterSpacing = "normal" },
            Caption = new CaptionTypography { FontFamily = sans, FontSize = ".75rem", LineHeight = "1.4", LetterSpacing = "normal" },
            Button = new ButtonTypography
            {
                FontFamily = sans,
                FontSize = ".875rem",
                FontWeight = "500",
                LineHeight = "1.25rem",
                LetterSpacing = "normal",
                TextTransform = "none"
            },
        };
    }

    /// <summary>MudBlazor has 26 elevations; we use two: on the page, and floating above it.</summary>
    private static string[] Elevations(string floating) =>
        [.. Enumerable.Range(0, 26).Select(height => height < 6 ? "none" : floating)];
}
