using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.OpenStack;

namespace Portal.Tests.Clouds.OpenStack;

/// <summary>Token, repetition, deadline and limits of calls to OpenStack, over HTTP.</summary>
public sealed class SessionTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Token_AskedForByManyAtOnce_IsFetchedOnce()
    {
        await using var cloud = await RecordedCloud.StartAsync();
        cloud.Answers["POST /v3/auth/tokens"] = async http =>
        {
            await Task.Delay(100, Cancel);
            await cloud.SignInAsync(http);
        };

        var tokens = await Task.WhenAll(Enumerable.Range(0, 30).Select(_ => Task.Run(() => cloud.Cloud.Keystone.TokenAsync(null, Cancel))));

        cloud.SignIns.ShouldBe(1);
        tokens.Distinct().Count().ShouldBe(1);
    }

    [Fact]
    public async Task Token_RefusedForManyAtOnce_IsRenewedOnceAndEachCallRepeated()
    {
        await using var cloud = await RecordedCloud.StartAsync();
        cloud.Answers["GET /nova/v2.1/servers"] = cloud.WithToken(http => RecordedCloud.SayAsync(http, 200, """{"servers": []}"""));
        await cloud.Cloud.Servers.GetAsync("servers", Cancel);
        cloud.Tokens.Clear();

        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => cloud.Cloud.Servers.GetAsync("servers", Cancel)));

        cloud.SignIns.ShouldBe(2);
    }

    [Fact]
    public async Task Token_RefusedAgainAfterRenewal_IsAFaultAfterTwoCalls()
    {
        await using var cloud = await RecordedCloud.StartAsync();
        cloud.On("GET /nova/v2.1/servers", 401, """{"error": {"code": 401, "message": "The request you have made requires authentication."}}""");

        var fault = await Should.ThrowAsync<CloudException>(() => cloud.Cloud.Servers.GetAsync("servers", Cancel));

        fault.Fault.ShouldBe(CloudFault.Denied);
        cloud.Requests.Count(r => r.Path == "/nova/v2.1/servers").ShouldBe(2);
        cloud.SignIns.ShouldBe(2);
    }

    [Fact]
    public async Task Token_NearItsEnd_IsRenewedBeforeTheCall()
    {
        await using var cloud = await RecordedCloud.StartAsync();
        cloud.Life = TimeSpan.FromSeconds(2);
        var first = await cloud.Cloud.Keystone.TokenAsync(null, Cancel);
        (await cloud.Cloud.Keystone.TokenAsync(null, Cancel)).ShouldBe(first);

        await Task.Delay(TimeSpan.FromSeconds(1.6), TimeProvider.System, Cancel); // of two seconds, a quarter is the margin

        (await cloud.Cloud.Keystone.TokenAsync(null, Cancel)).ShouldNotBe(first);
    }

    /// <summary>Not signed in again and again, which would lock the account; but at once with another credential, and later with the same.</summary>
    [Fact]
    public async Task SignIn_Denied_IsKeptForAMomentOrUntilTheFileChanges()
    {
        await using var cloud = await RecordedCloud.StartAsync();
        var clock = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        var keystone = KeystoneOf(cloud, clock);
        cloud.On("POST /v3/auth/tokens", 401, """{"error": {"code": 401, "message": "The request you have made requires authentication."}}""");

        for (var i = 0; i < 20; i++) (await Should.ThrowAsync<CloudException>(() => keystone.TokenAsync(null, Cancel))).Fault.ShouldBe(CloudFault.Denied);
        cloud.SignIns.ShouldBe(1);

        clock.Advance(TimeSpan.FromSeconds(11));
        await Should.ThrowAsync<CloudException>(() => keystone.TokenAsync(null, Cancel));
        cloud.SignIns.ShouldBe(2);

        var file = Path.Combine(cloud.Services.GetRequiredService<OpenStackOptions>().Credentials, RecordedCloud.Key + ".json");
        var text = await File.ReadAllTextAsync(file, Cancel);
        await File.WriteAllTextAsync(file, text.Replace(RecordedCloud.Password, "another", StringComparison.Ordinal), Cancel);
        cloud.Answers.Clear();
        await keystone.TokenAsync(null, Cancel);
        cloud.SignIns.ShouldBe(3);
    }

    [Fact]
    public async Task Token_NearItsEnd_IsUsedToItsEndWhileKeystoneIsAway()
    {
        await using var cloud = await RecordedCloud.StartAsync();
        var clock = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        var keystone = KeystoneOf(cloud, clock);
        var first = await keystone.TokenAsync(null, Cancel);
        cloud.On("POST /v3/auth/tokens", 500, """{"error": {"code": 500, "message": "An unexpected error prevented the server from answering."}}""");
        clock.Advance(TimeSpan.FromMinutes(59));

        for (var i = 0; i < 5; i++) (await keystone.TokenAsync(null, Cancel)).ShouldBe(first);
        cloud.SignIns.ShouldBe(2, "not asked for each call");
        await Should.ThrowAsync<CloudException>(() => keystone.TokenAsync(first, Cancel), "a service has refused it");
        clock.Advance(TimeSpan.FromMinutes(2));
        await Should.ThrowAsync<CloudException>(() => keystone.TokenAsync(null, Cancel), "it has ended");

        cloud.Answers.Clear();
        (await keystone.TokenAsync(null, Cancel)).ShouldNotBe(first);
    }

    [Fact]
    public async Task Bodies_HaveALengthAndAreNotChunked()
    {
        await using var cloud = await RecordedCloud.StartAsync();

        await cloud.Cloud.Keystone.TokenAsync(null, Cancel);

        var request = cloud.Requests.Single();
        request.Length.ShouldBe(request.Body.Length);
        request.Body.ShouldContain(RecordedCloud.Password);
    }

    [Theory]
    [InlineData("GET", 2)]
    [InlineData("DELETE", 2)]
    [InlineData("POST", 1)]
    public async Task Reset_OfAConnection_IsRepeatedOnceIfThatIsHarmless(string method, int calls)
    {
        await using var cloud = await RecordedCloud.StartAsync();
        var first = true;
        cloud.Answers[$"{method} /nova/v2.1/servers/1"] = async http =>
        {
            if (first) http.Abort();
            else await RecordedCloud.SayAsync(http, 200, "{}");
            first = false;
        };
        await cloud.Cloud.Keystone.TokenAsync(null, Cancel);

        var answer = () => cloud.Cloud.Servers.SendAsync(new(method), "servers/1", null, Cancel);

        if (calls == 2) (await answer()).Status.ShouldBe(200);
        else (await Should.ThrowAsync<CloudException>(answer)).Fault.ShouldBe(CloudFault.Unavailable);
        cloud.Requests.Count(r => r.Path == "/nova/v2.1/servers/1").ShouldBe(calls);
    }

    [Fact]
    public async Task SignIn_Reset_IsRepeatedBecauseItChangesNothing()
    {
        await using var cloud = await RecordedCloud.StartAsync();
        var first = true;
        cloud.Answers["POST /v3/auth/tokens"] = async http =>
        {
            if (first) http.Abort();
            else await cloud.SignInAsync(http);
            first = false;
        };

        await cloud.Cloud.Keystone.TokenAsync(null, Cancel);

        cloud.SignIns.ShouldBe(2);
    }

    [Fact]
    public async Task Silence_EndsAtTheDeadline()
    {
        await using var cloud = await RecordedCloud.StartAsync(s => s["Clouds:OpenStack:CallDeadline"] = "00:00:01");
        await cloud.Cloud.Keystone.TokenAsync(null, Cancel);
        cloud.Answers["GET /nova/v2.1/servers"] = http => Task.Delay(Timeout.Infinite, http.RequestAborted);
        var began = TimeProvider.System.GetTimestamp();

        var fault = await Should.ThrowAsync<CloudException>(() => cloud.Cloud.Servers.GetAsync("servers", Cancel));

        fault.Fault.ShouldBe(CloudFault.TimedOut);
        TimeProvider.System.GetElapsedTime(began).TotalSeconds.ShouldBeInRange(.9, 4);
    }

    [Fact]
    public async Task Answer_WithoutEnd_IsCutOff()
    {
        await using var cloud = await RecordedCloud.StartAsync();
        var hungUp = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        cloud.Answers["GET /nova/v2.1/servers"] = async http =>
        {
            http.Response.ContentType = "application/json";
            // Once the other side has hung up, writing returns at once for a while.
            for (var chunk = new byte[1 << 20]; !http.RequestAborted.IsCancellationRequested;) await http.Response.Body.WriteAsync(chunk);
            hungUp.SetResult();
        };

        var fault = await Should.ThrowAsync<CloudException>(() => cloud.Cloud.Servers.GetAsync("servers", Cancel));

        fault.Fault.ShouldBe(CloudFault.Broken);
        fault.Message.ShouldContain("longer than 8192 KiB");
        await hungUp.Task.WaitAsync(TimeSpan.FromSeconds(20), TimeProvider.System, Cancel);
    }

    [Fact]
    public async Task Redirection_IsNotFollowed_BecauseItWouldGetTheToken()
    {
        await using var cloud = await RecordedCloud.StartAsync();
        cloud.Answers["GET /nova/v2.1/servers"] = http =>
        {
            http.Response.StatusCode = 302;
            http.Response.Headers.Location = "/elsewhere";
            return Task.CompletedTask;
        };

        (await Should.ThrowAsync<CloudException>(() => cloud.Cloud.Servers.GetAsync("servers", Cancel))).Fault.ShouldBe(CloudFault.Refused);

        cloud.Requests.ShouldNotContain(r => r.Path == "/elsewhere");
    }

    /// <summary>What changes something is in a production log; what only looks is not.</summary>
    [Theory]
    [InlineData("GET", "Debug")]
    [InlineData("POST", "Information")]
    [InlineData("PUT", "Information")]
    [InlineData("PATCH", "Information")]
    [InlineData("DELETE", "Information")]
    public async Task Calls_ThatChangeSomething_AreLoggedWithTheirRequest(string method, string level)
    {
        await using var cloud = await RecordedCloud.StartAsync();
        cloud.On($"{method} /nova/v2.1/servers/1", 200, "{}");

        await cloud.Cloud.Servers.SendAsync(new(method), "servers/1", null, Cancel);

        cloud.Log.ShouldContain(l => l.StartsWith($"{level} {method} /nova/v2.1/servers/1 of Nova: 200", StringComparison.Ordinal)
            && l.Contains("req-7d1f", StringComparison.Ordinal));
    }

    /// <summary>As it was sent, as other writers of JSON escape it, and as it reads.</summary>
    [Theory]
    [InlineData("{\"error\": {\"message\": \"bad password pa\\\"ss\\\\wörd+1 here\"}}")]
    [InlineData("{\"error\": {\"message\": \"bad password pa\\u0022ss\\\\w\\u00F6rd\\u002B1 here\"}}")]
    [InlineData("{\"error\": {\"message\": \"bad body pa\\\\\\\"ss\\\\\\\\w\\\\u00f6rd+1 here\"}}")]
    [InlineData("{\"error\": {\"message\": \"bad body pa\\\\u0022ss\\\\\\\\w\\\\u00F6rd\\\\u002B1 here\"}}")]
    [InlineData("bad body pa\\\"ss\\\\w\\u00f6rd+1 here")]
    public void Secret_InWhateverForm_IsHidden(string text)
    {
        var call = new Call("Keystone", HttpMethod.Post, new("http://x")) { Secrets = ["pa\"ss\\wörd+1"] };

        var message = OpenStackFaults.Of("Keystone", 400, text, call.Hide).Message;

        message.ShouldMatch("^Keystone: bad (password|body) … here\\.$");
    }

    [Fact]
    public void CallsAndAnswers_PrintedAsAWhole_TellNoSecret()
    {
        var call = new Call("Keystone", HttpMethod.Post, new("http://x"), "hush") { Secrets = ["hush"], Headers = [("X-Auth-Token", "hush")] };

        $"{call} {new Answer("Keystone", 201, default, null, "hush")}".ShouldNotContain("hush");
    }

    /// <summary>A service that repeats what it refuses, and everything that is logged, at every level.</summary>
    [Fact]
    public async Task Secrets_AreInNoMessageAndNoLogLine()
    {
        await using var cloud = await RecordedCloud.StartAsync();
        cloud.Answers["GET /nova/v2.1/servers"] = http =>
            RecordedCloud.SayAsync(http, 400, $$"""{"badRequest": {"code": 400, "message": "bad header {{http.Request.Headers["X-Auth-Token"]}}"} }""");
        var refused = await Should.ThrowAsync<CloudException>(() => cloud.Cloud.Servers.GetAsync("servers", Cancel));
        refused.Message.ShouldContain("bad header …");
        cloud.On("POST /v3/auth/tokens", 400, $$"""{"error": {"code": 400, "message": "Invalid input for field password: '{{RecordedCloud.Password}}'"} }""");
        var token = await cloud.Cloud.Keystone.TokenAsync(null, Cancel);

        var signIn = await Should.ThrowAsync<CloudException>(() => cloud.Cloud.Keystone.TokenAsync(token, Cancel));

        string[] seen = [.. cloud.Log, refused.ToString(), signIn.ToString(), signIn.WhatToDo];
        cloud.Log.ShouldContain(l => l.Contains("req-7d1f", StringComparison.Ordinal), "the request's id is there");
        seen.ShouldAllBe(l => !l.Contains(RecordedCloud.Password, StringComparison.Ordinal) && !l.Contains("gAAAAA", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Catalogue_WithoutTheService_SaysWhichAndHow()
    {
        await using var cloud = await RecordedCloud.StartAsync();
        var token = await cloud.Cloud.Keystone.TokenAsync(null, Cancel);

        var fault = Should.Throw<CloudException>(() => Keystone.AddressOf(new ServiceKind("Designate", "dns"), token));

        fault.Message.ShouldBe("Keystone: its catalogue has no public endpoint for Designate (dns) in the region RegionOne.");
        Keystone.AddressOf(ServiceKind.Shares, token).ShouldBe(cloud.Address + "/share/v2");
    }

    private static Keystone KeystoneOf(RecordedCloud cloud, TimeProvider clock)
    {
        var folder = cloud.Services.GetRequiredService<OpenStackOptions>().Credentials;
        return new(cancel => Credential.ReadAsync(folder, RecordedCloud.Key, new(TimeProvider.System), cancel),
            cloud.Services.GetRequiredService<OpenStackHttp>(), clock);
    }
}
