using System.Security.Cryptography;
using System.Text;

namespace Portal.Theme;

/// <summary>
/// The style of the portal's few responses on an app's host. Small and inline, because nothing of the portal is served there;
/// a content security policy allows exactly this text and no other.
/// </summary>
public static class PlainStyle
{
    public static readonly string Css = $$"""
        html { {{Variables(Tokens.Light)}} }
        @media (prefers-color-scheme: dark) { html { {{Variables(Tokens.Dark)}} } }
        body {
          margin: 0;
          background: var(--ground);
          color: var(--text);
          font: 400 {{Scale.Values["text-14"]}}/1.5 {{Scale.Values["font-sans"]}};
          -webkit-font-smoothing: antialiased;
        }
        header {
          display: flex;
          align-items: center;
          gap: 8px;
          height: 56px;
          box-sizing: border-box;
          padding: 0 16px;
          border-bottom: 1px solid var(--line);
          background: var(--surface);
          font-size: 15px;
          font-weight: 600;
          letter-spacing: -.01em;
        }
        svg { color: var(--accent); }
        main { display: grid; gap: 16px; max-width: 720px; margin: 0 auto; box-sizing: border-box; padding: 32px; }
        h1 { margin: 0; font-size: {{Scale.Values["text-28"]}}; font-weight: 600; line-height: 1.2; letter-spacing: -.015em; }
        p { margin: 0; max-width: 72ch; }
        a { color: var(--accent); text-underline-offset: 3px; }
        :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
        @media (max-width: 599px) { main { padding: 24px 16px; } }

        """.ReplaceLineEndings("\n");

    /// <summary>The source expression of a content security policy that allows exactly this style.</summary>
    public static readonly string Source = $"'sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(Css)))}'";

    private static string Variables(Tokens t) =>
        $"color-scheme: {t.Scheme}; --ground: {t.Ground}; --surface: {t.Surface}; --line: {t.Line}; --text: {t.Text}; --accent: {t.Accent};";
}
