using Microsoft.Extensions.Localization;
using Portal.Controls;
using Portal.Core.Policy;
using Portal.Core.Workspaces;

namespace Portal.Features.Workspaces;

/// <summary>The binding limit of a change to a workspace, as text, and what would fit.</summary>
public static class RefusalText
{
    /// <summary>The binding limit, which of the person's workspaces to stop if that helps, and how many workers would fit without that.</summary>
    public static string OfResize(Refusal why, IStringLocalizer<WorkspaceTexts> text)
    {
        if (why is not { Reason: RefusalReason.OverQuota or RefusalReason.NeverPossible, Fits: { Workers: > 0 and var fit } }) return Of(why, text);
        var limit = why is { Reason: RefusalReason.OverQuota, Stop.IsEmpty: true }
            ? text["Refused.Short", text[$"Level.{why.BindingLimit}"].Value, text[$"Resource.{why.Resource}"].Value].Value : Of(why, text);
        return $"{limit} {text[fit == 1 ? "Refused.Fits.One" : "Refused.Fits", fit]}";
    }

    public static string OfStart(Refusal why, WorkspaceView workspace, IStringLocalizer<WorkspaceTexts> text, IStringLocalizer<ControlTexts> common)
    {
        // With a nearly full disk nothing is started, and the text says so.
        if (why is not { Reason: RefusalReason.OverQuota or RefusalReason.NeverPossible, Fits: { } fit }
            || (workspace.Template.Size(fit.SizeId) ?? workspace.Newer?.Size(fit.SizeId)) is not { } size)
            return Of(why, text);
        var choice = fit.Workers == 0 ? size.Title : text["Refused.Choice", size.Title, WorkersChoice.Say(common, fit.Workers)].Value;
        return $"{Of(why, text)} {text["Refused.Nearest", choice]}";
    }

    /// <summary>The binding limit alone.</summary>
    public static string Of(Refusal why, IStringLocalizer<WorkspaceTexts> text) => why.Reason switch
    {
        RefusalReason.NotAvailable => text["Refused.NotAvailable", why.Detail ?? ""],
        RefusalReason.OverQuota when !why.Stop.IsEmpty =>
            text["Refused.OverQuota.Stop", text[$"Level.{why.BindingLimit}"].Value, text[$"Resource.{why.Resource}"].Value, string.Join(", ", why.Stop)],
        RefusalReason.OverQuota => text["Refused.OverQuota", text[$"Level.{why.BindingLimit}"].Value, text[$"Resource.{why.Resource}"].Value],
        RefusalReason.NeverPossible => text["Refused.NeverPossible", text[$"Resource.{why.Resource}"].Value],
        // The newest version may require something that an old choice does not contain.
        RefusalReason.SizeUnknown or RefusalReason.WorkersUnknown or RefusalReason.ParameterWrong or RefusalReason.DiskNearlyFull =>
            text[$"Refused.{why.Reason}"],
        _ => throw new ArgumentOutOfRangeException(nameof(why)),
    };
}
