using Portal.Core.Clouds;
using Portal.Jobs.Clouds.OpenStack;

namespace Portal.Tests.Clouds.OpenStack;

/// <summary>What events and failures say to a person; the reasons are as a real Heat gave them.</summary>
public sealed class StackWordsTests
{
    [Theory]
    [InlineData("net", "CREATE_IN_PROGRESS", "The network is being created.")]
    [InlineData("server-notebook", "CREATE_IN_PROGRESS", "The server notebook is being started.")]
    [InlineData("ready-worker-0-0a1b2c3d", "CREATE_COMPLETE", "The server worker-0 has mounted its folders and is ready.")]
    [InlineData("server-worker-0", "DELETE_COMPLETE", "The server worker-0 is gone.")]
    [InlineData("first", "CREATE_IN_PROGRESS", null)]
    [InlineData("last", "CREATE_FAILED", null)]
    [InlineData("handle-notebook-0a1b2c3d", "CREATE_COMPLETE", null)]
    [InlineData("portal-t123456789-0190a6d27d0c7b4e9d3c5a0c4e6f1a2b-g1", "CREATE_FAILED", null)]
    public void Event_IsASentenceOrNothing(string resource, string status, string? sentence) =>
        StackWords.Of(new("e", default, resource, status, "state changed")).ShouldBe(sentence);

    [Theory]
    [InlineData("", null)]
    [InlineData("first=CREATE_COMPLETE net=CREATE_COMPLETE last=CREATE_IN_PROGRESS", null)]
    [InlineData("first=CREATE_COMPLETE net=CREATE_IN_PROGRESS", "The network is being created.")]
    [InlineData("net=CREATE_COMPLETE port-notebook=CREATE_IN_PROGRESS handle-notebook-0a1b2c3d=CREATE_COMPLETE", "Addresses are being reserved.")]
    [InlineData("server-notebook=CREATE_IN_PROGRESS", "The server notebook is being started.")]
    [InlineData("server-b=CREATE_IN_PROGRESS server-a=CREATE_IN_PROGRESS", "2 servers are being started: a, b.")]
    [InlineData("server-a=CREATE_COMPLETE ready-a-0a1b2c3d=CREATE_IN_PROGRESS", "The server a is booting and mounting folders.")]
    [InlineData("server-a=CREATE_COMPLETE ready-a-0a1b2c3d=CREATE_IN_PROGRESS server-b=CREATE_COMPLETE ready-b-0a1b2c3d=CREATE_COMPLETE",
        "The server a is booting and mounting folders. 1 of 2 are ready.")]
    [InlineData("server-gone=DELETE_COMPLETE server-a=CREATE_IN_PROGRESS server-b=CREATE_COMPLETE ready-b-0a1b2c3d=CREATE_COMPLETE",
        "The server a is being started. 1 of 2 are ready.")]
    [InlineData("server-a=DELETE_IN_PROGRESS server-b=DELETE_COMPLETE", "The server a is being removed.")]
    [InlineData("server-a=DELETE_COMPLETE net=DELETE_IN_PROGRESS", "The network is being removed.")]
    public void Progress_SaysWhatIsBehindMost(string states, string? sentence) => StackWords.Progress(states
        .Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(s => s.Split('=')).ToDictionary(s => s[0], s => s[1])).ShouldBe(sentence);

    [Fact]
    public void Progress_OfManyServers_NamesAFew() => StackWords.Progress(Enumerable.Range(0, 9).ToDictionary(i => $"server-w{i}", _ => "CREATE_IN_PROGRESS"))
        .ShouldBe("9 servers are being started: w0, w1, w2, w3 and others.");

    [Theory]
    [InlineData("ready-notebook-0a1b2c3d",
        "WaitConditionFailure: resources.ready-notebook-0a1b2c3d: share: mount.nfs: access denied by server while mounting 192.0.2.1:/x",
        CloudFault.Broken, "The server notebook could not mount its folder: mount.nfs: access denied by server while mounting 192.0.2.1:/x", "access rule")]
    [InlineData("ready-notebook-0a1b2c3d", "WaitConditionFailure: resources.ready-notebook-0a1b2c3d: folder: mkdir: cannot create directory: Permission denied",
        CloudFault.Broken, "The server notebook could not prepare the person's folder: mkdir: cannot create directory: Permission denied", "create a folder")]
    [InlineData("ready-notebook-0a1b2c3d", "WaitConditionFailure: resources.ready-notebook-0a1b2c3d: image: it has no /usr/sbin/portal-server",
        CloudFault.Refused, "The server image does not match the portal: it has no /usr/sbin/portal-server", "Upload the server image")]
    [InlineData("ready-notebook-0a1b2c3d",
        "WaitConditionFailure: resources.ready-notebook-0a1b2c3d: folder: mkdir: cannot create directory: Disk quota exceeded",
        CloudFault.Broken, "The server notebook could not prepare the person's folder: mkdir: cannot create directory: Disk quota exceeded", "create a folder")]
    [InlineData("ready-notebook-0a1b2c3d", "WaitConditionTimeout: resources.ready-notebook-0a1b2c3d: 0 of 1 received",
        CloudFault.TimedOut, "The server notebook was started, but did not answer in time.", "console")]
    [InlineData("server-notebook", "ResourceInError: resources.server-notebook: Went to status ERROR due to \"Message: No valid host was found. , Code: 500\"",
        CloudFault.Full, "no host in the cloud has room for the server notebook", "smaller node")]
    [InlineData("server-notebook", "Forbidden: resources.server-notebook: Quota exceeded for cores: Requested 4, but already used 10 of 10 cores (HTTP 403)",
        CloudFault.Full, "the project's quota is used up: Quota exceeded for cores: Requested 4, but already used 10 of 10 cores (HTTP 403)", "larger quota")]
    [InlineData("net", "OverQuotaClient: resources.net: Quota exceeded for resources: ['network'].\nNeutron server returns request_ids: ['req-1']",
        CloudFault.Full, "the project's quota is used up: Quota exceeded for resources: ['network'].\nNeutron server returns request_ids: ['req-1']",
        "larger quota")]
    [InlineData("server-notebook", "ResourceInError: resources.server-notebook: Went to status ERROR due to \"Unknown\"",
        CloudFault.Broken, "The server notebook could not be created: Went to status ERROR due to \"Unknown\"", "administrators")]
    public void Cause_IsInPlainWords(string resource, string reason, CloudFault fault, string cause, string remedy)
    {
        var found = StackWords.Cause([new(resource, "", "CREATE_FAILED", reason, ""), new("last", "", "INIT_COMPLETE", "", "")], "Resource CREATE failed: …");

        (found.Fault, found.Cause).ShouldBe((fault, cause));
        found.Remedy.ShouldContain(remedy);
    }

    [Fact]
    public void Cause_IsTheResourceThatFailedFirst_NotThoseGivenUpBecauseOfIt()
    {
        HeatResource[] resources =
        [
            new("server-a", "OS::Nova::Server", "CREATE_FAILED", "CREATE aborted (user triggered cancel)", ""),
            new("ready-b-0a1b2c3d", "OS::Heat::WaitCondition", "CREATE_FAILED", "WaitConditionFailure: resources.ready-b-0a1b2c3d: program: no key", ""),
        ];

        StackWords.Cause(resources, "").Cause.ShouldBe("The portal's program on the server b failed: no key");
        StackWords.Cause([], "Create timed out").Cause.ShouldBe("The cloud did not finish in time.");
        StackWords.Cause([], "").Cause.ShouldBe("The cloud reported a failure: no reason given");
    }
}
