using Microsoft.Extensions.Localization;
using Portal.Core.Policy;

namespace Portal.Features.Workspaces;

/// <summary>Which wall a change of a workspace met, in words.</summary>
public static class RefusalText
{
    public static string Of(Refusal why, string name, IStringLocalizer<WorkspaceTexts> text) => why.Reason switch
    {
        RefusalReason.NotAvailable => text["Refused.NotAvailable", why.Detail ?? ""],
        RefusalReason.WorkersUnknown => text["Refused.WorkersUnknown"],
        RefusalReason.NeverPossible => text["Refused.NeverPossible", text[$"Resource.{why.Resource}"].Value],
        RefusalReason.DiskNearlyFull => text["Refused.DiskNearlyFull"],
        _ when why.Fits is { Workers: > 0 and var fit } => text["Refused.Fits", text[$"Level.{why.Wall}"].Value, text[$"Resource.{why.Resource}"].Value, fit],
        _ => text["Refused.OverQuota", text[$"Level.{why.Wall}"].Value, text[$"Resource.{why.Resource}"].Value],
    };
}
