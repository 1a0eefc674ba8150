using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Portal.Core.Classes;
using Portal.Core.Clouds;
using Portal.Core.Data;
using Portal.IntegrationTests.Access;
using Portal.Jobs.Background;
using Portal.Jobs.Clouds;
using Portal.TestKit.Scripted;

namespace Portal.IntegrationTests.Proxy;

/// <summary>A node's output through Jobs' socket and the web process: who may read it, and no more than a person can read.</summary>
public sealed class NodeLogTests(WebFixture web) : IClassFixture<WebFixture>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private readonly ScriptedClouds _clouds = new((_, _) => Mood.Well), _physics = new((_, _) => Mood.Well);
    private readonly WaitedClock _clock = new();
    private int _arrived;
    private Guid _asked;

    /// <summary>Many times what sockets keep for a reader that does not read.</summary>
    private static readonly string[] Long = [.. Enumerable.Range(0, 8000).Select(i => $"{i:D8} {new string('x', 991)}")];

    private async Task<WebApplication> JobsAsync()
    {
        File.Delete(web.JobsSocket);
        _asked = (await web.WorkspaceAsync("Edsger")).Id;
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.ConfigureKestrel(k => k.ListenUnixSocket(web.JobsSocket));
        builder.Configuration["ConnectionStrings:portal"] = web.Database.Jobs;
        builder.Services.AddPortalData(builder.Configuration)
            .AddNodeLogs()
            .AddSingleton(new CloudKits([_clouds.Kit(LocalCloud.Key), _physics.Kit("physics")]))
            .AddSingleton<TimeProvider>(_clock);
        var jobs = builder.Build();
        jobs.Use((http, next) =>
        {
            Interlocked.Increment(ref _arrived);
            return next(http);
        });
        jobs.MapNodeLogs();
        await jobs.StartAsync(Cancel);
        return jobs;
    }

    [Fact]
    public async Task Download_OwnerAndStaff_GetTheFile_OthersNothing()
    {
        await using var jobs = await JobsAsync();
        var workspace = await web.WorkspaceAsync("Ada");
        var log = $"/workspaces/{workspace.Id}/nodes/notebook/log";
        foreach (var name in (string[])["Ada", "Barbara", "Edsger"])
        {
            using var reader = web.Visit();
            await reader.SignInAsync(name);
            using var file = await reader.GetAsync(log);
            file.StatusCode.ShouldBe(HttpStatusCode.OK, name);
            file.Content.Headers.ContentDisposition!.ToString().ShouldBe("attachment; filename=\"notebook.log\"");
            (await file.Content.ReadAsStringAsync(Cancel)).ShouldBe("2026-11-26T10:00:00.000000000Z its last words\n");
            using var nothing = await reader.GetAsync($"/workspaces/{workspace.Id}/nodes/another/log");
            nothing.StatusCode.ShouldBe(HttpStatusCode.NotFound);
        }
        using var alan = web.Visit();
        await alan.SignInAsync("Alan");
        (await alan.GetAsync(log)).StatusCode.ShouldBe(HttpStatusCode.NotFound);
        using var nobody = web.Visit();
        (await nobody.GetAsync(log)).StatusCode.ShouldNotBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task Download_MoreThanAnybodyReads_IsItsEnd()
    {
        await using var jobs = await JobsAsync();
        _clouds.Log = Long;
        var workspace = await web.WorkspaceAsync("Ada");
        using var ada = web.Visit();
        await ada.SignInAsync("Ada");

        using var file = await ada.GetAsync($"/workspaces/{workspace.Id}/nodes/notebook/log");

        var lines = (await file.Content.ReadAsStringAsync(Cancel)).TrimEnd('\n').Split('\n');
        lines.Length.ShouldBe(NodeLogEndpoint.MostBytes / 1001);
        lines[^1].ShouldStartWith("00007999 ");
    }

    [Fact]
    public async Task Download_FourReadersThatDoNotRead_HoldUpNobody()
    {
        await using var jobs = await JobsAsync();
        _clouds.Log = Long;
        using var http = Http();
        var slow = new List<HttpResponseMessage>();
        for (var i = 0; i < 4; i++) slow.Add(await http.GetAsync(Log, HttpCompletionOption.ResponseHeadersRead, Cancel));
        var workspace = await web.WorkspaceAsync("Ada");
        using var ada = web.Visit();
        await ada.SignInAsync("Ada");

        using var file = await ada.GetAsync($"/workspaces/{workspace.Id}/nodes/notebook/log").WaitAsync(TimeSpan.FromSeconds(15), TimeProvider.System, Cancel);

        file.StatusCode.ShouldBe(HttpStatusCode.OK);
        var whole = await file.Content.ReadAsStringAsync(Cancel);
        whole.EndsWith($"{Long[^1]}\n", StringComparison.Ordinal).ShouldBeTrue();
        foreach (var reader in slow)
            using (reader) (await reader.Content.ReadAsStringAsync(Cancel) == whole).ShouldBeTrue("it is kept for those who read later");
    }

    [Fact]
    public async Task Download_OfAWorkspaceThatNobodyKnows_IsEmpty()
    {
        await using var jobs = await JobsAsync();
        using var http = Http();
        _asked = Guid.NewGuid();

        (await http.GetStringAsync(Log, Cancel)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Download_ReaderThatTakesTenMinutes_IsCutOff()
    {
        await using var jobs = await JobsAsync();
        _clouds.Log = Long;
        using var http = Http();
        using var answer = await http.GetAsync(Log, HttpCompletionOption.ResponseHeadersRead, Cancel);
        await using var lines = await answer.Content.ReadAsStreamAsync(Cancel);
        await lines.ReadExactlyAsync(new byte[1], Cancel);

        _clock.Advance(TimeSpan.FromMinutes(10));

        await Should.ThrowAsync<IOException>(() => lines.CopyToAsync(Stream.Null, Cancel));
    }

    [Fact]
    public async Task Download_ManyAtOnce_NeverReadMoreThanFourFromTheContainerEngine()
    {
        await using var jobs = await JobsAsync();
        using var turn = new SemaphoreSlim(0);
        var (reading, most) = (0, 0);
        _clouds.LogEnd = async () =>
        {
            var now = Interlocked.Increment(ref reading);
            lock (turn) most = Math.Max(most, now);
            await turn.WaitAsync(Cancel);
            Interlocked.Decrement(ref reading);
        };
        using var http = Http();
        var all = Enumerable.Range(0, 12).Select(_ => http.GetStringAsync(Log, Cancel)).ToList();
        await TestKit.Until.TrueAsync("all are there, and as many as may are read",
            () => Volatile.Read(ref _arrived) == all.Count && Volatile.Read(ref reading) >= 4, Cancel);

        turn.Release(all.Count);

        (await Task.WhenAll(all)).ShouldAllBe(log => log.EndsWith(" its last words\n", StringComparison.Ordinal));
        most.ShouldBe(4);
    }

    /// <summary>As many as may be read wait for a pool that never answers.</summary>
    [Fact]
    public async Task Download_FromAPoolWhileAnotherHangs_IsNotHeldUp()
    {
        await using var jobs = await JobsAsync();
        var hanging = await web.WorkspaceAsync("Edsger");
        await MoveAsync(hanging.Id, "physics");
        var (never, reading) = (new TaskCompletionSource(), 0);
        _physics.LogEnd = () =>
        {
            Interlocked.Increment(ref reading);
            return never.Task;
        };
        using var http = Http();
        var stuck = Enumerable.Range(0, 8).Select(_ => http.GetStringAsync(new Uri($"http://jobs/logs/{hanging.Id}/notebook"), Cancel)).ToList();
        await TestKit.Until.TrueAsync("as many as may are read there", () => Volatile.Read(ref _arrived) == 8 && Volatile.Read(ref reading) == 4, Cancel);

        (await http.GetStringAsync(Log, Cancel).WaitAsync(TimeSpan.FromSeconds(10), TimeProvider.System, Cancel)).ShouldEndWith(" its last words\n");

        never.SetResult();
        (await Task.WhenAll(stuck)).ShouldAllBe(log => log.EndsWith(" its last words\n", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Follow_FromAPoolWhileAllPlacesOfAnotherAreTaken_IsNotHeldUp()
    {
        await using var jobs = await JobsAsync();
        var other = await web.WorkspaceAsync("Edsger");
        await MoveAsync(other.Id, "physics");
        using var http = Http();
        var followers = new List<HttpResponseMessage>();
        HttpResponseMessage one;
        while ((one = await http.GetAsync(new Uri($"http://jobs/logs/{other.Id}/notebook?follow=true"), HttpCompletionOption.ResponseHeadersRead, Cancel))
            .IsSuccessStatusCode && followers.Count < 100)
            followers.Add(one);
        followers.Count.ShouldBe(64);

        using var answer = await http.GetAsync(Logs, HttpCompletionOption.ResponseHeadersRead, Cancel);

        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        foreach (var follower in followers) follower.Dispose();
    }

    /// <summary>To a tenant in another pool, in a cloud of its own.</summary>
    private async Task MoveAsync(Guid workspace, string pool)
    {
        await web.Database.ExecuteAsync(
            $"insert into portal.clouds (key, kind, title, launches_at_once) values ({pool}, 'scripted', {pool}, 1) on conflict do nothing", Cancel);
        await using var db = web.Database.Open();
        if (!await db.Pools.AnyAsync(p => p.Key == pool, Cancel)) db.Pools.Add(new() { Key = pool, CloudKey = pool, Title = pool });
        var tenant = new Tenant { Id = Guid.CreateVersion7(), Slug = $"{pool}-{workspace:n}", Name = pool, PoolKey = pool, Limits = new(1, 1, 1, 1) };
        db.Tenants.Add(tenant);
        await db.SaveChangesAsync(Cancel);
        await web.Database.ExecuteAsync($"update portal.workspaces set tenant_id = {tenant.Id} where id = {workspace}", Cancel);
    }

    [Fact]
    public async Task Download_MoreSlowReadersThanThereIsMemoryFor_AreTurnedAwayAndTheRoomComesBack()
    {
        await using var jobs = await JobsAsync();
        _clouds.Log = Long;
        using var http = Http();
        var slow = new List<HttpResponseMessage>();
        while (await BeginsAsync(http, slow) && slow.Count < 40) { }
        slow.Count.ShouldBe(32);

        foreach (var reader in slow) reader.Dispose();
        await TestKit.Until.TrueAsync("there is room again", () => BeginsAsync(http, slow), Cancel);
    }

    /// <summary>False if the response is cut off before its first byte, which may also take its head away.</summary>
    private async Task<bool> BeginsAsync(HttpClient http, List<HttpResponseMessage> readers)
    {
        HttpResponseMessage? one = null;
        try
        {
            one = await http.GetAsync(Log, HttpCompletionOption.ResponseHeadersRead, Cancel);
            await (await one.Content.ReadAsStreamAsync(Cancel)).ReadExactlyAsync(new byte[1], Cancel);
            readers.Add(one);
            return true;
        }
        catch (Exception e) when (e is HttpIOException || e.InnerException is HttpIOException)
        {
            one?.Dispose();
            return false;
        }
    }

    [Fact]
    public async Task Download_JobsUnavailable_SaysSo()
    {
        File.Delete(web.JobsSocket);
        var workspace = await web.WorkspaceAsync("Ada");
        using var ada = web.Visit();
        await ada.SignInAsync("Ada");
        using var unavailable = await ada.GetAsync($"/workspaces/{workspace.Id}/nodes/notebook/log");
        unavailable.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
        unavailable.Headers.RetryAfter!.Delta.ShouldBe(TimeSpan.FromSeconds(5));
        (await unavailable.Content.ReadAsStringAsync(Cancel)).ShouldStartWith("The log cannot be read at the moment");
    }

    [Fact]
    public async Task Follow_NodeThatWritesWithoutEnd_IsReadAsFastAsSomebodyCould()
    {
        await using var jobs = await JobsAsync();
        _clouds.Log = [.. Enumerable.Range(1, NodeLogEndpoint.MostLines * 2).Select(i => $"line {i}")];
        using var http = Http();
        using var answer = await http.GetAsync(Logs, HttpCompletionOption.ResponseHeadersRead, Cancel);
        using var lines = new StreamReader(await answer.Content.ReadAsStreamAsync(Cancel));
        for (var i = 1; i <= NodeLogEndpoint.MostLines; i++) (await lines.ReadLineAsync(Cancel)).ShouldBe($"line {i}");

        var next = lines.ReadLineAsync(Cancel).AsTask();
        (await _clock.Waited.Task.WaitAsync(Cancel)).ShouldBe(TimeSpan.FromSeconds(1), "it waits, and what it has not read stays where it is");
        next.IsCompleted.ShouldBeFalse();
        _clock.Advance(TimeSpan.FromSeconds(1));
        (await next).ShouldBe($"line {NodeLogEndpoint.MostLines + 1}");
    }

    [Fact]
    public async Task Follow_MoreThanThereIsRoomFor_AreTurnedAwayAndTheRoomComesBack()
    {
        await using var jobs = await JobsAsync();
        using var http = Http();
        var followers = new List<HttpResponseMessage>();
        HttpResponseMessage one;
        while ((one = await http.GetAsync(Logs, HttpCompletionOption.ResponseHeadersRead, Cancel)).IsSuccessStatusCode && followers.Count < 100)
            followers.Add(one);
        (followers.Count, one.StatusCode).ShouldBe((64, HttpStatusCode.ServiceUnavailable));

        foreach (var follower in followers) follower.Dispose();
        await TestKit.Until.TrueAsync("there is space again", async () =>
        {
            using var again = await http.GetAsync(Logs, HttpCompletionOption.ResponseHeadersRead, Cancel);
            return again.IsSuccessStatusCode;
        }, Cancel);
    }

    private Uri Log => new($"http://jobs/logs/{_asked}/notebook");
    private Uri Logs => new($"{Log}?follow=true");

    /// <summary>Directly to the socket, as the web process does.</summary>
    private HttpClient Http() => new(new SocketsHttpHandler
    {
        ConnectCallback = async (_, cancel) =>
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(web.JobsSocket), cancel);
            return new NetworkStream(socket, ownsSocket: true);
        },
    });
}
