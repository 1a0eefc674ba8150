using System.Text.Json.Serialization;
using Portal.Access;

namespace Portal.Api;

public static class PortalApi
{
    public const string Prefix = "/api/v1", CsrfHeader = "X-Portal-Csrf";

    public static IServiceCollection AddPortalApi(this IServiceCollection services)
    {
        services.AddProblemDetails();
        services.AddValidation();
        services.AddOpenApi("v1");
        services.ConfigureHttpJsonOptions(o => o.SerializerOptions.Converters.Add(new JsonStringEnumConverter()));
        return services;
    }

    /// <summary>Turns faults and empty responses of the API into problem documents, and checks what every unsafe call must send.</summary>
    public static void UsePortalApi(this IApplicationBuilder app) =>
        app.UseWhen(http => http.Request.Path.StartsWithSegments("/api", StringComparison.OrdinalIgnoreCase), api =>
    {
        api.UseExceptionHandler(
            new ExceptionHandlerOptions
            {
                StatusCodeSelector = e => e is BadHttpRequestException bad ? bad.StatusCode : StatusCodes.Status500InternalServerError
            });
        api.UseStatusCodePages();
        api.Use(async (http, next) =>
        {
            http.Response.Headers.CacheControl = "no-store";
            var safe = HttpMethods.IsGet(http.Request.Method) || HttpMethods.IsHead(http.Request.Method);
            var refused = safe ? null
                // Another site's form cannot set this header, and another site's script may not.
                : http.Request.Headers[CsrfHeader] != "1"
                ? Problems.Say(StatusCodes.Status400BadRequest, "Header missing", $"Requests that change something must carry the header {CsrfHeader}: 1.")
                : http.Request.ContentLength > PortalAccess.LargestBody
                ? Problems.Say(StatusCodes.Status413PayloadTooLarge, "Too large", $"A request body can be at most {PortalAccess.LargestBody} bytes.")
                : null;
            if (refused is null) await next(http);
            else await refused.ExecuteAsync(http);
        });
    });

    public static void MapPortalApi(this IEndpointRouteBuilder routes)
    {
        var api = routes.MapGroup(Prefix).RequireAuthorization().DisableAntiforgery();
        MeApi.Map(api);
        WorkspacesApi.Map(api);
        TemplatesApi.Map(api);
        MetricsApi.Map(api);
        ClassesApi.Map(api);
        routes.MapOpenApi($"{Prefix}/openapi.json").AllowAnonymous();
    }
}
