using Portal.Core.Clouds;
using Portal.Jobs.Clouds.OpenStack;

namespace Portal.Tests.Clouds.OpenStack;

/// <summary>Access rules over HTTP, as recorded from a real Manila.</summary>
public sealed class ManilaRuleTests : RecordedManilaTest
{
    [Theory]
    [InlineData("active", "Active")]
    [InlineData("queued_to_apply", "Asked")]
    [InlineData("applying", "Asked")]
    [InlineData("queued_to_deny", "Asked")]
    [InlineData("denying", "Asked")]
    [InlineData("error", "Failed")]
    public async Task Rule_InEachState_IsAnsweredAsWhatItIs(string state, string answer)
    {
        await using var cloud = await RecordedCloud.StartAsync();
        var workspace = Guid.CreateVersion7();
        ServeShare(cloud, () => 1);
        ServeRules(cloud, $$$"""
            {"id": "r1", "state": "{{{state}}}", "access_type": "ip", "access_to": "10.9.0.0/27", "access_level": "rw", "access_key": null,
             "metadata": {"portal_workspace_{{{workspace:n}}}": "1"}}
            """);

        var given = await cloud.Cloud.Shares.AllowAsync(new(workspace, 1, Folder), "10.9.0.0/27", Cancel);

        given.GetType().Name.ShouldBe(answer);
        if (given is AccessAnswer.Active active) active.Source.ShouldBe(new MountSource.Export("10.0.0.2:/preferred", "work"));
    }

    /// <summary>Between looking and asking, another process made the rule, or the share began to be resized.</summary>
    [Theory]
    [InlineData("available", true, true)]
    [InlineData("extending", false, true)]
    [InlineData("shrinking", false, true)]
    [InlineData("available", false, false)]
    [InlineData("error", false, false)]
    public async Task Rule_RefusedForAMoment_IsAsked(string status, bool exists, bool asked)
    {
        await using var cloud = await RecordedCloud.StartAsync();
        var access = new ShareAccess(Guid.CreateVersion7(), 1, Folder);
        ServeShare(cloud, () => 1);
        ServeRules(cloud, "");
        cloud.Answers[$"POST /share/v2/shares/{Share}/action"] = http =>
        {
            cloud.On($"GET /share/v2/shares/{Share}", 200, $$"""{"share": {{Json(Share, status: status)}} }""");
            if (exists)
                ServeRules(cloud, """
                    {"id": "r1", "state": "queued_to_apply", "access_type": "ip", "access_to": "10.9.0.0/27", "access_level": "rw", "metadata": {}}
                    """);
            return RecordedCloud.SayAsync(http, 400, """{"badRequest": {"code": 400, "message": "Share access ip:10.9.0.0/27 exists."}}""");
        };

        var answer = () => cloud.Cloud.Shares.AllowAsync(access, "10.9.0.0/27", Cancel);

        if (asked) (await answer()).ShouldBeOfType<AccessAnswer.Asked>();
        else (await Should.ThrowAsync<CloudException>(answer)).Fault.ShouldBe(CloudFault.Refused);
    }

    [Fact]
    public async Task Rule_ThatThePortalDidNotMake_IsNeitherUsedNorRemoved()
    {
        await using var cloud = await RecordedCloud.StartAsync();
        ServeShare(cloud, () => 1);
        ServeRules(cloud, """{"id": "r1", "state": "active", "access_type": "ip", "access_to": "10.9.0.0/27", "access_level": "rw", "metadata": {}}""");
        var access = new ShareAccess(Guid.CreateVersion7(), 1, Folder);

        (await cloud.Cloud.Shares.AllowAsync(access, "10.9.0.0/27", Cancel)).ShouldBeOfType<AccessAnswer.Failed>().Cause.ShouldContain("did not make");
        (await cloud.Cloud.Shares.DenyAsync(access, Cancel)).ShouldBeOfType<AccessAnswer.Gone>();
        (await cloud.Cloud.Shares.AccessAsync(Cancel)).ShouldBeEmpty();
        cloud.Requests.ShouldNotContain(r => r.Path.EndsWith("/action", StringComparison.Ordinal));
    }

