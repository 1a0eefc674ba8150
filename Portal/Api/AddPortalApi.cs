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

    /// <summary>Faults and empty answers of the API as problem documents, and what every unsafe call must bring.</summary>
    public static void UsePortalApi(this IApplicationBuilder app) => app.UseWhen(http => http.Request.Path.StartsWithSegments("/api", StringComparison.OrdinalIgnoreCase), api =>
    {
        api.UseExceptionHandler(new ExceptionHandlerOptions { StatusCodeSelector = e => e is BadHttpRequestException bad ? bad.StatusCode : StatusCodes.Status500InternalServerError });
        api.UseStatusCodePages();
        api.Use(async (http, next) =>
        {
            http.Response.Headers.CacheControl = "no-store";
            var safe = HttpMethods.IsGet(http.Request.Method) || HttpMethods.IsHead(http.Request.Method);
            var refused = safe ? null
                // A form of another page cannot set this header, and a script of another page may not.
                : http.Request.Headers[CsrfHeader] != "1" ? Problems.Say(StatusCodes.Status400BadRequest, "Header missing", $"Requests that change something must carry the header {CsrfHeader}: 1.")
                : http.Request.ContentLength > PortalAccess.LargestBody ? Problems.Say(StatusCodes.Status413PayloadTooLarge, "Too large", $"A request body may have at most {PortalAccess.LargestBody} bytes.")
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
