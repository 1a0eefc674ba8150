using AngleSharp.Dom;
using Bunit;
using Microsoft.AspNetCore.Components;
using Portal.Controls;
using Portal.Core.Policy;
using Portal.Core.Quotas;
using Portal.Core.Workspaces;
using Portal.Features.Launch;

namespace Portal.Tests.Pages;

/// <summary>The form for a template with workers, settings and presets.</summary>
public sealed class ClusterFormTests : PageTest
{
    private static readonly LaunchDraft Draft = Begin("");
    private readonly List<LaunchDraft> _changed = [];

    private static LaunchDraft Begin(string query) => LaunchDraft.Begin(Guid.Empty, Views.Spark, Views.Class, [], Link(query));

    private static LaunchLink Link(string query) => LaunchLink.Read("http://portal.localhost/launch/spark" + query);

    private static Receipt Receipt(Refusal? limit = null) => new(new(4, 2048, 2, 1), Views.Class.Quotas, limit, 0, null, false, 2, 2);

    private IRenderedComponent<LaunchForm> Form(LaunchDraft? draft = null, Refusal? refusal = null, Refusal? limit = null) => Render<LaunchForm>(p => p
        .Add(f => f.Draft, draft ?? Draft)
        .Add(f => f.Template, Views.Spark)
        .Add(f => f.Class, Views.Class)
        .Add(f => f.Refusal, refusal)
        .Add(f => f.Receipt, Receipt(limit))
        .Add(f => f.OnChange, EventCallback.Factory.Create<LaunchDraft>(this, _changed.Add)));

    private IRenderedComponent<ReceiptPanel> Panel(LaunchDraft draft, Refusal? limit = null, Action<Fit>? fit = null) => Render<ReceiptPanel>(p => p
        .Add(r => r.Draft, draft)
        .Add(r => r.Template, Views.Spark)
        .Add(r => r.Class, Views.Class)
        .Add(r => r.Receipt, Receipt(limit))
        .Add(r => r.OnFit, EventCallback.Factory.Create<Fit>(this, fit ?? (_ => { }))));

    private static IElement Field(IRenderedComponent<LaunchForm> form, string label) =>
        form.FindAll(".text-box").Single(c => c.QuerySelector("label")?.TextContent.Trim() == label);

    [Fact]
    public void PresetCards_OneClick_FillsSizeWorkersAndSettings()
    {
        var form = Form(Draft.Set(Views.Spark.Parameters[1], "all"));
        form.FindAll(".preset").Select(p => p.GetAttribute("aria-pressed")).ShouldBe(["false", "false"]);
        form.FindAll(".preset")[1].TextContent.ShouldContain("Medium · 4 workers");

        form.FindAll(".preset")[1].Click();

        var draft = _changed.ShouldHaveSingleItem();
        (draft.SizeId, draft.Workers).ShouldBe(("m", 4));
        draft.Parameters.ShouldBe(new Dictionary<string, string> { ["shuffle"] = "64" });
        Form(draft).FindAll(".preset").Select(p => p.GetAttribute("aria-pressed")).ShouldBe(["false", "true"]);
        Form(draft with { Workers = 5 }).FindAll(".preset").Select(p => p.GetAttribute("aria-pressed")).ShouldBe(["false", "false"]);
    }

    [Fact]
    public void WorkersChoice_SliderAndButtons_CountWithinTheBounds()
    {
        var form = Form();
        var slider = form.Find("input[type=range]");
        (slider.GetAttribute("min"), slider.GetAttribute("max"), slider.GetAttribute("aria-valuetext")).ShouldBe(("1", "8", "2 workers"));
        form.Find($"label[for={slider.Id}]").TextContent.ShouldBe("Workers");

        slider.Input("5");
        form.Find("button[aria-label='One more worker']").Click();
        form.Find("button[aria-label='One fewer worker']").Click();

        _changed.Select(d => d.Workers).ShouldBe([5, 3, 1]);
    }

