using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Portal.IntegrationTests.Access;

namespace Portal.IntegrationTests.Proxy;

public sealed class JobsDashboardTests(WebFixture web) : IClassFixture<WebFixture>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Dashboard_OperatorsOnly_AndReadOnly()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.ConfigureKestrel(k => k.ListenUnixSocket(web.JobsSocket));
        await using var jobs = builder.Build();
        jobs.Map("/{**rest}", (HttpContext http) =>
        {
            http.Response.Headers.SetCookie = "jobs=1";
            return $"{http.Request.Method} {http.Request.Path} operator={http.Request.Headers["X-Portal-Operator"]} cookie={http.Request.Headers.Cookie}";
        });
        await jobs.StartAsync(Cancel);

        using var ken = web.Visit();
        await ken.SignInAsync("Ken");
        using var page = await ken.GetAsync("/operations/jobs/recurring", h => h.TryAddWithoutValidation("X-Portal-Operator", "forged"));
        (await page.Content.ReadAsStringAsync(Cancel)).ShouldBe("GET /operations/jobs/recurring operator=yes cookie=");
        page.Headers.Contains("Set-Cookie").ShouldBeFalse();
        page.Headers.Contains("Content-Security-Policy").ShouldBeTrue();
        (await ken.SendAsync(HttpMethod.Post, "/operations/jobs/stats", new StringContent(""), web.Origin)).StatusCode.ShouldBe(HttpStatusCode.OK);
        (await ken.SendAsync(HttpMethod.Post, "/operations/jobs/recurring/trigger", new StringContent(""), web.Origin)).StatusCode.ShouldBe(
            HttpStatusCode.MethodNotAllowed);

        using var nobody = web.Visit();
        (await nobody.GetAsync("/operations/jobs", h => h.TryAddWithoutValidation("X-Portal-Operator", "yes"))).StatusCode.ShouldNotBe(HttpStatusCode.OK);
        foreach (var name in (string[])["Ada", "Barbara", "Edsger", "Margaret"])
        {
            using var other = web.Visit();
            await other.SignInAsync(name);
            foreach (var path in (string[])["/operations/jobs", "/operations/jobs/recurring", "/operations/jobs/stats"])
                (await other.GetAsync(path, h => h.TryAddWithoutValidation("X-Portal-Operator", "yes"))).StatusCode.ShouldBe(HttpStatusCode.NotFound,
                    $"{name} {path}");
        }
    }

    [Fact]
    public async Task Dashboard_JobsUnavailable_SaysSo()
    {
        if (File.Exists(web.JobsSocket)) File.Delete(web.JobsSocket);
        using var ken = web.Visit();
        await ken.SignInAsync("Ken");
        using var page = await ken.GetAsync("/operations/jobs");
        page.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
        page.Headers.RetryAfter!.Delta.ShouldBe(TimeSpan.FromSeconds(5));
        (await page.Content.ReadAsStringAsync(Cancel)).ShouldStartWith("The background worker is not responding.");
    }
}
