using Microsoft.Extensions.Options;
using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.LocalStorage;

public static class LocalStorageServices
{
    /// <summary><see cref="IShareCloud"/> and <see cref="IFilesetCloud"/> for
    /// <c>Clouds:LocalStorage:Folder</c>; if none is named, ones whose every call says what is
    /// missing.</summary>
    public static IServiceCollection AddLocalStorage(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddSingleton<IValidateOptions<LocalStorageOptions>, LocalStorageOptionsCheck>();
        services.AddOptions<LocalStorageOptions>().Bind(configuration.GetSection(LocalStorageOptions.Section)).ValidateOnStart();
        services.AddSingleton(p => p.GetRequiredService<IOptions<LocalStorageOptions>>().Value);
        if (string.IsNullOrEmpty(configuration[$"{LocalStorageOptions.Section}:{nameof(LocalStorageOptions.Folder)}"]))
        {
            services.AddSingleton<IShareCloud, NoStorage>();
            return services.AddSingleton<IFilesetCloud, NoStorage>();
        }

        services.AddSingleton<Storage>();
        services.AddSingleton<IShareCloud, LocalShares>();
        return services.AddSingleton<IFilesetCloud, LocalFilesets>();
    }
}

/// <summary>Used if no folder is named: the portal runs, and every page can say what is missing and how to get it.</summary>
public sealed class NoStorage : IShareCloud, IFilesetCloud
{
    public Task<StorageReport> PrepareAsync(CancellationToken cancel) => Task.FromException<StorageReport>(Missing());

    public Task EnsureShareAsync(Guid classId, long limitBytes, CancellationToken cancel) => Task.FromException(Missing());

    public Task<AccessAnswer> AllowAsync(ShareAccess access, string subnet, CancellationToken cancel) => Task.FromException<AccessAnswer>(Missing());

    public Task<IReadOnlyList<ShareAccess>> AccessAsync(Guid workspace, CancellationToken cancel) => AccessAsync(cancel);

    public Task<IReadOnlyList<ShareAccess>> AccessAsync(CancellationToken cancel) => Task.FromException<IReadOnlyList<ShareAccess>>(Missing());

    public Task UnmountAsync(ShareAccess access, CancellationToken cancel) => Task.FromException(Missing());

    public Task<AccessAnswer> DenyAsync(ShareAccess access, CancellationToken cancel) => Task.FromException<AccessAnswer>(Missing());

    public Task<EnsureAnswer> EnsureAsync(FolderRef folder, int uid, long limitBytes, CancellationToken cancel) =>
        Task.FromException<EnsureAnswer>(Missing());

    public Task<IReadOnlyList<FilesetUsage>> UsageAsync(CancellationToken cancel) => Task.FromException<IReadOnlyList<FilesetUsage>>(Missing());

    public Task<IReadOnlyList<FolderRef.Scratch>> ScratchAsync(Guid workspace, CancellationToken cancel) => ScratchAsync(cancel);

    public Task<IReadOnlyList<FolderRef.Scratch>> ScratchAsync(CancellationToken cancel) =>
        Task.FromException<IReadOnlyList<FolderRef.Scratch>>(Missing());

    public Task RemoveScratchAsync(FolderRef.Scratch folder, CancellationToken cancel) => Task.FromException(Missing());

    private static CloudException Missing() => new(LocalShares.Service, CloudFault.Unavailable, "there is no storage for work folders on this machine",
        "Install btrfs-progs and start the portal as root, or set Clouds:LocalStorage:Folder to a folder.");
}