    [Theory]
    [InlineData(1, "One fewer worker")]
    [InlineData(8, "One more worker")]
    public void WorkersChoice_AtABound_TakesNoFurtherStep(int workers, string button)
    {
        var form = Form(Draft with { Workers = workers });
        var end = form.Find($"button[aria-label='{button}']");

        end.GetAttribute("aria-disabled").ShouldBe("true");
        end.Click();

        _changed.ShouldBeEmpty();
    }

    [Theory]
    [InlineData(RefusalReason.OverQuota, "At most 3 right now. You do not have enough vCPU left in Data science 101. Stop notebook-1 to make it fit.")]
    [InlineData(RefusalReason.NeverPossible, "At most 3 here. The machines here do not have this much vCPU.")]
    public void WorkersChoice_MoreThanFit_CannotBeChosenAndSaysWhy(RefusalReason reason, string why)
    {
        var more = new Refusal(reason, "size", QuotaLevel.Member, Resource.Vcpu)
        {
            Stop = reason is RefusalReason.OverQuota ? ["notebook-1"] : [],
        };
        var limits = new ChoiceLimits(new Dictionary<string, Refusal>(StringComparer.Ordinal), 3, more);
        var form = Render<LaunchForm>(p => p.Add(f => f.Draft, Draft with { Workers = 3 }).Add(f => f.Template, Views.Spark).Add(f => f.Class, Views.Class)
            .Add(f => f.Receipt, Receipt() with { Limits = limits })
            .Add(f => f.OnChange, EventCallback.Factory.Create<LaunchDraft>(this, _changed.Add)));

        form.Find("input[type=range]").GetAttribute("max").ShouldBe("3");
        form.Find("button[aria-label='One more worker']").GetAttribute("aria-disabled").ShouldBe("true");
        form.Find("button[aria-label='One more worker']").Click();
        _changed.ShouldBeEmpty();
        form.Find("#workers-description .choice-why").TextContent.ShouldBe(why);
    }

    [Fact]
    public void ParameterFields_EachType_HasItsControl()
    {
        var form = Form();

        var number = Field(form, "Partitions").QuerySelector("input")!;
        (number.GetAttribute("type"), number.GetAttribute("min"), number.GetAttribute("max"),
            number.GetAttribute("value")).ShouldBe(("number", "1", "2000", "8"));
        Field(form, "Partitions").TextContent.ShouldContain("More for large tables. From 1 to 2000.");
        form.FindAll("input[name='p.share']").Select(i => i.GetAttribute("value")).ShouldBe(["half", "all"]);
        form.Find("select").QuerySelectorAll("option").Length.ShouldBe(5);
        form.Find(".setting-switch input").HasAttribute("checked").ShouldBeTrue();
        Field(form, "Name of the store").QuerySelector("input")!.GetAttribute("value").ShouldBe("tables");
    }

    [Fact]
    public void ParameterFields_Changed_KeepOnlyWhatDiffersFromTheDefault()
    {
        var form = Form();

        form.Find("input[name='p.share'][value=all]").Change("all");
        form.Find("select").Change("Europe/Berlin");
        form.Find(".setting-switch input").Change(false);

        _changed.Select(d => d.Parameters.Single()).ShouldBe([new("share", "all"), new("zone", "Europe/Berlin"), new("keep", "false")]);
        _changed[0].Set(Views.Spark.Parameters[1], "half").Parameters.ShouldBeEmpty();
    }

    [Fact]
    public void ParameterFields_WhatItDependsOnIsOff_IsNeitherShownNorSent()
    {
        var draft = Begin("?p.store=mine&p.keep=false");

        Form(draft).Markup.ShouldNotContain("Name of the store");
        draft.Used(Views.Spark).Keys.ShouldBe(["keep"]);
        draft.Set(Views.Spark.Parameters[3], "true").Used(Views.Spark).ShouldBe(new Dictionary<string, string> { ["store"] = "mine" });
    }

