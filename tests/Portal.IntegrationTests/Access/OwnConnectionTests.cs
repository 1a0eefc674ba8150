using System.Net;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;

namespace Portal.IntegrationTests.Access;

/// <summary>A circuit's connection works only for the session that negotiated it, with every transport.</summary>
public sealed class OwnConnectionTests(WebFixture web) : IClassFixture<WebFixture>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>A SignalR client's first message, terminated as its protocol requires.</summary>
    private static readonly byte[] Handshake = Encoding.UTF8.GetBytes("{\"protocol\":\"blazorpack\",\"version\":1}\u001e");

    [Theory]
    [InlineData(1)]
    [InlineData(0)]
    public async Task Token_OfAnotherPerson_IsRefusedByEveryTransportAndWorksForItsOwner(int version)
    {
        using var ada = web.Visit();
        using var alan = web.Visit();
        await ada.SignInAsync("Ada");
        await alan.SignInAsync("Alan");
        var token = await NegotiateAsync(ada, version);

        (await UseAsync(alan, HttpMethod.Get, token)).ShouldBe(HttpStatusCode.NotFound, "long polling");
        (await UseAsync(alan, HttpMethod.Post, token)).ShouldBe(HttpStatusCode.NotFound, "sending");
        (await UseAsync(alan, HttpMethod.Delete, token)).ShouldBe(HttpStatusCode.NotFound, "ending");
        var address = $"{web.Origin}/_blazor?id={Uri.EscapeDataString(token)}";
        (await Should.ThrowAsync<WebSocketException>(() => alan.SocketAsync(address, web.Origin))).Message.ShouldContain("404");

        using var socket = await ada.SocketAsync(address, web.Origin);
        await socket.SendAsync(Handshake, WebSocketMessageType.Text, endOfMessage: true, Cancel);
        var buffer = new byte[1024];
        var answer = await socket.ReceiveAsync(buffer, Cancel);
        Encoding.UTF8.GetString(buffer, 0, answer.Count).ShouldBe("{}\u001e", "the hub shakes hands");
    }

    [Fact]
    public async Task Connection_ThatIsUsedAlready_TakesNothingFromAnotherPerson()
    {
        using var ada = web.Visit();
        using var alan = web.Visit();
        await ada.SignInAsync("Ada");
        await alan.SignInAsync("Alan");
        var token = await NegotiateAsync(ada, version: 1);
        (await UseAsync(ada, HttpMethod.Get, token)).ShouldBe(HttpStatusCode.OK, "her first poll");
        (await UseAsync(ada, HttpMethod.Post, token, Handshake)).ShouldBe(HttpStatusCode.OK);

        (await UseAsync(alan, HttpMethod.Get, token)).ShouldBe(HttpStatusCode.NotFound);
        (await UseAsync(alan, HttpMethod.Post, token, Handshake)).ShouldBe(HttpStatusCode.NotFound);
        (await UseAsync(alan, HttpMethod.Delete, token)).ShouldBe(HttpStatusCode.NotFound);

        (await UseAsync(ada, HttpMethod.Get, token)).ShouldBe(HttpStatusCode.OK, "it is hers and exists");
    }

    [Fact]
    public async Task Token_OfAnEarlierSessionOrChanged_IsRefused()
    {
        using var ada = web.Visit();
        await ada.SignInAsync("Ada");
        var before = await NegotiateAsync(ada, version: 1);
        await ada.SignInAsync("Ada");
        var now = await NegotiateAsync(ada, version: 1);

        foreach (var token in new[] { before, now[..^1], now + "x", now.Split('.')[0], before.Split('.')[0] + "." + now.Split('.')[^1], ".", "x" })
            (await UseAsync(ada, HttpMethod.Get, token)).ShouldBe(HttpStatusCode.NotFound, token);
        (await UseAsync(ada, HttpMethod.Get, now)).ShouldBe(HttpStatusCode.OK);
    }

    private async Task<string> NegotiateAsync(Visitor visitor, int version)
    {
        var asked = version > 0 ? $"?negotiateVersion={version}" : "";
        using var answer = await visitor.SendAsync(HttpMethod.Post, $"/_blazor/negotiate{asked}", new StringContent(""), web.Origin);
        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        var connection = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(Cancel)).RootElement;
        return connection.GetProperty(version > 0 ? "connectionToken" : "connectionId").GetString()!;
    }

    private async Task<HttpStatusCode> UseAsync(Visitor visitor, HttpMethod method, string token, byte[]? body = null)
    {
        using var content = method == HttpMethod.Post ? new ByteArrayContent(body ?? []) : null;
        using var answer = await visitor.SendAsync(method, $"/_blazor?id={Uri.EscapeDataString(token)}", content, web.Origin);
        return answer.StatusCode;
    }
}
