using Bunit;
using Microsoft.AspNetCore.Components;
using Portal.Controls;

namespace Portal.Tests.Pages;

/// <summary>What is typed belongs to the browser. (The effect of a slow connection is tested in Chromium.)</summary>
public sealed class TextBoxTests : PageTest
{
    private readonly List<string> _told = [];

    private IRenderedComponent<TextBox> Box(string value = "look", TimeSpan patience = default) => Render<TextBox>(p => p
        .Add(b => b.Id, "it").Add(b => b.Label, "Name").Add(b => b.Help, "Helps you tell").Add(b => b.Value, value).Add(b => b.Patience, patience)
        .Add(b => b.ValueChanged, EventCallback.Factory.Create<string>(this, _told.Add)));

    private static string? Shown(IRenderedComponent<TextBox> box) => box.Find("input").GetAttribute("value");

    [Fact]
    public void Typed_AnOlderValueComesBack_IsNotWrittenOverIt()
    {
        var box = Box();
        box.Find("input").Input("c");
        box.Find("input").Input("ca");

        box.Render(p => p.Add(b => b.Value, "ca"));
        box.Find("input").Input("cat");
        box.Render(p => p.Add(b => b.Help, "drawn anew while the page still has what it was told before"));

        Shown(box).ShouldBe("cat");
        _told.ShouldBe(["c", "ca", "cat"]);
    }

    [Fact]
    public void OtherValueFromOutside_IsPutIn()
    {
        var box = Box();
        box.Find("input").Input("mine");

        box.Render(p => p.Add(b => b.Value, "preset"));

        Shown(box).ShouldBe("preset");
    }

    [Fact]
    public void Patience_TellsOnceTypingRestsOrTheFieldIsLeft()
    {
        var box = Box(patience: TimeSpan.FromMilliseconds(250));
        box.Find("input").Input("c");
        box.Find("input").Input("ca");
        _told.ShouldBeEmpty();

        Clock.Advance(TimeSpan.FromMilliseconds(250));
        box.WaitForAssertion(() => _told.ShouldBe(["ca"]));
        box.Find("input").Input("cat");
        box.Find("input").Change("cat"); // as Enter and leaving the field do

        _told.ShouldBe(["ca", "cat"]);
    }

    [Fact]
    public void Error_IsTiedToTheField()
    {
        var box = Box();
        box.Find("input").GetAttribute("aria-describedby").ShouldBe("it-help");

        box.Render(p => p.Add(b => b.Error, "Taken."));

        var input = box.Find("input");
        (input.GetAttribute("aria-invalid"), input.GetAttribute("aria-describedby")).ShouldBe(("true", "it-error it-help"));
        box.Find("#it-error").TextContent.ShouldBe("Taken.");
        box.Find("label").GetAttribute("for").ShouldBe("it");
    }
}
