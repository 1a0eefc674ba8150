using Microsoft.Extensions.Localization;
using Portal.Core.Catalog;
using Portal.Core.Policy;
using Portal.Core.Workspaces;

namespace Portal.Features.Launch;

/// <summary>Why a launch is refused, and the way out, in words.</summary>
public sealed class RefusalWords(IStringLocalizer<LaunchTexts> text)
{
    /// <summary>What is the matter.</summary>
    public string What(Refusal refusal, ClassView @class) => refusal.Reason switch
    {
        RefusalReason.OverQuota => text[$"Refused.OverQuota.{refusal.Wall}", text[$"Resource.{refusal.Resource}"].Value, @class.Title, @class.TenantName],
        RefusalReason.NeverPossible => text["Refused.NeverPossible", text[$"Resource.{refusal.Resource}"].Value],
        RefusalReason.NotAvailable => text["Refused.NotAvailable", refusal.Detail ?? ""],
        RefusalReason.EndTooLate => text["Refused.EndTooLate", @class.LongestHours],
        RefusalReason.NameInvalid => text["Refused.NameInvalid", WorkspaceName.Longest],
        _ => text[$"Refused.{refusal.Reason}"],
    };

    /// <summary>What helps; null where the words above say it.</summary>
    public string? WayOut(Refusal refusal) => refusal.Reason switch
    {
        RefusalReason.OverQuota => text[refusal.Fits is null ? $"WayOut.OverQuota.{refusal.Wall}" : "WayOut.Smaller"].Value,
        RefusalReason.NeverPossible when refusal.Fits is not null => text["WayOut.Smaller"].Value,
        RefusalReason.NotAMember or RefusalReason.DiskNearlyFull or RefusalReason.TemplateGone or RefusalReason.IdTaken => text[$"WayOut.{refusal.Reason}"].Value,
        _ => null,
    };

    /// <summary>The button that takes the nearest fit; null for none.</summary>
    public string? Fit(Refusal refusal, TemplateSpec template) =>
        refusal.Fits is { } fit && template.Size(fit.SizeId) is { } size
            ? text[fit.Workers switch { 0 => "Fits", 1 => "Fits.OneWorker", _ => "Fits.Workers" }, size.Title, Controls.Sizes.Words(template, size.Id, fit.Workers), fit.Workers].Value : null;
}
