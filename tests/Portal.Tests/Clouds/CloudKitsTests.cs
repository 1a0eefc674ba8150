using Portal.Jobs.Clouds;
using Portal.TestKit.Scripted;

namespace Portal.Tests.Clouds;

/// <summary>What is wrong with a configuration of pools is said at start, in words, and not by the database when their rows are written.</summary>
public sealed class CloudKitsTests
{
    private static readonly ScriptedClouds Clouds = new((_, _) => Mood.Well);

    [Fact]
    public void Kits_OfOneCloudWithOneCredential_AreRefused() =>
        Refusal(Clouds.PoolKit("physics"), Clouds.PoolKit("biology") with { Credential = "physics" }).ShouldBe(
            "The pools \"physics\" and \"biology\" of the cloud \"local\" name the same credential, \"physics\", so they are the same project. "
            + "Keep one of them, or give each its own credential.");

    [Fact]
    public void Kits_OfOneCloudWithoutCredential_AreRefused() =>
        Refusal(Clouds.PoolKit("physics") with { Credential = null }, Clouds.PoolKit("biology") with { Credential = null }).ShouldBe(
            "The pools \"physics\" and \"biology\" of the cloud \"local\" name no credential, so they are the same project. "
            + "Keep one of them, or give each its own credential.");

    [Fact]
    public void Kits_WithOneKey_AreRefused() =>
        Refusal(Clouds.PoolKit("physics"), Clouds.Kit("physics")).ShouldBe("Several pools have the key \"physics\". Give each its own.");

    [Fact]
    public void Kits_OfTwoCloudsWithOneCredential_OrOfOneWithTwo_AreFine() =>
        new CloudKits([Clouds.Kit("physics"), Clouds.Kit("biology"), Clouds.PoolKit("one"), Clouds.PoolKit("two")]).All.Count.ShouldBe(4);

    private static string Refusal(params CloudKit[] kits) => Should.Throw<InvalidOperationException>(() => new CloudKits(kits)).Message;
}
