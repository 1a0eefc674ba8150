using Markdig;
using Markdig.Extensions.Tables;
using Markdig.Renderers;
using Markdig.Renderers.Html;
using Markdig.Syntax;
using Markdig.Syntax.Inlines;

namespace Portal.Features.Catalog;

/// <summary>
/// A guide's markdown as html that may stand in a page. Whoever writes a template is not whoever runs the portal: html in it is shown as text,
/// a link leads to the web or nowhere, and nothing is fetched from elsewhere.
/// </summary>
public static class GuideText
{
    private static readonly MarkdownPipeline Rules = new MarkdownPipelineBuilder().UsePipeTables().UseAutoLinks().DisableHtml().Build();

    public static string Html(string markdown)
    {
        var guide = Markdown.Parse(markdown, Rules);
        foreach (var node in guide.Descendants().ToList()) Tame(node);
        using var page = new StringWriter();
        var renderer = new HtmlRenderer(page);
        Rules.Setup(renderer);
        renderer.ObjectRenderers.FindExact<CodeBlockRenderer>()!.OutputAttributesOnPre = true;
        renderer.Render(guide);
        return page.ToString();
    }

    private static void Tame(MarkdownObject node)
    {
        switch (node)
        {
            // The page has the one title already.
            case HeadingBlock heading:
                heading.Level = Math.Min(heading.Level + 1, 6);
                break;
            // Long lines scroll in place, which the keyboard must reach.
            case CodeBlock code:
                code.GetAttributes().AddProperty("tabindex", "0");
                break;
            // Aligned columns would be style attributes.
            case Table table:
                table.ColumnDefinitions.Clear();
                break;
            case LinkInline { IsImage: false } link when IsOfTheWeb(link.Url):
            case AutolinkInline { IsEmail: false } auto when IsOfTheWeb(auto.Url):
                Outward(node);
                break;
            // What it says stays, and leads nowhere.
            case LinkInline link:
                link.ReplaceBy(new ContainerInline());
                break;
            case AutolinkInline auto:
                auto.ReplaceBy(new LiteralInline(auto.Url));
                break;
        }
    }

    private static bool IsOfTheWeb(string? url) => Uri.TryCreate(url, UriKind.Absolute, out var address) && address.Scheme is "https" or "http";

    private static void Outward(MarkdownObject link)
    {
        link.GetAttributes().AddProperty("target", "_blank");
        link.GetAttributes().AddProperty("rel", "noopener noreferrer");
    }
}
