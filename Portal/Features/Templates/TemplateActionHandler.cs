using Microsoft.Extensions.Localization;
using MudBlazor;
using Portal.Controls;
using Portal.Core.Offers;
using Portal.Core.People;

namespace Portal.Features.Templates;

public enum TemplateAction { Deprecate, Offer, Restrict }

/// <summary>A decision that a person wants to make about a template.</summary>
public sealed record TemplateActionRequest(TemplateRow Row, TemplateAction Action);

/// <summary>Asks for what the decision needs, calls the verb, and reports the outcome.</summary>
public sealed class TemplateActionHandler(DeprecateTemplate deprecate, OfferTemplate offer, RestrictTemplate restrict, IDialogService dialogs,
    Messages messages, IStringLocalizer<TemplatesTexts> text)
{
    public async Task DoAsync(Actor actor, TemplatesView view, TemplateActionRequest request)
    {
        var outcome = request.Action switch
        {
            TemplateAction.Deprecate when await DeprecateDialog.ShowAsync(dialogs, text["Deprecate.Title", request.Row.Title], request.Row) is { } why =>
                await deprecate.RunAsync(actor, request.Row.Id, why, CancellationToken.None),
            TemplateAction.Offer => await offer.RunAsync(actor, request.Row.Id, CancellationToken.None),
            TemplateAction.Restrict when await RestrictDialog.ShowAsync(dialogs, text["Restrict.Title", request.Row.Title], request.Row, view) is { } classes =>
                await restrict.RunAsync(actor, request.Row.Id, classes, CancellationToken.None),
            _ => null,
        };
        if (outcome is null) return;
        messages.Say(outcome switch
        {
            TemplateOutcome.Done => text[$"Done.{request.Action}", request.Row.Title],
            TemplateOutcome.Refused refused => text[$"Refused.{refused.Why}"],
            _ => text["Refused.NotFound"],
        }, warns: outcome is not TemplateOutcome.Done);
    }
}
