using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using Npgsql;
using Portal.Core.Data;
using Portal.TestKit;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Access;

/// <summary>A database that is known by a name, while that name does not resolve: unavailable like one that does not answer.</summary>
public sealed class DatabaseNameTests(WebFixture web) : IClassFixture<WebFixture>
{
    private const string Name = "database.portal.test", Failed = "Listening for changes failed";
    private static readonly TimeSpan Starts = TimeSpan.FromMinutes(1);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Fault_NameOfTheDatabase_IsUnavailable_NameOfAnotherServiceIsNot()
    {
        await using var nowhere = NpgsqlDataSource.Create("Host=db.invalid;Username=portal_web;Database=portal");
        using var http = new HttpClient(new SocketsHttpHandler { UseProxy = false });

        var ofDatabase = await Should.ThrowAsync<Exception>(async () => await nowhere.OpenConnectionAsync(Cancel));
        var ofAnother = await Should.ThrowAsync<HttpRequestException>(() => http.GetAsync(new Uri("http://jobs.invalid/"), Cancel));

        DatabaseUnavailable.Is(ofDatabase).ShouldBeTrue(ofDatabase.ToString());
        DatabaseUnavailable.Is(new InvalidOperationException("wrapped", ofDatabase)).ShouldBeTrue();
        DatabaseUnavailable.Is(ofAnother).ShouldBeFalse(ofAnother.ToString());
        DatabaseUnavailable.Is(new InvalidOperationException("wrapped", ofAnother)).ShouldBeFalse();
    }

    /// <summary>The process as it is, with names of its own: a mount namespace in which the test writes /etc/hosts.</summary>
    [Fact]
    public async Task Web_NameDoesNotResolveForAWhile_AnswersUnavailable_AndLivesOn()
    {
        var server = new NpgsqlConnectionStringBuilder(TestDatabase.Server);
        await using var relay = SocketRelay.StartTcp(Path.Combine(server.Host!, ".s.PGSQL.5432"));
        var folder = Directory.CreateTempSubdirectory("portal-test-names").FullName;
        var hosts = Path.Combine(folder, "hosts");
        await File.WriteAllTextAsync(Path.Combine(folder, "nsswitch.conf"), "passwd: files\ngroup: files\nhosts: files\n", Cancel);
        Task NameAsync(bool resolves) => File.WriteAllTextAsync(hosts, $"127.0.0.1 localhost{(resolves ? $" {Name}" : "")}\n", Cancel);
        await NameAsync(resolves: false);
        var said = new ConcurrentQueue<string>();
        var port = WebFixture.FreePort();
        using var process = Start(folder, port, new NpgsqlConnectionStringBuilder(web.Database.Web) { Host = Name, Port = relay.Port }.ConnectionString, said);
        try
        {
            using var http = new HttpClient();
            await FailsAsync("at the start");
            await Until.TrueAsync("it answers", async () => await GetAsync(http, port, "/health") is not null, Cancel, Starts);
            await MustBeUnavailableAsync(http, port);

            await NameAsync(resolves: true);
            await Until.TrueAsync("it is back", async () => await GetAsync(http, port, "/health") == HttpStatusCode.OK, Cancel);
            (await GetAsync(http, port, "/sign-in")).ShouldBe(HttpStatusCode.OK);

            await NameAsync(resolves: false);
            await relay.CutAsync();
            await FailsAsync("later");
            await MustBeUnavailableAsync(http, port);

            relay.Restore();
            await NameAsync(resolves: true);
            await Until.TrueAsync("it is back again", async () => await GetAsync(http, port, "/sign-in") == HttpStatusCode.OK, Cancel);
            process.HasExited.ShouldBeFalse();
        }
        finally
        {
            process.Kill();
            await process.WaitForExitAsync(Cancel);
            Directory.Delete(folder, recursive: true);
        }

        // Twice: whoever listens has outlived the first fault.
        Task FailsAsync(string when)
        {
            var before = said.Count(l => l.Contains(Failed, StringComparison.Ordinal));
            return Until.TrueAsync($"listening fails {when}", () =>
            {
                process.HasExited.ShouldBeFalse(string.Join('\n', said));
                return said.Count(l => l.Contains(Failed, StringComparison.Ordinal)) > before + 1;
            }, Cancel, Starts);
        }
    }

    private Process Start(string folder, int port, string connection, ConcurrentQueue<string> said)
    {
        const string WithOwnNames = "mount --bind \"$0/hosts\" /etc/hosts && mount --bind \"$0/nsswitch.conf\" /etc/nsswitch.conf && exec dotnet \"$@\"";
        string[] program = [Path.Combine(AppContext.BaseDirectory, "Portal.dll"), .. web.Arguments($"http://127.0.0.1:{port}",
            $"--ConnectionStrings:portal={connection}")];
        var process = new Process
        {
            StartInfo = new("unshare", ["--mount", "sh", "-c", WithOwnNames, folder, .. program])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                UseShellExecute = false,
            },
        };
        process.OutputDataReceived += Keep;
        process.ErrorDataReceived += Keep;
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;

        void Keep(object sender, DataReceivedEventArgs e)
        {
            if (e.Data is not null) said.Enqueue(e.Data);
        }
    }

    private async Task MustBeUnavailableAsync(HttpClient http, int port)
    {
        foreach (var (path, type) in ((string, string)[])[("/health", "text/plain"), ("/sign-in", "text/html"), ("/api/v1/me", "application/problem+json")])
        {
            using var answer = await http.SendAsync(Request(port, path), Cancel);
            var says = await answer.Content.ReadAsStringAsync(Cancel);
            answer.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable, $"{path}: {says}");
            answer.Headers.RetryAfter!.Delta.ShouldBe(TimeSpan.FromSeconds(5), path);
            if (path != "/health") answer.Content.Headers.ContentType!.MediaType.ShouldBe(type);
        }
    }

    /// <summary>Null while nothing listens yet.</summary>
    private async Task<HttpStatusCode?> GetAsync(HttpClient http, int port, string path)
    {
        try
        {
            using var answer = await http.SendAsync(Request(port, path), Cancel);
            return answer.StatusCode;
        }
        catch (HttpRequestException) { return null; }
    }

    /// <summary>As a browser sends it that has some session.</summary>
    private HttpRequestMessage Request(int port, string path)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, $"http://127.0.0.1:{port}{path}");
        request.Headers.Host = web.Url.Authority;
        request.Headers.Accept.ParseAdd("text/html,*/*;q=0.8");
        request.Headers.Add("Cookie", $"{web.SessionCookie}=some-key");
        return request;
    }
}
