using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds.Containers;
using Portal.Jobs.Clouds.Docker;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Clouds;

/// <summary>Prepare verifies by trying: each guard is broken once, and it refuses launches with the reason.</summary>
public sealed class ProbeTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Prepare_HealthyEngine_TellsWhatItIsAndLeavesNothing()
    {
        await using var lab = CloudLab.Open();
        await lab.BaseAsync();

        var report = await lab.Clusters.PrepareAsync(Cancel);

        report.Summary.ShouldContain("Docker Engine");
        report.Vcpus.ShouldBe(Environment.ProcessorCount);
        report.MemoryMib.ShouldBeGreaterThan(256);
        (await lab.ContainerEngine.ListAsync(lab.Owned.Mine("probe"), Cancel)).ShouldBeEmpty();
        (await lab.Get<Networks>().ListAsync(lab.Owned.Mine("probe"), Cancel)).ShouldBeEmpty();
        (await lab.Clusters.LookAsync(Cancel)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Prepare_SomethingLetsBridgesIn_IsRefusedNamingWhere()
    {
        await using var lab = CloudLab.Open();
        await lab.BaseAsync();
        await lab.Get<Firewall>().EnsureAsync(Cancel);
        // As another program's firewall might: its rule comes before ours.
        (await OwnDisk.RunAsync("iptables", "-w", "10", "-I", "INPUT", "1", "-i", $"{lab.Owned.BridgePrefix}+", "-j", "ACCEPT")).ShouldBe(0);

        var fault = await Should.ThrowAsync<CloudException>(() => lab.Clusters.PrepareAsync(Cancel));
        var launch = await Should.ThrowAsync<CloudException>(async () => await lab.Clusters.EnsureAsync(await lab.PlanAsync(), Cancel));

        fault.Fault.ShouldBe(CloudFault.Refused);
        fault.Message.ShouldContain("can reach the host at");
        launch.Message.ShouldBe(fault.Message);
    }

    [Fact]
    public async Task Prepare_ProfileThatLetsSubvolumesThrough_IsRefused()
    {
        // A base in which the rule for ioctl cannot be narrowed, because a rule of another name also allows it, is not built here:
        // the container engine is tested with Moby's own profile instead of ours, which is what a broken transformation would produce.
        await using var lab = CloudLab.Open();
        var image = await lab.BaseAsync();
        var weak = new SeccompProfile(await File.ReadAllTextAsync(CloudLab.Variable("PORTAL_TEST_SECCOMP"), Cancel), "weak");

        var fault = await Should.ThrowAsync<CloudException>(() => lab.Get<ContainerEngineProbe>().ProbeAsync(image, weak, Cancel));

        fault.Fault.ShouldBe(CloudFault.Refused);
        fault.Message.ShouldContain("subvolumes");
    }

    [Theory]
    [InlineData("io_uring_setup", "io_uring")]
    [InlineData("socket", "VSOCK")]
    public async Task Prepare_ProfileThatLetsACallThrough_IsRefused(string call, string named)
    {
        await using var lab = CloudLab.Open();
        var image = await lab.BaseAsync();
        var (loaded, setting) = (CloudLab.Variable("PORTAL_TEST_SECCOMP"), "PORTAL_TEST_SECCOMP");
        var profile = System.Text.Json.Nodes.JsonNode.Parse((await SeccompProfile.LoadAsync(loaded, setting, Cancel)).Json)!;
        profile["syscalls"]!.AsArray().Add(System.Text.Json.Nodes.JsonNode.Parse($$"""{"names":["{{call}}"],"action":"SCMP_ACT_ALLOW"}"""));
        var weak = new SeccompProfile(profile.ToJsonString(), "weak");

        var fault = await Should.ThrowAsync<CloudException>(() => lab.Get<ContainerEngineProbe>().ProbeAsync(image, weak, Cancel));

        fault.Fault.ShouldBe(CloudFault.Refused);
        fault.Message.ShouldContain(named);
    }

    [Theory]
    [InlineData("")]
    [InlineData("/nowhere/default.json")]
    public async Task Prepare_NoProfile_IsRefusedWithTheRemedy(string file)
    {
        await using var lab = CloudLab.Open(("Clouds:Docker:SeccompBase", file));

        var fault = await Should.ThrowAsync<CloudException>(() => lab.Clusters.PrepareAsync(Cancel));

        fault.Fault.ShouldBe(CloudFault.Refused);
        fault.WhatToDo.ShouldContain("golang-github-docker-docker-dev");
    }

    [Fact]
    public async Task Prepare_WebAccountCannotReachContainers_IsRefused()
    {
        await using var lab = CloudLab.Open();
        await lab.BaseAsync();
        var user = lab.Settings["Clouds:Docker:ProbeUser"]!;
        string[] rule = ["OUTPUT", "-o", $"{lab.Owned.BridgePrefix}+", "-m", "owner", "--uid-owner", user, "-j", "REJECT"];
        (await OwnDisk.RunAsync("iptables", ["-w", "10", "-I", .. rule])).ShouldBe(0);

        var fault = await Should.ThrowAsync<CloudException>(() => lab.Clusters.PrepareAsync(Cancel));

        fault.Fault.ShouldBe(CloudFault.Refused);
        fault.Message.ShouldContain("cannot be reached");
    }

    [Fact]
    public async Task Rules_SetTwice_StandOnce()
    {
        await using var lab = CloudLab.Open();
        await lab.Get<Firewall>().EnsureAsync(Cancel);
        await lab.Get<Firewall>().EnsureAsync(Cancel);

        var isolation = lab.Get<FirewallRules>().IsolationRules;
        foreach (var tool in (string[])["iptables", "ip6tables"])
        {
            var rules = (await Jobs.Clouds.Tool.RunAsync("test", $"{tool}-save", [], TimeSpan.FromSeconds(20), TimeProvider.System, Cancel)).Output.Split('\n');
            rules.Count(r => r.Contains(lab.Owned.BridgePrefix, StringComparison.Ordinal)).ShouldBe(isolation.Count(r => r.Tool == tool), tool);
        }
    }

    [Theory]
    [InlineData("Clouds:Docker:Socket", "docker.sock", "Clouds:Docker:Socket")]
    [InlineData("Clouds:Docker:Pool", "10.1.2.3", "Clouds:Docker:Pool")]
    [InlineData("Clouds:Docker:TmpPercent", "0", "Clouds:Docker:TmpPercent")]
    [InlineData("Clouds:Docker:EgressProxy", "proxy.example.edu:3128", "Clouds:Docker:EgressProxy")]
    [InlineData("Clouds:Docker:EgressProxy", "192.0.2.7", "Clouds:Docker:EgressProxy")]
    [InlineData("Clouds:Docker:EgressProxy", "127.0.0.1:3128", "Clouds:Docker:EgressProxy")]
    [InlineData("Clouds:Docker:EgressProxy", "10.214.0.1:3128", "Clouds:Docker:EgressProxy")]
    [InlineData("Clouds:Docker:EgressProxy", "[2001:db8::7]:3128", "Clouds:Docker:EgressProxy")]
    [InlineData("Clouds:LocalStorage:Mounts", "mounts", "Clouds:LocalStorage:Mounts")]
    [InlineData("Images:Recipes", "images", "Images:Recipes")]
    public async Task Options_Wrong_NameTheField(string key, string value, string named)
    {
        await using var lab = CloudLab.Open();
        var settings = new Dictionary<string, string?>(lab.Settings) { [key] = value };
        var configuration = new Microsoft.Extensions.Configuration.ConfigurationManager();
        Microsoft.Extensions.Configuration.MemoryConfigurationBuilderExtensions.AddInMemoryCollection(configuration, settings);
        var services = new ServiceCollection();
        services.AddDockerCloud(configuration);
        Jobs.Clouds.LocalStorage.LocalStorageServices.AddLocalStorage(services, configuration);
        Jobs.Clouds.Docker.Images.ImageServices.AddImages(services, configuration);
        await using var provider = services.BuildServiceProvider();

        var fault = Record.Exception(() => provider.GetRequiredService<IStartupValidator>().Validate());

        fault.ShouldNotBeNull().ToString().ShouldContain($"{named} must");
    }
}
