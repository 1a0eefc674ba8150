using Microsoft.EntityFrameworkCore;
using Portal.Core.Clouds;
using Portal.Core.Data;

namespace Portal.Core.Catalog;

public static class Availability
{
    /// <summary>Why this template cannot be launched in this pool now, with the remedy; null if it can.</summary>
    public static async Task<string?> ReasonAsync(PortalDb db, Pool pool, TemplateVersion? version, CancellationToken cancel)
    {
        if (version is null) return null;
        return Reason(pool) ?? Reason(version.Spec, await db.Images.AsNoTracking().Where(i => i.PoolKey == pool.Key).ToListAsync(cancel));
    }

    /// <summary>Why nothing can be launched in this pool now.</summary>
    public static string? Reason(Pool pool) =>
        pool.Services.FirstOrDefault(s => !s.State.Ok) is { State: var bad } ? $"{bad.Message} {bad.Remedy}".TrimEnd() : null;

    /// <summary>Why this template cannot be launched now in the pool that has these images.</summary>
    public static string? Reason(TemplateSpec spec, IEnumerable<ImageRow> images)
    {
        var named = images.ToDictionary(i => i.Name, StringComparer.Ordinal);
        foreach (var role in spec.Roles)
            switch (named.GetValueOrDefault(role.Image))
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
