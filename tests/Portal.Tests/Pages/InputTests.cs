using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Bunit;
using Microsoft.AspNetCore.Components;
using Microsoft.AspNetCore.Components.Rendering;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Localization;
using Portal.Controls;
using Portal.Core.Policy;
using Portal.Core.Quotas;
using Portal.Features.Workspaces;

namespace Portal.Tests.Pages;

/// <summary>What is chosen belongs to the browser: a response from the server does not take it back. (The effect is tested in Chromium.)</summary>
public sealed partial class InputTests : PageTest
{
    /// <summary>The controls that are tried on a slow connection. An input of any other kind would be tried by nobody who forgets to.</summary>
    private static readonly string[] Controls =
    [
        "Controls/Choices.razor: input", "Controls/TextBox.razor: input", "Controls/TextBox.razor: textarea", "Controls/Toggle.razor: input",
        "Controls/WorkersChoice.razor: input", "Shell/CommandSearch.razor: input", "Features/Launch/ParameterField.razor: select",
        "Access/SignInPage.razor: input", // hidden
    ];

    private readonly List<string> _told = [];

    [Fact]
    public void Choices_Chosen_AreNotWrittenBackAndOthersAreShown()
    {
        var choices = Render<Choices<string>>(p => p.Add(c => c.Options, ["s", "m", "l"]).Add(c => c.Name, "size").Add(c => c.Value, "s")
            .Add(c => c.ChildContent, Label).Add(c => c.ValueChanged, EventCallback.Factory.Create<string>(this, _told.Add)));
        Shown(choices).ShouldBe("s");

        choices.Find("input[value=m]").Change("m");
        choices.Render(p => p.Add(c => c.Value, "m"));
        choices.Find("input[value=l]").Change("l");
        choices.Render(p => p.Add(c => c.IsOff, option => option == "s"));

        // The browser shows what was clicked; what it was given in the beginning is not given again.
        Shown(choices).ShouldBe("s");
        _told.ShouldBe(["m", "l"]);
        choices.Render(p => p.Add(c => c.Value, "l"));
        Shown(choices).ShouldBe("s");
        // As a preset does, also one that wants what the browser was given in the beginning.
        var before = choices.Find("input[value=s]");
        choices.Render(p => p.Add(c => c.Value, "s"));
        Shown(choices).ShouldBe("s");
        choices.Find("input[value=s]").ShouldNotBeSameAs(before, "a new element shows it");
    }

    [Fact]
    public void Toggle_Changed_TellsAndFollowsWhatComesFromElsewhere()
    {
        var toggle = Render<Toggle>(p => p.Add(t => t.Label, "Follow").Add(t => t.Value, true)
            .Add(t => t.ValueChanged, EventCallback.Factory.Create<bool>(this, on => _told.Add(on ? "on" : "off"))));
        var input = toggle.Find("input[type=checkbox][role=switch]");
        input.HasAttribute("checked").ShouldBeTrue();
        toggle.Find("label").TextContent.Trim().ShouldBe("Follow");

        toggle.Find("input").Change(false);
        toggle.Find("input").Change(true);
        _told.ShouldBe(["off", "on"]);
        toggle.Render(p => p.Add(t => t.Value, false));
        toggle.Find("input").HasAttribute("checked").ShouldBeFalse();
    }

    [Fact]
    public void EveryInput_OfThePages_IsOneOfTheControls()
    {
        var root = Path.GetFullPath(Path.Combine(Folder(), "../../../Portal"));
        var found = from file in Directory.EnumerateFiles(root, "*.razor", SearchOption.AllDirectories)
                    from match in Element().Matches(File.ReadAllText(file))
                    select $"{Path.GetRelativePath(root, file)}: {match.Groups["name"].Value}";

        found.Distinct(StringComparer.Ordinal).ShouldBe(Controls, ignoreOrder: true);
    }

    [Theory]
    [InlineData(RefusalReason.OverQuota, 3, new[] { "mine" },
        "It does not fit: your own quota does not have enough vCPU left. Stop mine first. 3 workers would fit.")]
    [InlineData(RefusalReason.OverQuota, 1, new string[0], "It does not fit: your own quota does not have enough vCPU left. 1 worker would fit.")]
    [InlineData(RefusalReason.NeverPossible, 2, new string[0], "The machines here do not have this much vCPU. 2 workers would fit.")]
    [InlineData(RefusalReason.NeverPossible, 0, new string[0], "The machines here do not have this much vCPU.")]
    public void Resize_DoesNotFit_SaysWhyWhatToStopAndHowManyFit(RefusalReason reason, int fits, string[] stop, string words) =>
        RefusalText.OfResize(
            new(reason, "size", QuotaLevel.Member, Resource.Vcpu, fits == 0 ? null : new("s", fits)) { Stop = [.. stop] },
            Services.GetRequiredService<IStringLocalizer<WorkspaceTexts>>()).ShouldBe(words);

    private static string? Shown(IRenderedComponent<Choices<string>> choices) => choices.Find("input[checked]").GetAttribute("value");

    private static RenderFragment Label(string option) => (RenderTreeBuilder builder) => builder.AddContent(0, option);

    private static string Folder([CallerFilePath] string here = "") => Path.GetDirectoryName(here)!;

    [GeneratedRegex("<(?<name>input|textarea|select|Mud(Switch|CheckBox|Radio|RadioGroup|Slider|Select|Autocomplete|TextField|NumericField|Input|"
        + @"DatePicker|TimePicker|ColorPicker|FileUpload|Rating|ToggleGroup|Chip|ChipSet)|Input[A-Z]\w+)\b",
        RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex Element();
}