    [Theory]
    [InlineData("shuffle", "0", "Too small: enter 1 or more.")]
    [InlineData("shuffle", "2001", "Too large: enter 2000 or less.")]
    [InlineData("shuffle", "many", "This is not a number. Enter one, such as 8.")]
    [InlineData("shuffle", "", "This is not a number. Enter one, such as 8.")]
    [InlineData("store", "abcdefghijklm", "Too long: enter at most 12 characters.")]
    [InlineData("store", "$(id)", "This does not match the required format.")]
    [InlineData("store", "a\u0007", "Invisible characters")]
    public void ParameterFields_WrongValue_IsSaidAtTheFieldWithTheRemedy(string parameter, string value, string words)
    {
        var spec = Views.Spark.Parameters.First(p => p.Id == parameter);
        var form = Form(Draft.Set(spec, value));

        Field(form, spec.Title).TextContent.ShouldContain(words);
        Field(form, spec.Title).QuerySelector("input")!.GetAttribute("aria-invalid").ShouldBe("true");
        form.Find(".setting-out button").TextContent.ShouldBe($"Reset {spec.Title} to {spec.Default}");
        form.Find(".setting-out button").Click();
        _changed.ShouldHaveSingleItem().Parameters.ShouldBeEmpty();
    }

    [Fact]
    public void ParameterFields_RefusedByTheVerb_SaysItAtTheField()
    {
        var refusal = new Refusal(RefusalReason.ParameterWrong, "p.shuffle") { Parameter = new("shuffle", ParameterMistake.TooLarge, "4") };

        Field(Form(refusal: refusal), "Partitions").TextContent.ShouldContain("Too large: enter 4 or less.");
        Panel(Draft, refusal).Find(".limit-note").TextContent.ShouldContain("Partitions: Too large: enter 4 or less.");
        Panel(Draft, refusal).Find(".limit-note").TextContent.ShouldContain("Change it in the form, or reset it.");
    }

    [Fact]
    public void LaunchForm_WorkersRefused_SaysTheRangeAtTheWorkers() =>
        Form(limit: new(RefusalReason.WorkersUnknown, "workers")).Find(".field-error").TextContent.ShouldBe("Spark can have 1 to 8 workers.");

    [Fact]
    public void Receipt_Cluster_ShowsEveryNodeAndNamesTheAct()
    {
        var panel = Panel(Draft with { Workers = 3 });

        panel.FindAll(".node").Select(n => n.GetAttribute("title")).ShouldBe(["notebook", "master", "worker0", "worker1", "worker2"]);
        panel.Find(".nodes").GetAttribute("aria-label").ShouldBe("5 nodes, 5 vCPU · 2.5 GiB in total: notebook, master, 3 × worker");
        panel.FindAll("[role=img][aria-label^=Storage]").Count.ShouldBe(1);
        panel.Find("button[type=submit]").TextContent.Trim().ShouldBe("Launch Spark with 3 workers");
        Panel(Draft with { Workers = 1 }).Find("button[type=submit]").TextContent.Trim().ShouldBe("Launch Spark with 1 worker");
    }

    [Theory]
    [InlineData("s", 3, "3 workers fit")]
    [InlineData("s", 1, "1 worker fits")]
    [InlineData("m", 1, "Medium with 1 worker fits (6 vCPU · 3 GiB)")]
    public void Receipt_FewerWorkersFit_IsAButton(string size, int workers, string words)
    {
        Fit? taken = null;
        var panel = Panel(Draft with { Workers = 8 }, new(RefusalReason.OverQuota, "size", QuotaLevel.Member, Resource.Vcpu, new(size, workers)),
            fit => taken = fit);

        panel.Find(".limit-note button").TextContent.Trim().ShouldBe(words);
        panel.Find(".limit-note button").Click();
        taken.ShouldBe(new Fit(size, workers));
    }

