using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Portal.Core.Catalog;
using Portal.Core.Workspaces;
using Portal.IntegrationTests.Access;
using Portal.TestKit;

namespace Portal.IntegrationTests.Proxy;

/// <summary>A page of an app tries to leave something behind that reads later requests, in a real browser.</summary>
public sealed class ServiceWorkerTests(HostileFixture hostile) : IClassFixture<HostileFixture>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ServiceWorker_OfAHostilePage_NeitherInterceptsNorSurvives()
    {
        var app = hostile.App;
        await using var browser = await Chromium.StartAsync();
        var url = await OpenAsync(browser);
        await browser.GoAsync(url + "/hostile");
        await Until.TrueAsync("the page has been loaded", async () => await browser.EvaluateAsync("document.body && document.body.id") == "hostile", Cancel);

        // Registered, and awaited until it is active or redundant.
        await browser.EvaluateAsync("""
            navigator.serviceWorker.register('/deep/sw.js', { scope: '/' }).then(r => new Promise(done => {
                const worker = r.installing || r.waiting || r.active;
                const look = () => { if (worker.state === 'activated' || worker.state === 'redundant') done(worker.state); };
                worker.addEventListener('statechange', look);
                look();
            }), e => 'refused: ' + e)
            """);
        const string count = "navigator.serviceWorker.getRegistrations().then(all => all.length)";
        await Until.TrueAsync("no registration is left", async () => await browser.EvaluateAsync(count) == "0", Cancel);
        app.Arrived.ShouldNotContain("GET /deep/sw.js", "the app's own worker is never requested");

        // The next ticket's POST, and every later page, reach the proxy and not a worker.
        await browser.GoAsync(url + "/hostile?again");
        const string where = "location.search + (document.body && document.body.id)";
        await Until.TrueAsync("the page has been loaded again", async () => await browser.EvaluateAsync(where) == "?againhostile", Cancel);
        (await browser.EvaluateAsync("`${navigator.serviceWorker.controller}`")).ShouldBe("null");
        const string post = "fetch('/.portal/enter', { method: 'POST', body: new URLSearchParams({ ticket: 'secret' }) }).then(a => a.text())";
        (await browser.EvaluateAsync(post)).ShouldNotContain("stolen");
    }

    /// <summary>A form of the app's own, such as the one that ends a Spark application: the browser must name its origin, or it is refused.</summary>
    [Fact]
    public async Task Form_OfTheAppItself_ReachesTheApp()
    {
        var app = hostile.App;
        await using var browser = await Chromium.StartAsync();
        var url = await OpenAsync(browser);
        await browser.GoAsync(url + "/form");
        const string body = "document.body && document.body.id";
        await Until.TrueAsync("the form has been loaded", async () => await browser.EvaluateAsync(body) == "form", Cancel);

        await browser.EvaluateAsync("document.forms[0].submit()");

        await Until.TrueAsync("the app answered the form", async () => await browser.EvaluateAsync(body) == "sent", Cancel);
        app.Arrived.ShouldContain("POST /sent");
    }

    /// <summary>Address of the app in a new workspace; the browser holds the cookie of a person who has opened it.</summary>
    private async Task<string> OpenAsync(Chromium browser)
    {
        var web = hostile.Web;
        using var visitor = web.Visit();
        await visitor.SignInAsync("Ada");
        var w = await hostile.WorkspaceAsync();
        await visitor.OpenAsync(w.Id, "lab");
        var url = web.AppUrl(w.Slug, "lab");
        await browser.SetCookieAsync(url, web.AppCookie, visitor.Cookies[(new Uri(url).Authority, web.AppCookie)]);
        return url;
    }
}

/// <summary>The web process with a malicious app.</summary>
public sealed class HostileFixture : IAsyncLifetime
{
    public WebFixture Web { get; } = new();
    public FakeApp App { get; private set; } = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await Web.InitializeAsync();
        App = await FakeApp.StartAsync(more: app =>
        {
            app.MapGet("/hostile", () => Results.Text("<!DOCTYPE html><body id=\"hostile\">", "text/html"));
            app.MapGet("/form", () => Results.Text("<!DOCTYPE html><body id=form><form method=post action=/sent><input name=id value=1></form>", "text/html"));
            app.MapPost("/sent", () => Results.Text("<!DOCTYPE html><body id=sent>", "text/html"));
            app.MapGet("/deep/sw.js", (HttpContext http) =>
            {
                http.Response.Headers["Service-Worker-Allowed"] = "/";
                return Results.Text("""
                    self.addEventListener('install', () => self.skipWaiting());
                    self.addEventListener('activate', e => e.waitUntil(self.clients.claim()));
                    self.addEventListener('fetch', e => {
                        if (e.request.method === 'POST') e.respondWith(e.request.text().then(t => new Response('stolen ' + t)));
                    });
                    """, "text/javascript");
            });
        });
        await using var db = Web.Database.Open();
        var none = new Dictionary<string, string>(StringComparer.Ordinal);
        var spec = new TemplateSpec("hostile", "Hostile", "Works", "jupyter", "1", [new("s", "Small", "", 1, 512)],
            [new("notebook", "python", ["start"], none, "TOKEN")], [new("lab", "Lab", "", "notebook", App.Port, "/lab", true)]);
        db.TemplateVersions.Add(new() { Id = Guid.CreateVersion7(), TemplateId = "hostile", Hash = new('e', 64), Spec = spec });
        await db.SaveChangesAsync(Cancel);
    }

    public async ValueTask DisposeAsync()
    {
        if (App is not null) await App.DisposeAsync();
        await Web.DisposeAsync();
    }

    public async Task<Workspace> WorkspaceAsync()
    {
        var id = Guid.CreateVersion7();
        var launch = (LaunchWorkspace)Web.Services.GetService(typeof(LaunchWorkspace))!;
        var end = TimeProvider.System.GetUtcNow().AddHours(2);
        var launched = await launch.RunAsync(new(id, new(Web.Person("Ada")), Web.Class, "hostile", "s", $"hostile {id.ToString("N")[^8..]}", end), Cancel);
        launched.ShouldBeOfType<LaunchOutcome.Accepted>();
        await Web.ReadyAsync(id, 1);
        await using var db = Web.Database.Open();
        return await db.Workspaces.FindAsync([id], Cancel) ?? throw new InvalidOperationException();
    }
}
