using System.Text.Json.Nodes;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.OpenStack;

namespace Portal.Tests.Clouds.OpenStack;

/// <summary>What the portal knows of nodes before it reaches their servers' engines, and the images that the server image brings.</summary>
public sealed class ServerNodesTests : RecordedStackTest
{
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