    [Fact]
    public void LaunchLink_WhatItSays_FillsTheForm()
    {
        var draft = Begin("?preset=big&workers=6&p.share=all&p.store=mine&name=links&hours=2");

        (draft.SizeId, draft.Workers, draft.Name, draft.Hours).ShouldBe(("m", 6, "links", 2));
        draft.Parameters.ShouldBe(new Dictionary<string, string> { ["shuffle"] = "64", ["share"] = "all", ["store"] = "mine" }, ignoreOrder: true);
        Link("?preset=big&workers=6&p.share=all").LeftOut(Views.Spark, Views.Class).ShouldBeEmpty();
    }

    [Theory]
    [InlineData("?workers=9", "workers=9")]
    [InlineData("?workers=many", "workers=many")]
    [InlineData("?workers=99999999999999999999", "workers=99999999999999999999")]
    [InlineData("?preset=none", "preset=none")]
    [InlineData("?size=xl&hours=0", "size=xl", "hours=0")]
    [InlineData("?p.nothing=1&p.share=third&p.keep=yes", "p.nothing=1", "p.share=third", "p.keep=yes")]
    [InlineData("?p.=1&p.shuffle=7", "p.=1")]
    public void LaunchLink_WhatHasNoPlace_IsLeftOutAndSaid(string query, params string[] leftOut)
    {
        Link(query).LeftOut(Views.Spark, Views.Class).ShouldBe(leftOut);
        var draft = Begin(query);
        (draft.SizeId, draft.Workers, draft.Hours).ShouldBe(("s", 2, 4));
        draft.Parameters.Keys.ShouldBe(query.Contains("shuffle", StringComparison.Ordinal) ? ["shuffle"] : []);
    }

    [Fact]
    public void LaunchLink_EndlessWords_AreSaidShortly()
    {
        var leftOut = Link("?" + string.Join('&', Enumerable.Range(0, 50).Select(i => $"p.a{i}={new string('x', 500)}"))).LeftOut(Views.Spark, Views.Class);

        leftOut.Count.ShouldBe(5);
        leftOut.ShouldAllBe(s => s.Length <= 41);
    }

    [Fact]
    public void LaunchLink_WrongTextOrNumber_StaysInItsFieldWithTheMistake() =>
        Field(Form(Begin("?p.shuffle=%27%3B%20drop")), "Partitions").TextContent.ShouldContain("This is not a number.");

    [Fact]
    public void LaunchLink_Defaults_AreLeftOutOfTheAddress()
    {
        LaunchLink.To(Draft with { Name = "a b" }, Views.Spark, Views.Class).ShouldBe("launch/spark?id=00000000-0000-0000-0000-000000000000&name=a%20b");
        LaunchLink.To(Begin("?size=m&workers=3&p.shuffle=9&p.share=half&hours=8&name=n"), Views.Spark, Views.Class)
            .ShouldBe("launch/spark?id=00000000-0000-0000-0000-000000000000&name=n&size=m&workers=3&hours=8&p.shuffle=9");
    }

    [Theory]
    [InlineData("?preset=big&p.store=%C3%A4%26%3D%3F%23+x&workers=8&hours=12&name=n")]
    [InlineData("?size=m&p.keep=false&name=n")]
    [InlineData("?p.shuffle=&name=n")]
    public void LaunchLink_ThereAndBack_LosesNothing(string query)
    {
        var draft = Begin(query);

        var back = LaunchDraft.Begin(Guid.Empty, Views.Spark, Views.Class, [],
            LaunchLink.Read("http://portal.localhost/" + LaunchLink.To(draft, Views.Spark, Views.Class)));

        back.Parameters.ShouldBe(draft.Parameters, ignoreOrder: true);
        (back with { Parameters = draft.Parameters }).ShouldBe(draft);
    }
}
