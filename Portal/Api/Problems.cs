using Portal.Core.Policy;
using Portal.Core.Workspaces;

namespace Portal.Api;

/// <summary>Refusals as problem documents (RFC 9457): a status, plain words, and members that a program can evaluate.</summary>
internal static class Problems
{
    public static IResult NotFound() => Say(StatusCodes.Status404NotFound, "Not found", "It does not exist, or it is not yours.");

    public static IResult Of(Refusal why)
    {
        var status = why.Reason switch
        {
            RefusalReason.NameInvalid
                or RefusalReason.SizeUnknown
                or RefusalReason.WorkersUnknown
                or RefusalReason.ParameterWrong
                or RefusalReason.TemplateGone
                or RefusalReason.Deprecated
                or RefusalReason.NotForClass
                or RefusalReason.EndInThePast
                or RefusalReason.EndTooLate
                or RefusalReason.NeverPossible => StatusCodes.Status422UnprocessableEntity,
            RefusalReason.IdInvalid => StatusCodes.Status400BadRequest,
            RefusalReason.NotAMember => StatusCodes.Status404NotFound,
            RefusalReason.NotAvailable or RefusalReason.DiskNearlyFull => StatusCodes.Status503ServiceUnavailable,
            _ => StatusCodes.Status409Conflict,
        };
        if (status == StatusCodes.Status404NotFound) return NotFound();
        return Say(status, "Refused", Describe(why), ("reason", why.Reason.ToString()), ("field", why.Field), ("bindingLimit", why.BindingLimit?.ToString()),
            ("resource", why.Resource?.ToString()), ("nearestFit", why.Fits?.SizeId),
            ("nearestWorkers", why.Fits is { Workers: > 0 } fit ? fit.Workers.ToString(System.Globalization.CultureInfo.InvariantCulture) : null),
            ("stop", why.Stop.IsEmpty ? null : string.Join(", ", why.Stop)));
    }

    public static IResult Of(ChangeOutcome.Refused refused) => refused.Quota is { } quota ? Of(quota) : Say(
        refused.Why is ChangeRefusal.EndInThePast or ChangeRefusal.EndTooLate ? StatusCodes.Status422UnprocessableEntity : StatusCodes.Status409Conflict,
        "Refused", Describe(refused.Why), ("reason", refused.Why.ToString()));

    public static IResult Say(int status, string title, string detail, params (string Name, string? Value)[] more) =>
        Results.Problem(detail, statusCode: status, title: title,
            extensions: more.Where(m => m.Value is not null).Select(m => KeyValuePair.Create<string, object?>(m.Name, m.Value)));

    private static string Describe(Refusal why) => why.Reason switch
    {
        RefusalReason.NameInvalid => "A name has 1 to 40 letters, digits, spaces, dots, hyphens or underscores and must begin and end with a letter or digit.",
        RefusalReason.NameTaken => "You already have a workspace with this name.",
        RefusalReason.SizeUnknown => "The template does not offer this size.",
        RefusalReason.WorkersUnknown => "The template does not support that many workers.",
        RefusalReason.ParameterWrong =>
            $"The value of {why.Field?[2..]} is not allowed: {why.Parameter?.Mistake}{(why.Parameter?.Detail is { } detail ? $" ({detail})" : "")}.",
        RefusalReason.TemplateGone => "This template does not exist.",
        RefusalReason.Deprecated => $"The template has been withdrawn: nothing new can be launched from it. {why.Detail}".TrimEnd(),
        RefusalReason.NotForClass => "The template is not offered to this class.",
        RefusalReason.EndInThePast => "The end time has passed.",
        RefusalReason.EndTooLate => "The end time is later than the class allows.",
        RefusalReason.NeverPossible => $"This can never run here: there is not enough {why.Resource}.",
        RefusalReason.OverQuota => $"The quota for {why.Resource} is exhausted at level {why.BindingLimit}.",
        RefusalReason.DiskNearlyFull => "The disk is nearly full. An operator must free up space.",
        RefusalReason.IdTaken => "This id has already been used.",
        RefusalReason.IdInvalid => "The id must be a UUID of your own; this one is all zeros.",
        _ => why.Detail ?? why.Reason.ToString(),
    };

    private static string Describe(ChangeRefusal why) => why switch
    {
        ChangeRefusal.StoppingFirst => "It is stopping; try again when it has stopped.",
        ChangeRefusal.BeingDeleted => "It is being deleted.",
        ChangeRefusal.NotNow => "This is not possible in the workspace's current state.",
        ChangeRefusal.EndInThePast => "The end time has passed.",
        ChangeRefusal.EndTooLate => "The end time is later than the class allows.",
        _ => why.ToString(),
    };
}
