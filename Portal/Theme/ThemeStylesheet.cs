using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.FileProviders;
using MudBlazor;

namespace Portal.Theme;

/// <summary>
/// The portal's appearance as one stylesheet: available fonts, both themes selected by <c>html[data-theme]</c>, and the
/// css files next to shell, controls and features. It replaces MudThemeProvider, whose style element arrives only
/// when the circuit is up (a flash of the wrong theme) and needs a weaker CSP.
/// </summary>
public sealed class ThemeStylesheet
{
    private static readonly string[] Folders = ["css/Theme/base", "css/Shell/", "css/Access/", "css/Controls/", "css/Features/",
        "css/Theme/mud", "css/Theme/forced"];

    private readonly IReadOnlyList<FontFile> _fonts;

    /// <param name="files">wwwroot: a missing font file is not requested.</param>
    public ThemeStylesheet(IWebHostEnvironment files)
    {
        // The fonts are added after publishing, so the list of static files does not contain them.
        FontFile? sans = FontFile.Find(files.WebRootFileProvider, Scale.Sans, "inter", "100 900"),
            mono = FontFile.Find(files.WebRootFileProvider, Scale.Mono, "mono", "100 800");
        _fonts = [.. new[] { sans, mono }.OfType<FontFile>()];
        SansHref = sans?.Href;
        Css = string.Concat(_fonts.Select(f => f.Css)) + Themes() + string.Concat(Folders.SelectMany(Resources));
        Href = $"portal.{Hash(Encoding.UTF8.GetBytes(Css))}.css";
    }

    /// <summary>The whole stylesheet.</summary>
    public string Css { get; }

    /// <summary>Path under the site's root; it contains a hash of the content, so it may be cached forever.</summary>
    public string Href { get; }

    /// <summary>The sans font, if we serve it and it is worth a preload.</summary>
    public string? SansHref { get; }

    /// <summary>Serves the stylesheet and fonts, even to people who are not signed in.</summary>
    public static void Map(IEndpointRouteBuilder routes)
    {
        var sheet = routes.ServiceProvider.GetRequiredService<ThemeStylesheet>();
        routes.MapGet($"/{sheet.Href}", (HttpContext http) =>
        {
            KeepForEver(http);
            return Results.Text(sheet.Css, "text/css", Encoding.UTF8);
        }).AllowAnonymous();
        foreach (var font in sheet._fonts)
            routes.MapGet($"/{font.Href}", (HttpContext http) =>
            {
                KeepForEver(http);
                return Results.Bytes(font.Bytes, "font/woff2");
            }).AllowAnonymous();
    }

    private static void KeepForEver(HttpContext http) => http.Response.Headers.CacheControl = "public, max-age=31536000, immutable";

    private static string Hash(byte[] content) => Convert.ToHexStringLower(SHA256.HashData(content))[..12];

    /// <summary>One of our fonts: fonts/NAME.woff2 under wwwroot.</summary>
    private sealed record FontFile(string Href, string Css, byte[] Bytes)
    {
        public static FontFile? Find(IFileProvider files, string family, string name, string weights)
        {
            var file = files.GetFileInfo($"fonts/{name}.woff2");
            if (!file.Exists) return null;
            using var content = new MemoryStream();
            using (var stream = file.CreateReadStream()) stream.CopyTo(content);
            var bytes = content.ToArray();
            var href = $"{name}.{Hash(bytes)}.woff2";
            return new(href, $$"""
                @font-face {
                  font-family: "{{family}}";
                  src: url({{href}}) format("woff2");
                  font-weight: {{weights}};
                  font-display: swap;
                }{{"\n"}}
                """, bytes);
        }
    }

    private static string Themes()
    {
        var light = VariablesFor(Tokens.Light);
        var dark = VariablesFor(Tokens.Dark);
        return $$"""
            :root { {{string.Concat(Scale.Values.Select(v => $"--{v.Key}: {v.Value};"))}} }
            html { {{light}} }
            html[data-theme=dark] { {{dark}} }
            @media (prefers-color-scheme: dark) { html[data-theme=system] { {{dark}} } }

            """;
    }

    private static IEnumerable<string> Resources(string folder)
    {
        var assembly = typeof(ThemeStylesheet).Assembly;
        foreach (var name in assembly.GetManifestResourceNames().Where(n => n.StartsWith(folder, StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);
            yield return reader.ReadToEnd();
        }
    }

    private static string VariablesFor(Tokens t) =>
        $"color-scheme: {t.Scheme};"
        + $"--ground:{t.Ground};--surface:{t.Surface};--sunken:{t.Sunken};--hover:{t.Hover};--line:{t.Line};--input-line:{t.InputLine};"
        + $"--text:{t.Text};--muted:{t.Muted};--accent:{t.Accent};--accent-strong:{t.AccentStrong};--accent-soft:{t.AccentSoft};--on-accent:{t.OnAccent};"
        + Tone("ready", t.Ready) + Tone("working", t.Working) + Tone("waiting", t.Waiting)
        + Tone("attention", t.Attention) + Tone("failed", t.Failed) + Tone("stopped", t.Stopped)
        + $"--float:{t.Floating};--overlay:{t.Overlay};"
        + MudVariables.For(PortalTheme.For(t));

    private static string Tone(string name, Tone tone) => $"--{name}:{tone.Mark};--{name}-soft:{tone.Soft};";

    /// <summary>MudBlazor writes its variables in a protected method; deriving is the supported way to call it.</summary>
    private sealed class MudVariables : MudThemeProvider
    {
        public static string For(MudTheme theme)
        {
            var css = new StringBuilder();
#pragma warning disable BL0005 // Never rendered: this instance only writes text.
            new MudVariables { Theme = theme }.GenerateTheme(css);
#pragma warning restore BL0005
            return css.ToString().ReplaceLineEndings("");
        }
    }
}
