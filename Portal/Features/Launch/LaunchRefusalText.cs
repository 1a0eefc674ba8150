using Microsoft.Extensions.Localization;
using Portal.Controls;
using Portal.Core.Catalog;
using Portal.Core.Policy;
using Portal.Core.Workspaces;

namespace Portal.Features.Launch;

/// <summary>Why a launch is refused, and the remedy, as text.</summary>
public sealed class LaunchRefusalText(IStringLocalizer<LaunchTexts> text, IStringLocalizer<ControlTexts> common)
{
    /// <summary>What is wrong.</summary>
    public string What(Refusal refusal, ClassView @class, TemplateSpec template) => refusal.Reason switch
    {
        RefusalReason.OverQuota =>
            text[$"Refused.OverQuota.{refusal.BindingLimit}", text[$"Resource.{refusal.Resource}"].Value, @class.Title, @class.TenantName],
        RefusalReason.NeverPossible => text["Refused.NeverPossible", text[$"Resource.{refusal.Resource}"].Value],
        RefusalReason.NotAvailable => text["Refused.NotAvailable", refusal.Detail ?? ""],
        RefusalReason.Deprecated => text["Refused.Deprecated", refusal.Detail ?? ""],
        RefusalReason.NotForClass => text["Refused.NotForClass", @class.Title],
        RefusalReason.EndTooLate => text["Refused.EndTooLate", @class.LongestHours],
        RefusalReason.NameInvalid => text["Refused.NameInvalid", WorkspaceName.Longest],
        RefusalReason.WorkersUnknown when template.WorkerRole()?.Workers is { } range => text["Refused.WorkersRange", template.Title, range.Min, range.Max],
        RefusalReason.ParameterWrong when refusal.Parameter is { } fault => OfParameter(fault, template),
        _ => text[$"Refused.{refusal.Reason}"],
    };

    /// <summary>What is wrong with a value, shown at its field.</summary>
    public string Mistake(ParameterSpec parameter, ParameterMistake mistake, string? detail) => mistake switch
    {
        ParameterMistake.NotANumber or ParameterMistake.NotWhole => text[$"Mistake.{mistake}", parameter.Default],
        ParameterMistake.NotAllowed => text[detail is null ? "Mistake.NotAllowed" : "Mistake.NotAllowed.Pattern"],
        _ => text[$"Mistake.{mistake}", detail ?? ""],
    };

    /// <summary>The remedy; null if the reason already says it.</summary>
    public string? Remedy(Refusal refusal) => refusal.Reason switch
    {
        RefusalReason.OverQuota when Stop(refusal) is { } stop => refusal.Fits is null ? stop : text["Remedy.StopOrSmaller", stop].Value,
        RefusalReason.OverQuota => text[refusal.Fits is null ? $"Remedy.OverQuota.{refusal.BindingLimit}" : "Remedy.Smaller"].Value,
        RefusalReason.NeverPossible when refusal.Fits is not null => text["Remedy.Smaller"].Value,
        RefusalReason.NotAMember or RefusalReason.DiskNearlyFull or RefusalReason.TemplateGone or RefusalReason.IdTaken or RefusalReason.IdInvalid
            or RefusalReason.ParameterWrong => text[$"Remedy.{refusal.Reason}"].Value,
        RefusalReason.Deprecated or RefusalReason.NotForClass => text["Remedy.TemplateGone"].Value,
        _ => null,
    };

    /// <summary>Why a choice is not possible, and which of the person's own workspaces prevents it.</summary>
    public string Why(Refusal refusal, ClassView @class, TemplateSpec template) => $"{What(refusal, @class, template)} {Stop(refusal)}".TrimEnd();

    private string? Stop(Refusal refusal) => refusal.Stop.Length switch
    {
        0 => null,
        1 => text["Remedy.Stop", refusal.Stop[0]].Value,
        var many => text["Remedy.StopAll", string.Join(", ", refusal.Stop.Take(many - 1)), refusal.Stop[many - 1]].Value,
    };

    /// <summary>The button that applies the nearest fit; null for none. If only the number of workers changes, it names only that.</summary>
    /// <param name="requested">The size that was requested.</param>
    public string? Fit(Refusal refusal, TemplateSpec template, string requested)
    {
        if (refusal.Fits is not { } fit || template.Size(fit.SizeId) is not { } size) return null;
        if (fit.SizeId == requested && fit.Workers > 0)
            return text[fit.Workers == 1 ? "Fits.WorkerOnly" : "Fits.WorkersOnly", WorkersChoice.Say(common, fit.Workers)];
        return text[fit.Workers == 0 ? "Fits" : "Fits.Workers", size.Title, Controls.Sizes.Describe(template, size.Id, fit.Workers),
            WorkersChoice.Say(common, fit.Workers)];
    }

    private string OfParameter(ParameterFault fault, TemplateSpec template) => template.Parameters.FirstOrDefault(p => p.Id == fault.Id) is { } parameter
        ? text["Refused.Parameter", parameter.Title, Mistake(parameter, fault.Mistake, fault.Detail)] : text["Mistake.Unknown", fault.Id];
}
