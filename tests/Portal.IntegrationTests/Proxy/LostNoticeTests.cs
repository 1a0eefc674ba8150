using System.Net;
using System.Net.WebSockets;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Time.Testing;
using Portal.IntegrationTests.Access;
using Portal.TestKit;

namespace Portal.IntegrationTests.Proxy;

/// <summary>A web process whose clock stands still until a test moves it, and whose database sends no notifications.</summary>
public sealed class DeafWeb : WebFixture
{
    public FakeTimeProvider Time { get; } = new(TimeProvider.System.GetUtcNow());

    protected override TimeProvider Clock => Time;

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        foreach (var table in (string[])["workspaces", "runs", "nodes", "sessions", "app_sessions", "memberships", "log_lines"])
            await Database.ExecuteAsync(FormattableStringFactory.Create($"alter table portal.{table} disable trigger user"),
                TestContext.Current.CancellationToken);
    }
}

/// <summary>Access ends within the promised minute although the notification was lost. The
/// minute is by the web process's clock, which the test moves.</summary>
public sealed class LostNoticeTests(DeafWeb web) : IClassFixture<DeafWeb>
{
    private static readonly TimeSpan Step = TimeSpan.FromSeconds(1), BelowAMinute = TimeSpan.FromSeconds(59);
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("session row deleted")]
    [InlineData("stop")]
    [InlineData("membership removed")]
    [InlineData("next generation")]
    public async Task Access_EndsAndNobodyIsTold_IsCutBeforeTheMinuteIsOver(string why)
    {
        using var visitor = web.Visit();
        await visitor.SignInAsync("Alan");
        var w = await web.WorkspaceAsync("Alan");
        await visitor.OpenAsync(w.Id);
        using var socket = await visitor.SocketAsync(web.AppUrl(w.Slug) + "/ws", web.AppUrl(w.Slug));
        await EchoAsync(socket);

        await AccessEndsTests.EndAsync(web, why, visitor, w, "");

        await EchoAsync(socket); // nothing has noticed: the notification was lost, and the clock stands still
        for (var passed = TimeSpan.Zero; passed < BelowAMinute; passed += Step) web.Time.Advance(Step);
        using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(30), TimeProvider.System);
        await Should.ThrowAsync<WebSocketException>(async () => { while (true) await socket.ReceiveAsync(new byte[10], soon.Token); });
        async Task<bool> IsRefusedAsync() => (await visitor.GetAsync(web.AppUrl(w.Slug) + "/lab")).StatusCode == HttpStatusCode.ServiceUnavailable;
        await Until.TrueAsync("the tab is refused", IsRefusedAsync, Cancel);
        if (why == "membership removed") await web.JoinAsync("Alan");
    }

    private static async Task EchoAsync(ClientWebSocket socket)
    {
        await socket.SendAsync("x"u8.ToArray(), WebSocketMessageType.Text, true, Cancel);
        (await socket.ReceiveAsync(new byte[10], Cancel)).Count.ShouldBe(1);
    }
}
