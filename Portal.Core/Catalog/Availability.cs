using Microsoft.EntityFrameworkCore;
using Portal.Core.Data;

namespace Portal.Core.Catalog;

public static class Availability
{
    /// <summary>Why this template cannot be launched now, with the remedy; null if it can.</summary>
    public static async Task<string?> ReasonAsync(PortalDb db, TemplateVersion? version, CancellationToken cancel)
    {
        if (version is null) return null;
        var bad = await db.CloudStates.AsNoTracking().Where(c => !c.Ok).OrderBy(c => c.Name).ToListAsync(cancel);
        var images = await db.Images.AsNoTracking().ToDictionaryAsync(i => i.Name, StringComparer.Ordinal, cancel);
        return Reason(version.Spec, bad, images);
    }

    /// <inheritdoc cref="ReasonAsync"/>
    public static string? Reason(TemplateSpec spec, IReadOnlyList<Operations.CloudState> bad, IReadOnlyDictionary<string, ImageRow> images)
    {
        if (bad.Count > 0) return $"{bad[0].Message} {bad[0].Remedy}".TrimEnd();
        foreach (var role in spec.Roles)
            switch (images.GetValueOrDefault(role.Image))
            {
                case { State: ImageState.Ready }: break;
                case { State: ImageState.Failed } image: return $"Its image could not be built. {image.Message} The Operations page says how to fix it.";
                case { State: ImageState.Building } image: return $"Its image is being built ({image.Percent}%). It can be launched once that is done.";
                // A template without a row was published a moment ago.
                default: return "Its image has not been built yet. The Operations page says why.";
            }
        return null;
    }
}
