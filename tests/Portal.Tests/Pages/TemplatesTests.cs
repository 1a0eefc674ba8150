using Bunit;
using Portal.Core.Catalog;
using Portal.Core.Offers;
using Portal.Core.Operations;
using Portal.Core.Quotas;
using Portal.Features.Operations;
using Portal.Features.Templates;

namespace Portal.Tests.Pages;

public sealed class TemplatesTests : PageTest
{
    private static readonly Guid Mine = Guid.Parse("00000000-0000-0000-0000-0000000000c1"), Theirs = Guid.Parse("00000000-0000-0000-0000-0000000000c2");

    private static TemplateRow Row(string? deprecated = null, bool offered = true, params Guid[] classes) =>
        new("spark", "Spark", new('a', 64), Now.AddDays(-1), 3, 2, offered, deprecated, [.. classes]);

    private IRenderedComponent<TemplateTable> Table(TemplateRow row, bool everywhere = true, Action<TemplateActionRequest>? request = null) =>
        Render<TemplateTable>(p => p
            .Add(t => t.View, new TemplatesView([row], [new(Mine, "Data science 101", "Informatics")], everywhere, []))
            .Add(t => t.OnAction, request ?? (_ => { })));

    [Fact]
    public void TemplateTable_Offered_ShowsVersionUseAndForWhom()
    {
        var requests = new List<TemplateActionRequest>();
        var table = Table(Row(), request: requests.Add);
        table.Find("code").TextContent.ShouldBe("aaaaaaaaaaaa");
        table.Markup.ShouldContain("5, including 2 on older versions");
        table.Markup.ShouldContain("All classes");
        table.FindAll("button").Select(b => b.TextContent.Trim()).ShouldBe(["Withdraw Spark", "Choose classes for Spark"]);
        table.FindAll("button")[0].Click();
        requests.Single().Action.ShouldBe(TemplateAction.Deprecate);
    }

    [Fact]
    public void TemplateTable_Withdrawn_SaysWhyAndOffersAgain()
    {
        var table = Table(Row("Take Spark 5."));
        table.Markup.ShouldContain("Take Spark 5.");
        table.Find(".badge").TextContent.Trim().ShouldBe("Withdrawn");
        table.FindAll("button")[0].TextContent.Trim().ShouldBe("Offer Spark again");
    }

    [Fact]
    public void TemplateTable_ForTheAdminOfOneOfManyDepartments_OffersOnlyWhatIsTheirs()
    {
        Table(Row(), everywhere: false).FindAll("button").ShouldBeEmpty();
        var restricted = Table(Row(null, true, Mine, Theirs), everywhere: false);
        restricted.FindAll("button").Select(b => b.TextContent.Trim()).ShouldBe(["Choose classes for Spark"]);
        restricted.Markup.ShouldContain("Data science 101, 1 in other departments");
    }

    [Fact]
    public void TemplateTable_FolderGone_SaysSo() => Table(Row(offered: false)).Find(".badge").TextContent.Trim().ShouldBe("Folder missing");

    [Fact]
    public void TemplateTable_None_SaysSo() =>
        Render<TemplateTable>(p => p.Add(t => t.View, new TemplatesView([], [], true, []))).Markup.ShouldContain("No template has been published yet.");

    [Fact]
    public void OperationsBody_FaultsOfTemplates_HaveFileLineFieldAndReason()
    {
        var view = new OperationsView(new([], null), new([], null), [], [])
        {
            TemplateFaults = [new() { File = "mine/template.yaml", Line = 12, Field = "roles[1].image", Reason = "is <b>missing</b>", SeenAt = Now }]
        };
        var cells = Render<OperationsBody>(p => p.Add(b => b.View, view)).Find("[aria-labelledby=template-faults] tbody tr").TextContent;
        foreach (var part in (string[])["mine/template.yaml", "12", "roles[1].image", "is <b>missing</b>"]) cells.ShouldContain(part);
    }
}
