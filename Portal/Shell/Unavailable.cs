using System.Globalization;
using System.Text.Encodings.Web;
using Microsoft.Extensions.Localization;
using Portal.Access;
using Portal.Core.Data;
using Portal.Theme;

namespace Portal.Shell;

/// <summary>
/// While the database is unavailable, or when memory runs out: 503 with Retry-After and a sentence, as a problem document for programs that call the API,
/// as a page for people, as a line of text for anything else. The page needs nothing that could also be unavailable: no database, circuit or file.
/// </summary>
public sealed class Unavailable(Site site, IStringLocalizer<ShellTexts> texts, ILogger<Unavailable> log)
{
    /// <summary>Gives this response to every request that fails for one of these reasons later in the pipeline.</summary>
    public async Task CatchAsync(HttpContext http, RequestDelegate next)
    {
        try
        {
            await next(http);
        }
        catch (Exception fault) when (DatabaseUnavailable.Is(fault) && !http.Response.HasStarted)
        {
            log.LogWarning("{Method} {Path} could not be answered: {Error}", http.Request.Method, http.Request.Path, fault.GetBaseException().Message);
            await SayAsync(http);
        }
        catch (Exception fault) when (OutOfMemory.Is(fault) && !http.Response.HasStarted)
        {
            log.LogError(fault, "{Method} {Path} needed more memory than there was", http.Request.Method, http.Request.Path);
            await SayAsync(http, texts["Unavailable.Memory"]);
        }
    }

    /// <summary>The response itself.</summary>
    /// <param name="why">A reason other than an unavailable database, as text that anyone may see.</param>
    public async Task SayAsync(HttpContext http, string? why = null)
    {
        http.Response.Clear();
        http.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
        http.Response.Headers.RetryAfter = DatabaseUnavailable.RetryAfter.TotalSeconds.ToString(CultureInfo.InvariantCulture);
        http.Response.Headers.CacheControl = "no-store";
        http.Response.Headers.XContentTypeOptions = "nosniff";
        if (http.Request.Path.StartsWithSegments("/api", StringComparison.OrdinalIgnoreCase))
        {
            var problem = Results.Problem(why ?? texts["Unavailable.Api"].Value, statusCode: http.Response.StatusCode, title: texts["Unavailable.Title"].Value);
            await problem.ExecuteAsync(http);
        }
        else if (http.Request.GetTypedHeaders().Accept.Any(a => a.MediaType.Equals("text/html", StringComparison.OrdinalIgnoreCase)))
            await PageAsync(http, why ?? texts["Unavailable.Text"].Value);
        else
        {
            http.Response.ContentType = "text/plain; charset=utf-8";
            await http.Response.WriteAsync(why ?? texts["Unavailable.Text"].Value, http.RequestAborted);
        }
    }

    private async Task PageAsync(HttpContext http, string message)
    {
        http.Response.Headers.ContentSecurityPolicy =
            $"default-src 'none'; style-src-elem {PlainStyle.Source}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
        http.Response.ContentType = "text/html; charset=utf-8";
        // A link cannot repeat a form post, so it leads home.
        var again = HttpMethods.IsGet(http.Request.Method)
            ? LocalUrl.OrHome(http.Request.PathBase + http.Request.Path + http.Request.QueryString) : new Uri(site.PublicUrl, "/").AbsoluteUri;
        var (title, brand) = (texts["Unavailable.Title"].Value, texts["Brand"].Value);
        await http.Response.WriteAsync($"""
            <!DOCTYPE html>
            <html lang="en">
            <head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
            <title>{E(title)} – {E(brand)}</title><style>{PlainStyle.Css}</style></head>
            <body>
            <header><svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true"><path fill="currentColor" d="{BrandMark.Path}"/></svg>{E(brand)}</header>
            <main><h1>{E(title)}</h1><p>{E(message)}</p><p><a href="{E(again)}">{E(texts["Unavailable.Again"])}</a></p></main>
            </body></html>
            """, http.RequestAborted);

        static string E(string s) => HtmlEncoder.Default.Encode(s);
    }
}
