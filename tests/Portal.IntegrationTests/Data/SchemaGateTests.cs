using System.Net;
using Portal.Core.Catalog;
using Portal.IntegrationTests.Access;
using Portal.TestKit;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Data;

/// <summary>A database migrated by a newer version: neither process works on rows that it does not know.</summary>
public sealed class SchemaGateTests(WebFixture web) : IClassFixture<WebFixture>
{
    private const string Newer = "99991231235959_OfANewerVersion", Message = "which this version does not know: run the newer version";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Schema_Newer_WebIsUnwellWithTheWordsUntilItIsOurs()
    {
        using var visitor = web.Visit();
        await web.Database.ExecuteAsync($"insert into portal.migrations (migration_id, product_version) values ({Newer}, '10')", Cancel);
        try
        {
            using var health = await visitor.GetAsync("/health");
            health.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
            (await health.Content.ReadAsStringAsync(Cancel)).ShouldBe($"The database has the migration {Newer}, {Message}.");

            // A process that starts now serves nothing else either.
            var port = WebFixture.FreePort();
            await using var late = Portal.Program.Build(web.Arguments($"http://127.0.0.1:{port}"), TimeProvider.System);
            await late.StartAsync(Cancel);
            using var http = new HttpClient();
            foreach (var path in (string[])["/", "/sign-in", "/api/v1/me"])
            {
                using var request = new HttpRequestMessage(HttpMethod.Get, $"http://127.0.0.1:{port}{path}");
                request.Headers.Host = web.Url.Authority;
                using var answer = await http.SendAsync(request, Cancel);
                answer.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable, path);
                (await answer.Content.ReadAsStringAsync(Cancel)).ShouldContain(Message);
            }
            await late.StopAsync(Cancel);
        }
        finally
        {
            await web.Database.ExecuteAsync($"delete from portal.migrations where migration_id = {Newer}", Cancel);
        }
        using var well = await visitor.GetAsync("/health");
        well.StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task Schema_Newer_JobsRefusesToStartWithTheWords()
    {
        await using var lab = CloudLab.Open();
        await using var database = await TestDatabase.CreateAsync(Cancel);
        await database.ExecuteAsync($"insert into portal.migrations (migration_id, product_version) values ({Newer}, '10')", Cancel);
        var folder = Path.GetDirectoryName(lab.Mounts)!;
        await File.WriteAllTextAsync(Path.Combine(folder, "key"), new string('a', 64), Cancel);
        var settings = lab.Settings.Where(s => s.Value is not null).ToDictionary(s => s.Key, s => s.Value!, StringComparer.Ordinal);
        foreach (var (key, value) in ((string, string)[])[("ConnectionStrings:portal", database.Jobs),
            ("Installation:KeyFile", Path.Combine(folder, "key")), ("Site:PublicUrl", web.Origin), ("Site:AppsDomain", "apps.localhost"),
            ("Jobs:Socket", Path.Combine(folder, "jobs.sock"))])
            settings[key] = value;
        var jobs = new Child("Portal.Jobs.dll", Path.Combine(folder, "jobs.log"), settings);
        jobs.Start();

        (await jobs.EndAsync(TimeSpan.FromMinutes(3), Cancel)).ShouldNotBe(0);

        jobs.LastOutput.ShouldContain(Message);
        await using var db = database.Open();
        (await Microsoft.EntityFrameworkCore.EntityFrameworkQueryableExtensions.AnyAsync(db.TemplateVersions, Cancel)).ShouldBeFalse();
    }
}
