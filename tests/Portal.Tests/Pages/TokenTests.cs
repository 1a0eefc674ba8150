using Portal.Theme;

namespace Portal.Tests.Pages;

public sealed class TokenTests
{
    public static TheoryData<string, string, string, double> Pairs()
    {
        var data = new TheoryData<string, string, string, double>();
        foreach (var t in (Tokens[])[Tokens.Light, Tokens.Dark])
        {
            foreach (var ground in (string[])[t.Ground, t.Surface, t.Sunken, t.Hover])
            {
                data.Add(t.Scheme, t.Text, ground, 4.5);
                data.Add(t.Scheme, t.Muted, ground, 4.5);
            }
            foreach (var tone in (Tone[])[t.Ready, t.Working, t.Waiting, t.Attention, t.Failed, t.Stopped])
            {
                data.Add(t.Scheme, tone.Mark, tone.Soft, 4.5);
                data.Add(t.Scheme, tone.Mark, t.Surface, 4.5);
                data.Add(t.Scheme, t.Text, tone.Soft, 4.5);
                data.Add(t.Scheme, t.Muted, tone.Soft, 4.5);
            }
            data.Add(t.Scheme, t.Attention.Mark, t.Ground, 4.5);
            data.Add(t.Scheme, t.Failed.Mark, t.Sunken, 4.5);
            data.Add(t.Scheme, t.Attention.Mark, t.Sunken, 4.5);
            foreach (var ground in (string[])[t.Surface, t.Ground, t.AccentSoft]) data.Add(t.Scheme, t.Accent, ground, 4.5);
            data.Add(t.Scheme, t.OnAccent, t.Accent, 4.5);
            data.Add(t.Scheme, t.OnAccent, t.AccentStrong, 4.5);
            data.Add(t.Scheme, t.Muted, t.AccentSoft, 4.5);
            data.Add(t.Scheme, t.InputLine, t.Surface, 3);
            data.Add(t.Scheme, t.InputLine, t.Ground, 3);
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void Tokens_Contrast_IsEnough(string scheme, string mark, string ground, double least) =>
        Ratio(mark, ground).ShouldBeGreaterThanOrEqualTo(least, $"{scheme}: {mark} on {ground}");

    private static double Ratio(string a, string b)
    {
        var (x, y) = (Light(a), Light(b));
        return (Math.Max(x, y) + .05) / (Math.Min(x, y) + .05);
    }

    /// <summary>Relative luminance of #rrggbb, as WCAG 2 defines it.</summary>
    private static double Light(string hex)
    {
        double Part(int at)
        {
            var c = Convert.ToInt32(hex.Substring(at, 2), 16) / 255.0;
            return c <= .04045 ? c / 12.92 : Math.Pow((c + .055) / 1.055, 2.4);
        }
        return (.2126 * Part(1)) + (.7152 * Part(3)) + (.0722 * Part(5));
    }
}