    /// <summary>Where every server is seen from one address, workspaces with the same folder share a rule: the first to go leaves it to the other.</summary>
    [Theory]
    [InlineData("active")]
    [InlineData("error")]
    public async Task Rule_ThatTwoWorkspacesNeed_StaysForTheOther(string state)
    {
        await using var cloud = await RecordedCloud.StartAsync(s => s["Clouds:OpenStack:RuleAddress"] = "192.0.2.7");
        var (one, other) = (Guid.CreateVersion7(), Guid.CreateVersion7());
        ServeShare(cloud, () => 1);
        ServeRules(cloud, $$$"""
            {"id": "r1", "state": "{{{state}}}", "access_type": "ip", "access_to": "192.0.2.7", "access_level": "rw",
             "metadata": {"portal_workspace_{{{one:n}}}": "3", "portal_workspace_{{{other:n}}}": "1"}}
            """);
        cloud.Answers[$"DELETE /share/v2/share-access-rules/r1/metadata/portal_workspace_{one:n}"] = http => RecordedCloud.SayAsync(http, 200, "");

        (await cloud.Cloud.Shares.AccessAsync(Cancel)).ShouldBe([new(one, 3, Folder), new(other, 1, Folder)], ignoreOrder: true);
        (await cloud.Cloud.Shares.DenyAsync(new(one, 3, Folder), Cancel)).ShouldBeOfType<AccessAnswer.Gone>();

        cloud.Requests.Count(r => r.Method == "DELETE").ShouldBe(1);
        cloud.Requests.ShouldNotContain(r => r.Path.EndsWith("/action", StringComparison.Ordinal), "the rule itself stays");
    }

    [Theory]
    [InlineData("active", "still has access rules")]
    [InlineData("error", "has an access rule in error, for 192.0.2.7")]
    public async Task Share_WithARule_IsNotDeletedByForce(string state, string words)
    {
        await using var cloud = await RecordedCloud.StartAsync();
        ServeShare(cloud, () => 1);
        cloud.On($"GET /share/v2/shares/{Share}", 200, $$"""{"share": {{Json(Share)}} }""");
        ServeRules(cloud, $$"""{"id": "r1", "state": "{{state}}", "access_type": "ip", "access_to": "192.0.2.7", "access_level": "rw", "metadata": {} }""");
        var said = new StringWriter();

        var code = await OpenStackVerbs.RunAsync(["--force-delete-share", RecordedCloud.Key, Share], cloud.Services, said, Cancel);

        code.ShouldBe(1);
        said.ToString().ShouldContain(words);
        cloud.Requests.ShouldNotContain(r => r.Path.EndsWith("/action", StringComparison.Ordinal));
    }

    /// <summary>Another that was made late and is seen first: what may hold files is the folder, and rules are denied on both.</summary>
    [Fact]
    public async Task Shares_OfTheSameFolder_TheOneThatMayHoldFilesIsUsed_AndBothLetGo()
    {
        await using var cloud = await RecordedCloud.StartAsync();
        const string Empty = "6a9d0000-0000-0000-0000-000000000000";
        var access = new ShareAccess(Guid.CreateVersion7(), 1, Folder);
        ServeShare(cloud, () => 1);
        cloud.On("GET /share/v2/shares/detail", 200, $$"""
            {"shares": [{{Json(Empty, created: "2026-11-22T12:51:06.000000", ready: false)}}, {{Json(Share, created: "2026-11-22T12:51:07.000000")}}]}
            """);
        ServeRules(cloud, $$$"""
            {"id": "r1", "state": "active", "access_type": "ip", "access_to": "10.9.0.0/27", "access_level": "rw",
             "metadata": {"portal_workspace_{{{access.Workspace:n}}}": "1"}}
            """);
        foreach (var share in (string[])[Empty, Share]) cloud.On($"POST /share/v2/shares/{share}/action", 202, "");

        (await cloud.Cloud.Shares.AllowAsync(access, "10.9.0.0/27", Cancel)).ShouldBeOfType<AccessAnswer.Active>();
        (await cloud.Cloud.Shares.DenyAsync(access, Cancel)).ShouldBeOfType<AccessAnswer.Asked>();

        cloud.Requests.ShouldContain(r => r.Path == $"/share/v2/shares/{Share}/export_locations");
        cloud.Requests.Where(r => r.Body.Contains("deny_access", StringComparison.Ordinal)).Select(r => r.Path)
            .ShouldBe([$"/share/v2/shares/{Empty}/action", $"/share/v2/shares/{Share}/action"], ignoreOrder: true);
    }

    /// <summary>Whatever is mounted may hold files: should it end in error, it is not deleted.</summary>
    [Fact]
    public async Task Share_IsMarkedAsReadyBeforeItsFirstRule()
    {
        await using var cloud = await RecordedCloud.StartAsync();
        var workspace = Guid.CreateVersion7();
        ServeShare(cloud, () => 1, ready: false);
        ServeRules(cloud, "");
        cloud.On($"POST /share/v2/shares/{Share}/action", 200, "{}");

        (await cloud.Cloud.Shares.AllowAsync(new(workspace, 1, Folder), "10.9.0.0/27", Cancel)).ShouldBeOfType<AccessAnswer.Asked>();

        var posts = cloud.Requests.Where(r => r.Method == "POST" && r.Path.StartsWith("/share/", StringComparison.Ordinal)).ToList();
        posts.Select(p => p.Path).ShouldBe([$"/share/v2/shares/{Share}/metadata", $"/share/v2/shares/{Share}/action"]);
        posts[0].Body.ShouldContain("\"portal_ready\":\"1\"");
        posts[0].Body.ShouldContain($"portal_workspace_{workspace:n}");
    }
}
