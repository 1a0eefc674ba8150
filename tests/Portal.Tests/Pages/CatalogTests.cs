using Bunit;
using Portal.Controls;
using Portal.Core.Catalog;
using Portal.Core.Offers;
using Portal.Features.Catalog;

namespace Portal.Tests.Pages;

public sealed class CatalogTests : PageTest
{
    private IRenderedComponent<TemplateCard> Card(CatalogCard card) => Render<TemplateCard>(p => p.Add(c => c.Card, card));

    [Fact]
    public void TemplateCard_Available_LeadsToTheForm()
    {
        var card = Card(Views.Card(usual: TimeSpan.FromSeconds(9)));

        card.Find("a.template-action").GetAttribute("href").ShouldBe("launch/notebook");
        card.Markup.ShouldContain("usually ready in 9 s");
        card.Markup.ShouldContain("at least 1 vCPU · 1 GiB");
    }

    [Fact]
    public void TemplateCard_NotAvailable_SaysWhyAndOffersNothing()
    {
        var card = Card(Views.Card("The container engine does not answer. Start it: systemctl start docker."));

        card.Find(".template-reason").TextContent.ShouldContain("systemctl start docker");
        card.Find("button.template-action").HasAttribute("disabled").ShouldBeTrue();
        card.FindAll("a.template-action").ShouldBeEmpty();
    }

    [Fact]
    public void TemplateCard_ImageBeingBuilt_ShowsProgress()
    {
        var card = Card(Views.Card("Its image is being built (42%).", 42));

        card.Find(".building").TextContent.ShouldContain("42%");
        card.Find(".building [role=status]").TextContent.ShouldBe("Building the image: Installing JupyterLab");
        card.Find("[role=progressbar]").GetAttribute("aria-label").ShouldBe("Building the image for Notebook");
    }

    [Fact]
    public void TemplateCard_WithGuideAndWorkers_SaysHowManyAndLeadsToIt()
    {
        var card = Card(Views.Card() with { Spec = Views.Spark, Guide = "# Begin" });

        card.Find(".facts").TextContent.ShouldContain("1 to 8");
        card.Find("a.template-guide").GetAttribute("href").ShouldBe("catalog/spark");
        card.Find("a.template-guide").TextContent.ShouldBe("Read the Spark guide");
    }

    [Fact]
    public void TemplateCard_WithoutGuide_LeadsToNone() => Card(Views.Card()).FindAll("a.template-guide").ShouldBeEmpty();

    [Theory]
    [InlineData("notebook")]
    [InlineData("spark")]
    [InlineData("hadoop")]
    [InlineData("dask")]
    [InlineData("slurm")]
    public void TemplateMark_EachEngine_HasItsOwn(string template) =>
        ((string[])["notebook", "spark", "hadoop", "dask", "slurm", "something else"])
            .Count(other => TemplateMark.Mark(other) == TemplateMark.Mark(template))
            .ShouldBe(1);

    [Fact]
    public void GuideBody_NoGuide_SaysSoAndStillOffersTheTemplate()
    {
        var body = Render<GuideBody>(p => p.Add(b => b.Card, Views.Card()));

        body.Find(".face").TextContent.ShouldContain("There is no guide for Notebook yet.");
        body.Find("a.template-action").GetAttribute("href").ShouldBe("launch/notebook");
    }

    [Fact]
    public void GuideBody_Markdown_IsDrawnBelowTheTitleOfThePage()
    {
        var guide = Render<GuideBody>(p =>
            p.Add(b => b.Card, Views.Card() with
            {
                Guide =
                "# Begin\n\nOpen `taxi.ipynb`.\n\n| a | b |\n|:-:|--:|\n| 1 | 2 |\n\n```python\nprint(1)\n```\n\nSee <https://spark.apache.org>."
            }))
            .Find(".guide");

        guide.QuerySelectorAll("h1").ShouldBeEmpty();
        guide.QuerySelector("h2")!.TextContent.ShouldBe("Begin");
        guide.QuerySelectorAll("td").Select(c => c.TextContent).ShouldBe(["1", "2"]);
        guide.QuerySelector("pre")!.GetAttribute("tabindex").ShouldBe("0");
        guide.QuerySelector("a")!.GetAttribute("rel").ShouldBe("noopener noreferrer");
        guide.InnerHtml.ShouldNotContain("style");
    }

    [Theory]
    [InlineData("<script>alert(1)</script>")]
    [InlineData("text <img src=x onerror=alert(1)> text")]
    [InlineData("[click](javascript:alert(1))")]
    [InlineData("[click](  JaVaScRiPt:alert(1))")]
    [InlineData("[click](data:text/html;base64,AAAA)")]
    [InlineData("<javascript:alert(1)>")]
    [InlineData("![picture](https://elsewhere.example/pixel.png)")]
    [InlineData("[click][1]\n\n[1]: vbscript:alert(1)")]
    [InlineData("<style>body { display: none }</style>")]
    [InlineData("<a href='javascript:alert(1)' onclick='alert(1)'>click</a>")]
    [InlineData("[out](//elsewhere.example/)")]
    public void GuideText_Hostile_MakesNothingThatActs(string markdown)
    {
        var page = Render(b => b.AddMarkupContent(0, "<div>" + GuideText.Html(markdown) + "</div>"));

        page.FindAll("script, img, style, iframe, a").ShouldBeEmpty();
        page.FindAll("*").SelectMany(e => e.Attributes).ShouldNotContain(a => a.Name.StartsWith("on", StringComparison.Ordinal) || a.Name == "style");
    }

    [Fact]
    public void GuideText_PictureAndLinkAside_KeepTheirWords() =>
        GuideText.Html("![a picture](x.png) and [a page](other.md)").ShouldContain("a picture and a page");

    [Fact]
    public void CatalogBody_Nothing_SaysWhatComes() =>
        Render<CatalogBody>(p => p.Add(c => c.Cards, [])).Markup.ShouldContain("Templates appear here as soon as");
}
