using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.OpenStack;

namespace Portal.Tests.Clouds.OpenStack;

/// <summary>Manila's versions, sizes and shares over HTTP, as recorded from a real one.</summary>
public sealed class ManilaTests : RecordedManilaTest
{
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

    /// <summary>As where the service's own limit is lower than what is asked for.</summary>
    [Fact]
    public async Task Shares_InShorterPagesThanAskedFor_AreAllSeen()
    {
        await using var cloud = await RecordedCloud.StartAsync();
        cloud.Manila("2.73");
        cloud.Answers["GET /share/v2/shares/detail"] = http =>
        {
            var offset = int.Parse(http.Request.Query["offset"].ToString(), CultureInfo.InvariantCulture);
            var page = Enumerable.Range(offset, Math.Clamp(7 - offset, 0, 3)).Select(n => Json($"s{n}")).ToList();
            var links = page.Count == 3 ? """, "shares_links": [{"rel": "next", "href": "http://elsewhere/next"}]""" : "";
            return RecordedCloud.SayAsync(http, 200, $$"""{"shares": [{{string.Join(", ", page)}}]{{links}} }""");
        };

        (await cloud.Cloud.Manila.SharesAsync(Cancel)).Select(s => s.Id).ShouldBe(["s0", "s1", "s2", "s3", "s4", "s5", "s6"]);

        cloud.Requests.Count(r => r.Path == "/share/v2/shares/detail").ShouldBe(3);
    }

    /// <summary>Other storage does not even leave a message: then the share itself says what was asked of it.</summary>
    [Fact]
    public async Task Shrink_ThatTheStorageIgnoresSilently_IsAskedOnceADayForEachSize()
    {
        await using var cloud = await RecordedCloud.StartAsync();
        ServeShare(cloud, () => 3);
        cloud.On("GET /share/v2/messages", 200, """{"messages": []}""");
        var noted = new Dictionary<string, string>(StringComparer.Ordinal);
        cloud.Answers["GET /share/v2/shares/detail"] = http =>
        {
            var share = JsonNode.Parse(Json(Share, size: 3))!;
            foreach (var (name, value) in noted) share["metadata"]![name] = value;
            return RecordedCloud.SayAsync(http, 200, new JsonObject { ["shares"] = new JsonArray(share) }.ToJsonString());
        };
        cloud.On($"POST /share/v2/shares/{Share}/action", 202, "");
        cloud.Answers[$"POST /share/v2/shares/{Share}/metadata"] = http =>
        {
            var body = JsonNode.Parse(cloud.Requests.Last(r => r.Path.EndsWith("/metadata", StringComparison.Ordinal)).Body)!;
            foreach (var (name, value) in body["metadata"]!.AsObject()) noted[name] = value!.GetValue<string>();
            return RecordedCloud.SayAsync(http, 200, """{"metadata": {}}""");
        };

        (await cloud.Cloud.Filesets.EnsureAsync(Folder, 300_000, 2L << 30, Cancel)).ShouldBeOfType<EnsureAnswer.Working>();
        (await cloud.Cloud.Filesets.EnsureAsync(Folder, 300_000, 2L << 30, Cancel)).ShouldBe(EnsureAnswer.IsDone);
        cloud.Requests.Count(r => r.Path.EndsWith("/action", StringComparison.Ordinal)).ShouldBe(1);
        (await cloud.Cloud.Filesets.EnsureAsync(Folder, 300_000, 1L << 30, Cancel)).ShouldBeOfType<EnsureAnswer.Working>();
        (await cloud.Cloud.Filesets.EnsureAsync(Folder, 300_000, 1L << 30, Cancel)).ShouldBe(EnsureAnswer.IsDone);
        cloud.Requests.Count(r => r.Path.EndsWith("/action", StringComparison.Ordinal)).ShouldBe(2);

        var yesterday = DateTimeOffset.UtcNow.AddHours(-25).ToUnixTimeSeconds();
        noted["portal_shrink"] = string.Create(CultureInfo.InvariantCulture, $"1 {yesterday}");
        (await cloud.Cloud.Filesets.EnsureAsync(Folder, 300_000, 1L << 30, Cancel)).ShouldBeOfType<EnsureAnswer.Working>();
    }

    /// <summary>The share is as it was: whoever has files in it works on.</summary>
    [Theory]
    [InlineData("shrinking_possible_data_loss_error")]
    [InlineData("shrinking_error")]
    public async Task Shrink_ThatFailed_LeavesAFolderThatIsUsedAtItsOldSize(string status)
    {
        await using var cloud = await RecordedCloud.StartAsync();
        ServeShare(cloud, () => 3, status);
        ServeRules(cloud, "");
        cloud.On("GET /share/v2/messages", 200, """{"messages": [{"action_id": "009", "user_message": "shrink: Data would be lost."}]}""");
        cloud.On($"POST /share/v2/shares/{Share}/action", 200, "{}");

        (await cloud.Cloud.Filesets.EnsureAsync(Folder, 300_000, 1L << 30, Cancel)).ShouldBe(EnsureAnswer.IsDone);
        (await cloud.Cloud.Shares.AllowAsync(new(Guid.CreateVersion7(), 1, Folder), "10.9.0.0/27", Cancel)).ShouldBeOfType<AccessAnswer.Asked>();
        var larger = (await cloud.Cloud.Filesets.EnsureAsync(Folder, 300_000, 4L << 30, Cancel)).ShouldBeOfType<EnsureAnswer.Broken>();

        larger.Cause.ShouldContain("is 3 GiB and should be 4 GiB");
        larger.Cause.ShouldContain("Data would be lost");
        larger.Remedy.ShouldContain($"--status available {Share}");
        cloud.Log.ShouldContain(l => l.Contains("stays at 3 GiB although 1 GiB were requested", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 1)]
    [InlineData(1L << 30, 1)]
    [InlineData((1L << 30) + 1, 2)]
    [InlineData(5L << 30, 5)]
    public void Size_IsWholeGibRoundedUp(long bytes, int gib) => ManilaFolders.GibOf(bytes).ShouldBe(gib);

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
}
