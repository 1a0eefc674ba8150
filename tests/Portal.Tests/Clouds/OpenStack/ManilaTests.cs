using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.OpenStack;

namespace Portal.Tests.Clouds.OpenStack;

/// <summary>Manila's versions, sizes and rules over HTTP, as recorded from a real one.</summary>
public sealed class ManilaTests
{
    private static readonly FolderRef.Work Folder = new(Guid.Parse("00000000-0000-0000-0000-00000000000a"), Guid.Parse("00000000-0000-0000-0000-00000000000b"));
    private const string Share = "6a9d0000-0000-0000-0000-000000000001";
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("2.73", "2.73")]
    [InlineData("2.45", "2.45")]
    [InlineData("2.90", "2.81")]
    public async Task Version_IsTheNewestThatBothKnow_AskedOnceAndSentWithEachCall(string newest, string used)
    {
        await using var cloud = await RecordedCloud.StartAsync();
        cloud.Manila(newest);
        cloud.On("GET /share/v2/types", 200, """{"share_types": []}""");

        await cloud.Cloud.Manila.TypesAsync(Cancel);
        await cloud.Cloud.Manila.TypesAsync(Cancel);

        cloud.Requests.Count(r => r.Path == "/share/").ShouldBe(1);
        cloud.Requests.Where(r => r.Path == "/share/v2/types").ShouldAllBe(r => r.Version == used);
    }

    [Theory]
    [InlineData("2.44")]
    [InlineData("")]
    public async Task Version_ThatIsTooOld_IsRefusedInWords(string newest)
    {
        await using var cloud = await RecordedCloud.StartAsync();
        cloud.Manila(newest);

        var fault = await Should.ThrowAsync<CloudException>(() => cloud.Cloud.Shares.PrepareAsync(Cancel));

        fault.Fault.ShouldBe(CloudFault.Refused);
        fault.Message.ShouldContain("the portal needs 2.45 or newer");
    }

    [Fact]
    public async Task Version_NoLongerSpoken_IsAskedAnew()
    {
        await using var cloud = await RecordedCloud.StartAsync();
        cloud.Manila("2.80");
        cloud.On("GET /share/v2/types", 406, "Version 2.80 is not supported by the API.", "text/plain");
        await Should.ThrowAsync<CloudException>(() => cloud.Cloud.Manila.TypesAsync(Cancel));
        cloud.Manila("2.73");
        cloud.On("GET /share/v2/types", 200, """{"share_types": []}""");

        await cloud.Cloud.Manila.TypesAsync(Cancel);

        cloud.Requests.Last().Version.ShouldBe("2.73");
    }

    /// <summary>Not a reason to fail a launch: it did nothing, so that even a creation may be sent again.</summary>
    [Fact]
    public async Task Version_NoLongerSpoken_IsAskedAnewAndTheCallRepeatedOnce()
    {
        await using var cloud = await RecordedCloud.StartAsync();
        ServeShare(cloud, () => 1);
        cloud.On("GET /share/v2/shares/detail", 200, """{"shares": []}""");
        cloud.Manila("2.80");
        await cloud.Cloud.Manila.VersionAsync(Cancel);
        cloud.Manila("2.73");
        cloud.Answers["POST /share/v2/shares"] = http => http.Request.Headers["X-OpenStack-Manila-API-Version"] == "2.73"
            ? RecordedCloud.SayAsync(http, 200, $$"""{"share": {{Json(Share, status: "creating")}} }""")
            : RecordedCloud.SayAsync(http, 406, "Version 2.80 is not supported by the API.", "text/plain");

        (await cloud.Cloud.Filesets.EnsureAsync(Folder, 300_000, 1, Cancel)).ShouldBeOfType<EnsureAnswer.Working>();

        cloud.Requests.Where(r => r is { Method: "POST", Path: "/share/v2/shares" }).Select(r => r.Version).ShouldBe(["2.80", "2.73"]);
    }

    [Fact]
    public async Task Prepare_TellsTypeRoomAndWhatIsMissing()
    {
        await using var cloud = await RecordedCloud.StartAsync();
        cloud.Manila("2.73");
        cloud.On("GET /share/v2/types", 200, """
            {"share_types": [{"name": "own", "is_default": false, "extra_specs": {"driver_handles_share_servers": "True"}},
              {"name": "gpfs", "is_default": true, "extra_specs": {"driver_handles_share_servers": "False", "snapshot_support": "True"}}]}
            """);
        cloud.On("GET /share/v2/quota-sets/p1/detail", 200, """{"quota_set": {"gigabytes": {"limit": 100, "in_use": 30, "reserved": 2}}}""");

        var report = await cloud.Cloud.Shares.PrepareAsync(Cancel);

        report.ShouldBe(new("Manila 2.73, share type gpfs; limits are enforced, usage is not reported; shares are not protected against deletion by others",
            true, 100L << 30, 68L << 30));
    }

    [Theory]
    [InlineData("gone", 100, "there is no share type gone")]
    [InlineData("own", 100, "shares of the type own need a network of their own")]
    [InlineData("", 100, "no default share type")]
    [InlineData("gpfs", -1, "no limit on the size of its shares")]
    public async Task Prepare_OfWhatCannotBeUsed_SaysWhatAndHow(string type, int limit, string words)
    {
        await using var cloud = await RecordedCloud.StartAsync(s => s["Clouds:OpenStack:ShareType"] = type);
        cloud.Manila("2.73");
        cloud.On("GET /share/v2/types", 200, """
            {"share_types": [{"name": "own", "extra_specs": {"driver_handles_share_servers": true}},
              {"name": "gpfs", "extra_specs": {"driver_handles_share_servers": false}}]}
            """);
        cloud.On("GET /share/v2/quota-sets/p1/detail", 200, $$"""{"quota_set": {"gigabytes": {"limit": {{limit}}, "in_use": 0, "reserved": 0} } }""");

        var fault = await Should.ThrowAsync<CloudException>(() => cloud.Cloud.Shares.PrepareAsync(Cancel));

        fault.Message.ShouldContain(words);
        fault.WhatToDo.ShouldNotBeEmpty();
    }

    /// <summary>As the GPFS driver does it: 202, and the share stays as it is; only a message tells.</summary>
    [Fact]
    public async Task Shrink_ThatTheStorageDoesNotDo_LeavesTheSizeAndIsNotRepeated()
    {
        await using var cloud = await RecordedCloud.StartAsync();
        var messages = "[]";
        ServeShare(cloud, () => 3);
        cloud.Answers[$"GET /share/v2/messages"] = http => RecordedCloud.SayAsync(http, 200, $$"""{"messages": {{messages}}}""");
        cloud.Answers[$"POST /share/v2/shares/{Share}/action"] = http =>
        {
            http.Response.StatusCode = 202;
            messages = $$"""
                [{"action_id": "008", "detail_id": "001", "user_message": "extend: An unknown error occurred.", "created_at": "{{DateTime.UtcNow:s}}.000000"},
                 {"action_id": "009", "detail_id": "019", "user_message": "shrink: Share Driver failed to shrink share.",
                  "created_at": "{{DateTime.UtcNow:s}}.000000"}]
                """;
            return Task.CompletedTask;
        };

        (await cloud.Cloud.Filesets.EnsureAsync(Folder, 300_000, 1L << 30, Cancel)).ShouldBeOfType<EnsureAnswer.Working>();
        (await cloud.Cloud.Filesets.EnsureAsync(Folder, 300_000, 1L << 30, Cancel)).ShouldBe(EnsureAnswer.IsDone);
        (await cloud.Cloud.Filesets.EnsureAsync(Folder, 300_000, 1L << 30, Cancel)).ShouldBe(EnsureAnswer.IsDone);

        cloud.Requests.Count(r => r.Path.EndsWith("/action", StringComparison.Ordinal)).ShouldBe(1);
        (await cloud.Cloud.Filesets.UsageAsync(Cancel)).ShouldAllBe(u => u.LimitBytes == 3L << 30 && u.UsedBytes == null && u.TakenBytes == 3L << 30);
        cloud.Log.ShouldContain(l => l.Contains("stays at 3 GiB although 1 GiB were requested: shrink:", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 1)]
    [InlineData(1L << 30, 1)]
    [InlineData((1L << 30) + 1, 2)]
    [InlineData(5L << 30, 5)]
    public void Size_IsWholeGibRoundedUp(long bytes, int gib) => ManilaFolders.GibOf(bytes).ShouldBe(gib);

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

    [Fact]
    public async Task Share_InErrorThatNeverHeldAFile_IsRemovedAndSaidWhy()
    {
        await using var cloud = await RecordedCloud.StartAsync();
        ServeShare(cloud, () => 1, "error", ready: false);
        cloud.On("GET /share/v2/messages", 200, """{"messages": [{"action_id": "001", "user_message": "allocate host: No storage could be allocated."}]}""");
        cloud.Answers[$"DELETE /share/v2/shares/{Share}"] = http => RecordedCloud.SayAsync(http, 202, "");

        var broken = (await cloud.Cloud.Filesets.EnsureAsync(Folder, 300_000, 1, Cancel)).ShouldBeOfType<EnsureAnswer.Broken>();

        broken.Cause.ShouldContain("No storage could be allocated");
        cloud.Requests.ShouldContain(r => r.Method == "DELETE");
    }

    [Fact]
    public async Task Share_InErrorThatMayHoldFiles_IsNeverRemoved()
    {
        await using var cloud = await RecordedCloud.StartAsync();
        ServeShare(cloud, () => 1, "error");
        cloud.On("GET /share/v2/messages", 200, """{"messages": []}""");

        (await cloud.Cloud.Filesets.EnsureAsync(Folder, 300_000, 1, Cancel))
            .ShouldBeOfType<EnsureAnswer.Broken>().Remedy.ShouldContain("nothing was removed from it");
        (await cloud.Cloud.Shares.AllowAsync(new(Guid.CreateVersion7(), 1, Folder), "10.9.0.0/27", Cancel)).ShouldBeOfType<AccessAnswer.Failed>();

        cloud.Requests.ShouldNotContain(r => r.Method == "DELETE");
    }

    /// <summary>From 2.81 on; never met a real service that offers it.</summary>
    [Fact]
    public async Task Share_WhereLocksAreOffered_IsLockedOnce()
    {
        await using var cloud = await RecordedCloud.StartAsync();
        ServeShare(cloud, () => 1);
        cloud.Manila("2.90");
        var locks = "[]";
        cloud.Answers["GET /share/v2/resource-locks"] = http => RecordedCloud.SayAsync(http, 200, $$"""{"resource_locks": {{locks}}}""");
        cloud.Answers["POST /share/v2/resource-locks"] = http =>
        {
            locks = """[{"id": "l1"}]""";
            return RecordedCloud.SayAsync(http, 200, """{"resource_lock": {"id": "l1"}}""");
        };

        await cloud.Cloud.Filesets.EnsureAsync(Folder, 300_000, 1, Cancel);
        await cloud.Cloud.Filesets.EnsureAsync(Folder, 300_000, 1, Cancel);

        var made = cloud.Requests.Where(r => r is { Method: "POST", Path: "/share/v2/resource-locks" }).ToList();
        JsonDocument.Parse(made.ShouldHaveSingleItem().Body).RootElement.GetProperty("resource_lock").GetProperty("resource_id").GetString().ShouldBe(Share);
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

    [Fact]
    public async Task Share_WithTheFoldersNameButNotItsMetadata_IsAConflict_AndNoneIsMadeBesideIt()
    {
        await using var cloud = await RecordedCloud.StartAsync();
        ServeShare(cloud, () => 1);
        cloud.On("GET /share/v2/shares/detail", 200, $$"""{"shares": [{{Json(Share, metadata: false)}}]}""");

        var fault = await Should.ThrowAsync<CloudException>(() => cloud.Cloud.Filesets.EnsureAsync(Folder, 300_000, 1, Cancel));

        fault.Fault.ShouldBe(CloudFault.Conflict);
        fault.Message.ShouldContain(Share);
        fault.WhatToDo.ShouldContain($"--property portal_person={Folder.Person:n}");
        cloud.Requests.ShouldNotContain(r => r.Path == "/share/v2/shares");
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

    private static string Json(
        string id, int size = 1, string status = "available", string created = "2026-11-22T12:51:07.000000", bool ready = true, bool metadata = true)
    {
        var own = $"\"portal_installation\": \"t123456789\", \"portal_class\": \"{Folder.Class:n}\", \"portal_person\": \"{Folder.Person:n}\""
            + (ready ? ", \"portal_ready\": \"1\"" : "");
        return $$"""
            {"id": "{{id}}", "name": "portal-t123456789-{{Folder.Class:n}}-{{Folder.Person:n}}", "status": "{{status}}", "size": {{size}},
             "created_at": "{{created}}", "project_id": "p1", "metadata": { {{(metadata ? own : "")}} } }
            """;
    }

    private static void ServeShare(RecordedCloud cloud, Func<int> size, string status = "available", bool ready = true)
    {
        cloud.Manila("2.73");
        cloud.Answers["GET /share/v2/shares/detail"] = http => RecordedCloud.SayAsync(http, 200, $$"""
            {"shares": [{{Json(Share, size(), status, ready: ready)}}]}
            """);
        cloud.On($"POST /share/v2/shares/{Share}/metadata", 200, """{"metadata": {}}""");
        cloud.On($"GET /share/v2/shares/{Share}/export_locations", 200, """
            {"export_locations": [{"path": "10.0.0.1:/other", "preferred": false}, {"path": "10.0.0.3:/admin", "preferred": true, "is_admin_only": true},
              {"path": "10.0.0.2:/preferred", "preferred": true, "is_admin_only": false}]}
            """);
    }

    private static void ServeRules(RecordedCloud cloud, string rules)
    {
        cloud.On("GET /share/v2/share-access-rules", 200, $$"""{"access_list": [{{rules}}]}""");
        cloud.On("GET /share/v2/messages", 200, """{"messages": []}""");
    }
}
