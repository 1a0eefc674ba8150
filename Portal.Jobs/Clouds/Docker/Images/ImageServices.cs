using Microsoft.Extensions.Options;
using Portal.Jobs.Clouds.Docker.Images.Fetch;

namespace Portal.Jobs.Clouds.Docker.Images;

public static class ImageServices
{
    /// <summary><see cref="ImageBuilder"/> with section <c>Images</c>. Requires AddDockerCloud; without a
    /// container engine every call throws Unavailable with the reason.</summary>
    public static IServiceCollection AddImages(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddSingleton<IValidateOptions<ImagesOptions>, ImagesOptionsCheck>().AddSingleton<IValidateOptions<ImagesOptions>, FetchOptionsCheck>();
        services.AddOptions<ImagesOptions>().Bind(configuration.GetSection(ImagesOptions.Section)).ValidateOnStart();
        services.AddSingleton(p => p.GetRequiredService<IOptions<ImagesOptions>>().Value);
        return services.AddSingleton<PackageSources>().AddSingleton<ArchiveFetcher>().AddSingleton<ImageBuilder>()
            .AddSingleton<IImageCloud>(p => p.GetRequiredService<ImageBuilder>());
    }
}
