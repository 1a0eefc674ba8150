using Microsoft.Extensions.Localization;
using MudBlazor;
using Portal.Controls;
using Portal.Core.Catalog;
using Portal.Core.People;

namespace Portal.Features.Templates;

public enum TemplateAct { Deprecate, Offer, Restrict }

/// <summary>A decision that a person wants to make about a template.</summary>
public sealed record TemplateAsk(TemplateRow Row, TemplateAct Act);

/// <summary>Asks for what the decision needs, calls the verb, and reports the outcome.</summary>
public sealed class TemplateActionHandler(DeprecateTemplate deprecate, OfferTemplate offer, RestrictTemplate restrict, IDialogService dialogs,
    Messages messages, IStringLocalizer<TemplatesTexts> text)
{
    public async Task DoAsync(Actor actor, TemplatesView view, TemplateAsk ask)
    {
        var outcome = ask.Act switch
        {
            TemplateAct.Deprecate when await DeprecateDialog.AskAsync(dialogs, text["Deprecate.Title", ask.Row.Title], ask.Row) is { } why =>
                await deprecate.RunAsync(actor, ask.Row.Id, why, CancellationToken.None),
            TemplateAct.Offer => await offer.RunAsync(actor, ask.Row.Id, CancellationToken.None),
            TemplateAct.Restrict when await RestrictDialog.AskAsync(dialogs, text["Restrict.Title", ask.Row.Title], ask.Row, view) is { } classes =>
                await restrict.RunAsync(actor, ask.Row.Id, classes, CancellationToken.None),
            _ => null,
        };
        if (outcome is null) return;
        messages.Say(outcome switch
        {
            TemplateOutcome.Done => text[$"Done.{ask.Act}", ask.Row.Title],
            TemplateOutcome.Refused refused => text[$"Refused.{refused.Why}"],
            _ => text["Refused.NotFound"],
        }, warns: outcome is not TemplateOutcome.Done);
    }
}
