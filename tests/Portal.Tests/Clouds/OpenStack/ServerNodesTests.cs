using System.Text.Json.Nodes;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.OpenStack;

namespace Portal.Tests.Clouds.OpenStack;

/// <summary>What the portal knows of nodes before it reaches their servers' engines, and the images that the server image brings.</summary>
public sealed class ServerNodesTests : RecordedStackTest, IDisposable
{
    private readonly DirectoryInfo _keys = Directory.CreateTempSubdirectory("portal-keys");

    public ServerNodesTests() => Options.Keys = _keys.FullName;

    public void Dispose() => _keys.Delete(recursive: true);

    private const string Image = "GET /image/v2/images/2f3712f0-6e57-4f09-aa68-d46dd7535707";

    [Theory]
    [InlineData("", null)]
    [InlineData("portal-w1", null)]
    [InlineData("""{"fingerprint": "abc"}""", null)]
    [InlineData("""{"fingerprint": 7}""", null)]
    [InlineData("""["fingerprint"]""", null)]
    [InlineData("""{"fingerprint": "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"}""", null)]
    [InlineData("""{"fingerprint": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}""",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    public void Fingerprint_IsTakenFromASignalOrNotAtAll(string said, string? fingerprint) => ServerNodes.FingerprintIn(said).ShouldBe(fingerprint);

    [Fact]
    public async Task Node_OfAServerWhoseEngineIsNotPinned_IsBeingBuilt()
    {
        await MadeAsync();

        var node = (await Project.Clusters.LookAsync(Workspace, Cancel)).ShouldNotBeNull().Nodes.ShouldHaveSingleItem();

        (node.State, node.Address).ShouldBe((NodeState.Building, null));
    }

    [Fact]
    public async Task Node_OfAServerThatIsOff_HasExited()
    {
        await MadeAsync();
        Servers[0] = Server("SHUTOFF", power: 4);

        (await Project.Clusters.LookAsync(Cancel)).ShouldHaveSingleItem().Nodes.ShouldHaveSingleItem().State.ShouldBe(NodeState.Exited);
    }

    [Fact]
    public async Task Node_OfAServerThatShutsDown_IsNotAskedFor()
    {
        await PinnedAsync(Server("ACTIVE", "powering-off"));

        (await Project.Clusters.LookAsync(Workspace, Cancel))!.Nodes.Single().State.ShouldBe(NodeState.Exited);
        Cloud.Log.ShouldNotContain(l => l.Contains("does not answer", StringComparison.Ordinal));
    }

    /// <summary>A container engine that is slow or away says nothing of the node, which may go on computing.</summary>
    [Fact]
    public async Task Node_OfAServerThatDoesNotAnswer_GoesOnRunning_AndItIsSaidOnce()
    {
        await PinnedAsync(Server("ACTIVE"));

        foreach (var _ in Enumerable.Range(0, 2))
        {
            await NextTickAsync();
            var node = (await Project.Clusters.LookAsync(Workspace, Cancel))!.Nodes.Single();
            (node.State, node.Address, node.Reason).ShouldBe((NodeState.Running, "127.0.0.1", "its server does not answer the portal."));
        }
        Cloud.Log.Count(l => l.Contains("does not answer the portal", StringComparison.Ordinal)).ShouldBe(1);
        (await Project.Clusters.SamplesAsync(Cancel)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Key_ThatCannotBeUsed_RefusesLaunches_AndStopsNoLook()
    {
        await PinnedAsync(Server("ACTIVE"));
        await File.WriteAllTextAsync(Path.Combine(_keys.FullName, "client.pem"), "nonsense", Cancel);
        File.SetUnixFileMode(Path.Combine(_keys.FullName, "client.pem"), UnixFileMode.UserRead | UnixFileMode.UserWrite);

        (await Project.Clusters.LookAsync(Workspace, Cancel))!.Nodes.Single().State.ShouldBe(NodeState.Running);
        (await Should.ThrowAsync<CloudException>(() => Project.Clusters.PrepareAsync(Cancel))).Message.ShouldContain("client.pem");
    }

    /// <summary>Servers that were reached before, at a port at which nobody listens now.</summary>
    private async Task PinnedAsync(JsonObject server)
    {
        await MadeAsync();
        using (var free = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0))
        {
            free.Start();
            Options.EnginePort = ((System.Net.IPEndPoint)free.LocalEndpoint).Port;
        }
        server["metadata"]![HeatNames.Fingerprint] = new string('a', 64);
        server["addresses"]!["net"]![0]!["addr"] = "127.0.0.1";
        Servers[0] = server;
    }

    [Fact]
    public async Task Images_AreThoseOfTheServerImage_AndAMissingOneSaysHowToGetIt()
    {
        Cloud.On(Image, 200, new JsonObject
        {
            ["id"] = "2f3712f0-6e57-4f09-aa68-d46dd7535707",
            ["portal_image_python"] = "sha256:" + new string('a', 64),
            ["portal_tag_python"] = "portal/python:0a1b",
            ["min_ram"] = 0,
        }.ToJsonString());

        (await Project.Images.LookAsync("python", Cancel)).There.ShouldBe(new("python", "portal/python:0a1b", "sha256:" + new string('a', 64)));
        var fault = await Should.ThrowAsync<CloudException>(() => Project.Images.LookAsync("spark", Cancel));
        fault.Message.ShouldEndWith("does not bring the image spark.");
        fault.WhatToDo.ShouldContain("portal_image_spark");
    }
}
