using Markdig;
using Markdig.Extensions.Tables;
using Markdig.Renderers;
using Markdig.Renderers.Html;
using Markdig.Syntax;
using Markdig.Syntax.Inlines;

namespace Portal.Features.Catalog;

/// <summary>
/// Renders a guide's markdown as safe html. A template's author need not be trusted as the portal's operator is: html in it is shown as text,
/// links lead only to the web, and nothing is loaded from elsewhere.
/// </summary>
public static class GuideText
{
    private static readonly MarkdownPipeline Rules = new MarkdownPipelineBuilder().UsePipeTables().UseAutoLinks().DisableHtml().Build();

    public static string Html(string markdown)
    {
        var guide = Markdown.Parse(markdown, Rules);
        foreach (var node in guide.Descendants().ToList()) Sanitize(node);
        using var page = new StringWriter();
        var renderer = new HtmlRenderer(page);
        Rules.Setup(renderer);
        renderer.ObjectRenderers.FindExact<CodeBlockRenderer>()!.OutputAttributesOnPre = true;
        renderer.Render(guide);
        return page.ToString();
    }

    private static void Sanitize(MarkdownObject node)
    {
        switch (node)
        {
            // The page already has its title.
            case HeadingBlock heading:
                heading.Level = Math.Min(heading.Level + 1, 6);
                break;
            // Long lines scroll in place, and must be reachable by keyboard.
            case CodeBlock code:
                code.GetAttributes().AddProperty("tabindex", "0");
                break;
            // Aligned columns would become style attributes.
            case Table table:
                table.ColumnDefinitions.Clear();
                break;
            case LinkInline { IsImage: false } link when IsOfTheWeb(link.Url):
            case AutolinkInline { IsEmail: false } auto when IsOfTheWeb(auto.Url):
                Outward(node);
                break;
            // Its text stays, without a link.
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
