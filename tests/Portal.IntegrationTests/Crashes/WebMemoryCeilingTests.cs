using System.Net;
using System.Security.Cryptography;
using Microsoft.EntityFrameworkCore;
using Portal.Core.Access;
using Portal.Core.Data;
using Portal.Core.Workspaces;
using Portal.IntegrationTests.Access;
using Portal.TestKit;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Crashes;

/// <summary>Web at its maximum heap size, as a separate process: only the request that needs too much fails, and everybody else's are answered.</summary>
public sealed class WebMemoryCeilingTests : IAsyncLifetime
{
    /// <summary>256 MiB.</summary>
    private const string Ceiling = "0x10000000";

    /// <summary>Bytes of one row's text that do not fit at all; as text of .NET twice as many.</summary>
    private const int TooMuch = 150_000_000;

    /// <summary>Bytes of one row's text that fit, while what is made of them does not.</summary>
    private const int AlmostTooMuch = 60_000_000;

    private readonly string _folder = Directory.CreateTempSubdirectory("portal-test-web-").FullName;
    private readonly int _port = WebFixture.FreePort();
    private readonly HttpClient _http = new();
    private readonly Dictionary<Guid, string?> _keys = [];
    private TestDatabase _database = null!;
    private TestSite _site = null!;
    private Child _web = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _database = await TestDatabase.CreateAsync(Cancel);
        _site = await TestSite.CreateAsync(_database, students: 2, new(1000, 1_000_000, 1000, 1000), Cancel);
        foreach (var person in _site.Students) _keys[person] = await new BeginSession(_site.Get<IDbContextFactory<PortalDb>>()).RunAsync(person, Cancel);
        await File.WriteAllTextAsync($"{_folder}/key", RandomNumberGenerator.GetHexString(64), Cancel);
        _http.BaseAddress = new($"http://127.0.0.1:{_port}/api/v1/workspaces/");
        _http.DefaultRequestHeaders.Host = $"portal.localhost:{_port}";
        _web = new("Portal.dll", $"{_folder}/web.log", new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["DOTNET_GCHeapHardLimit"] = Ceiling,
            ["ConnectionStrings:portal"] = _database.Web,
            ["Installation:Id"] = WebFixture.Installation,
            ["Installation:KeyFile"] = $"{_folder}/key",
            ["Site:PublicUrl"] = $"http://portal.localhost:{_port}",
            ["Site:AppsDomain"] = "apps.localhost",
            ["SignIn:Demo"] = "true",
            ["DataProtection:KeysFolder"] = $"{_folder}/keys",
            ["Jobs:Socket"] = $"{_folder}/jobs.sock",
            ["urls"] = $"http://127.0.0.1:{_port}",
        });
        _web.Start();
    }

    public async ValueTask DisposeAsync()
    {
        _web?.Kill();
        _http.Dispose();
        if (_site is not null) await _site.DisposeAsync();
        if (_database is not null) await _database.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact, Trait("Lane", "long")]
    public async Task Web_RequestThatNeedsMoreThanItsCeiling_FailsAloneAndSucceedsWhenItNeedsLess()
    {
        var (greedy, small, other) = (_site.Order(_site.Students[0]), _site.Order(_site.Students[0]), _site.Order(_site.Students[1]));
        foreach (var order in (LaunchRequest[])[greedy, small, other])
            (await _site.Get<LaunchWorkspace>().RunAsync(order, Cancel)).ShouldBeOfType<LaunchOutcome.Accepted>();
        await Until.TrueAsync("the web process answers", async () =>
        {
            _web.MustRun();
            try { return (await GetAsync(other, $"{other.Id}")).Status is HttpStatusCode.OK; }
            catch (HttpRequestException) { return false; }
        }, Cancel, TimeSpan.FromMinutes(3));
        var process = _web.Id;

        await GrowAsync(greedy, TooMuch);
        foreach (var what in (string[])[$"{greedy.Id}", $"{greedy.Id}", ""]) // in the list, the large row follows a small one
        {
            await FailsAsync(greedy, what);
            await AnsweredAsync(other);
            await AnsweredAsync(small);
        }
        foreach (var size in (int[])[TooMuch, AlmostTooMuch])
        {
            await GrowAsync(greedy, size);
            await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => FailsAsync(greedy, $"{greedy.Id}")));
            await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => AnsweredAsync(other)));
        }

        await GrowAsync(greedy, 0);
        await AnsweredAsync(greedy);
        _web.MustRun();
        _web.Id.ShouldBe(process);
        _web.ResidentMost.ShouldBeLessThan(600L << 20);
    }

    private async Task<(HttpStatusCode Status, bool Later, string Body)> GetAsync(LaunchRequest of, string what)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, what);
        request.Headers.Add("Cookie", $"__Host-portal-{WebFixture.Installation[..5]}={_keys[of.Actor.PersonId]}");
        using var answer = await _http.SendAsync(request, Cancel);
        return (answer.StatusCode, answer.Headers.RetryAfter is not null, await answer.Content.ReadAsStringAsync(Cancel));
    }

    private async Task AnsweredAsync(LaunchRequest of)
    {
        var (status, _, body) = await GetAsync(of, $"{of.Id}");
        status.ShouldBe(HttpStatusCode.OK, $"{body}\n{_web.LastOutput}");
        body.ShouldContain($"{of.Id}");
    }

    private async Task FailsAsync(LaunchRequest of, string what)
    {
        var (status, later, body) = await GetAsync(of, what);
        (status, later).ShouldBe((HttpStatusCode.ServiceUnavailable, true), $"{body[..Math.Min(body.Length, 500)]}\n{_web.LastOutput}");
        body.ShouldContain("did not have enough memory");
    }

    private async Task GrowAsync(LaunchRequest which, int size) => await _database.ExecuteAsync(
        $"update portal.workspaces set parameters = jsonb_build_object('x', repeat('y', {size})) where id = {which.Id}", Cancel);
}
