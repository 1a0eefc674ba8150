using System.Net;
using Microsoft.Extensions.Options;
using Polly;
using Portal.Jobs.Foreign;

namespace Portal.Jobs.Clouds.OpenStack;

public static class OpenStackCloudServices
{
    /// <summary>
    /// The projects whose credentials are in <c>Clouds:OpenStack:Credentials</c>. Requires <see cref="TimeProvider"/> and <c>Installation:Id</c>.
    /// </summary>
    public static IServiceCollection AddOpenStackCloud(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddSingleton<IValidateOptions<OpenStackOptions>, OpenStackOptionsCheck>();
        services.AddOptions<OpenStackOptions>()
            .Bind(configuration.GetSection(OpenStackOptions.Section))
            .Configure(o => o.Installation = configuration["Installation:Id"] ?? "")
            .ValidateOnStart();
        services.AddSingleton(p => p.GetRequiredService<IOptions<OpenStackOptions>>().Value);
        services.AddLogging(l => l.AddFilter("Polly", LogLevel.Warning)); // a line for each call, which has one already
        // Its own log lines would have headers, and with them the token.
        var client = services.AddHttpClient<OpenStackHttp>(http => http.Timeout = Timeout.InfiniteTimeSpan)
            .RemoveAllLoggers()
            .SetHandlerLifetime(Timeout.InfiniteTimeSpan)
            .ConfigurePrimaryHttpMessageHandler(() => new SocketsHttpHandler
            {
                AllowAutoRedirect = false,
                UseCookies = false,
                ConnectTimeout = TimeSpan.FromSeconds(10),
                PooledConnectionLifetime = TimeSpan.FromMinutes(5),
                MaxResponseHeadersLength = 64,
                AutomaticDecompression = DecompressionMethods.None,
            });
        client.AddResilienceHandler("openstack", (pipeline, context) =>
        {
            pipeline.TimeProvider = context.ServiceProvider.GetRequiredService<TimeProvider>();
            pipeline.AddTimeout(context.ServiceProvider.GetRequiredService<OpenStackOptions>().CallDeadline);
            // Services behind some web servers close connections without saying so: then the next use of one is reset.
            pipeline.AddRetry(new()
            {
                MaxRetryAttempts = 1,
                Delay = TimeSpan.FromMilliseconds(200),
                ShouldHandle = call => ValueTask.FromResult(
                    call.Context.GetRequestMessage() is { } request && request.Options.TryGetValue(OpenStackHttp.MayRepeat, out var may) && may
                    && (call.Outcome.Exception is HttpRequestException
                        || call.Outcome.Result?.StatusCode is HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout)),
            });
        });
        services.AddSingleton(p => new ForeignReader(p.GetRequiredService<TimeProvider>()));
        return services.AddSingleton<OpenStackClouds>();
    }
}
