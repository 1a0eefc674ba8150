using System.Net;
using System.Net.WebSockets;
using Microsoft.Extensions.DependencyInjection;
using Portal.Core.Workspaces;
using Portal.IntegrationTests.Access;
using Portal.TestKit;

namespace Portal.IntegrationTests.Proxy;

/// <summary>An open WebSocket, an open download and an open tab lose access soon after the reason for it is gone.</summary>
public sealed class AccessEndsTests(WebFixture web) : IClassFixture<WebFixture>
{
    private static readonly TimeSpan Promised = TimeSpan.FromMinutes(1), Expected = TimeSpan.FromSeconds(8);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("sign-out")]
    [InlineData("session row deleted")]
    [InlineData("stop")]
    [InlineData("delete")]
    [InlineData("membership removed")]
    [InlineData("next generation")]
    [InlineData("app session deleted")]
    public async Task Access_WhatItRestsOnEnds_IsCutEverywhere(string why)
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Alan");
        var w = await web.WorkspaceAsync("Alan");
        await visitor.OpenAsync(w.Id);
        using var socket = await visitor.SocketAsync(web.AppUrl(w.Slug) + "/ws", web.AppUrl(w.Slug));
        await socket.SendAsync("x"u8.ToArray(), WebSocketMessageType.Text, true, Cancel);
        var buffer = new byte[100];
        await socket.ReceiveAsync(buffer, Cancel);
        using var download = await visitor.SendAsync(HttpMethod.Get, web.AppUrl(w.Slug) + "/slow", until: HttpCompletionOption.ResponseHeadersRead);
        await using var drip = await download.Content.ReadAsStreamAsync(Cancel);
        (await drip.ReadAsync(buffer, Cancel)).ShouldBeGreaterThan(0);
        var token = await visitor.FormTokenAsync();

        var clock = TimeProvider.System;
        var start = clock.GetTimestamp();
        await EndAsync(web, why, visitor, w, token);
        await Should.ThrowAsync<WebSocketException>(async () => { while (true) await socket.ReceiveAsync(buffer, Cancel); });
        var socketCut = clock.GetElapsedTime(start);
        await Should.ThrowAsync<Exception>(async () =>
        {
            while (await drip.ReadAsync(buffer, Cancel) > 0) { }
            throw new HttpIOException(HttpRequestError.ResponseEnded);
        });
        var downloadCut = clock.GetElapsedTime(start);
        async Task<bool> IsRefusedAsync() => (await visitor.GetAsync(web.AppUrl(w.Slug) + "/lab")).StatusCode == HttpStatusCode.ServiceUnavailable;
        await Until.TrueAsync("the tab is refused", IsRefusedAsync, Cancel, Promised);
        var tabRefused = clock.GetElapsedTime(start);
        TestContext.Current.TestOutputHelper!.WriteLine(
            $"{why}: WebSocket cut after {socketCut.TotalMilliseconds:F0} ms, "
            + $"download {downloadCut.TotalMilliseconds:F0} ms, tab refused {tabRefused.TotalMilliseconds:F0} ms");
        tabRefused.ShouldBeLessThan(Expected);
        if (why == "membership removed") await web.JoinAsync("Alan");
    }

    [Fact]
    public async Task Access_NothingChanges_StaysThroughManyNotifications()
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Ada");
        var w = await web.WorkspaceAsync("Ada");
        await visitor.OpenAsync(w.Id);
        using var socket = await visitor.SocketAsync(web.AppUrl(w.Slug) + "/ws", web.AppUrl(w.Slug));
        var buffer = new byte[100];
        for (var i = 0; i < 20; i++)
        {
            await web.Database.ExecuteAsync($"update portal.nodes set out_of_memory_kills = {i} where workspace_id = {w.Id}", Cancel);
            await web.Database.ExecuteAsync($"delete from portal.sessions where hash = 'nobody'", Cancel);
            await socket.SendAsync("x"u8.ToArray(), WebSocketMessageType.Text, true, Cancel);
            (await socket.ReceiveAsync(buffer, Cancel)).Count.ShouldBe(1);
        }
    }

    internal static async Task EndAsync(WebFixture web, string why, Visitor visitor, Workspace w, string token)
    {
        var alan = web.Person("Alan");
        switch (why)
        {
            case "sign-out": await visitor.PostFormAsync("/sign-out", web.Origin, ("__RequestVerificationToken", token)); break;
            case "session row deleted": await web.Database.ExecuteAsync($"delete from portal.sessions where person_id = {alan}", Cancel); break;
            case "stop":
                (await web.Services.GetRequiredService<StopWorkspace>().RunAsync(new(alan), w.Id, Cancel))
                .ShouldBeOfType<ChangeOutcome.Accepted>(); break;
            case "delete":
                (await web.Services.GetRequiredService<DeleteWorkspace>().RunAsync(new(alan), w.Id, Cancel))
                .ShouldBeOfType<ChangeOutcome.Accepted>(); break;
            case "membership removed": await web.Database.ExecuteAsync($"delete from portal.memberships where person_id = {alan}", Cancel); break;
            case "next generation":
                await web.Database.ExecuteAsync($"update portal.workspaces set generation = generation + 1 where id = {w.Id}",
                Cancel); break;
            case "app session deleted": await web.Database.ExecuteAsync($"delete from portal.app_sessions where workspace_id = {w.Id}", Cancel); break;
            default: throw new ArgumentOutOfRangeException(nameof(why));
        }
    }
}
