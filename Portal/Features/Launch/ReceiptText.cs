using Microsoft.Extensions.Localization;
using Portal.Controls;
using Portal.Core.Catalog;
using Portal.Core.Policy;
using Portal.Core.Workspaces;

namespace Portal.Features.Launch;

/// <summary>A launch preview as text: for its panel, and as one sentence for screen readers.</summary>
public sealed class ReceiptText(IStringLocalizer<LaunchTexts> text, IStringLocalizer<ControlTexts> common)
{
    /// <summary>The action, as its button names it.</summary>
    public string ActionLabel(LaunchDraft draft, TemplateSpec template) => draft.Workers > 0
        ? text["Launch.Workers", template.Title, WorkersChoice.Say(common, draft.Workers)]
        : text["Launch", template.Title, (template.Size(draft.SizeId) ?? template.Sizes[0]).Title];

    /// <summary>When it starts, and how long that usually takes.</summary>
    public string Starts(Receipt receipt)
    {
        var waits = receipt.LaunchesBefore > 0 || receipt.WaitsFor is not null;
        var when = receipt.LaunchesBefore switch
        {
            0 => text[receipt.WaitsFor switch { null => "Starts.Now", QueueWait.Capacity => "Starts.Full", _ => "Starts.Places" }],
            1 => text["Starts.AfterOne"],
            _ => text["Starts.After", receipt.LaunchesBefore],
        };
        return $"{when}, {(receipt.UsualStart is { } usual ? text[waits ? "Starts.Then" : "Starts.Usually", Length.Of(usual)] : text["Starts.Unknown"])}";
    }

    /// <summary>Its totals, and whether it is possible.</summary>
    public string Sentence(LaunchDraft draft, TemplateSpec template, ClassView @class, Receipt receipt, Refusal? refusal)
    {
        var refusals = new LaunchRefusalText(text, common);
        var verdict = (refusal ?? receipt.BindingLimit) is { } limit
            ? $"{refusals.What(limit, @class, template)} {refusals.Remedy(limit)}".TrimEnd()
            : text["Heard.Starts", Starts(receipt)];
        return text["Heard", Controls.Sizes.Describe(template, (template.Size(draft.SizeId) ?? template.Sizes[0]).Id, draft.Workers), verdict];
    }
}
