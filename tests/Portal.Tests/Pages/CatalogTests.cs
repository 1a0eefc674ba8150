using Bunit;
using Portal.Core.Catalog;
using Portal.Features.Catalog;

namespace Portal.Tests.Pages;

public sealed class CatalogTests : PageTest
{
    private IRenderedComponent<TemplateCard> Card(CatalogCard card) => Render<TemplateCard>(p => p.Add(c => c.Card, card));

    [Fact]
    public void TemplateCard_Available_LeadsToTheForm()
    {
        var card = Card(Views.Card(usual: TimeSpan.FromSeconds(9)));

        card.Find("a.template-act").GetAttribute("href").ShouldBe("launch/notebook");
        card.Markup.ShouldContain("usually ready in 9 s");
        card.Markup.ShouldContain("from 1 vCPU · 1 GiB");
    }

    [Fact]
    public void TemplateCard_NotAvailable_SaysWhyAndOffersNothing()
    {
        var card = Card(Views.Card("The container engine does not answer. Start it: systemctl start docker."));

        card.Find(".template-reason").TextContent.ShouldContain("systemctl start docker");
        card.Find("button.template-act").HasAttribute("disabled").ShouldBeTrue();
        card.FindAll("a.template-act").ShouldBeEmpty();
    }

    [Fact]
    public void TemplateCard_ImageBeingBuilt_ShowsProgress()
    {
        var card = Card(Views.Card("Its image is being built (42 %).", 42));

        card.Find(".building").TextContent.ShouldContain("42 %");
        card.Find(".building").TextContent.ShouldContain("Installing JupyterLab");
        card.Find("[role=progressbar]").GetAttribute("aria-label").ShouldBe("Building the image of Notebook");
    }

    [Fact]
    public void CatalogBody_Nothing_SaysWhatComes() =>
        Render<CatalogBody>(p => p.Add(c => c.Cards, [])).Markup.ShouldContain("they appear here by themselves");
}
