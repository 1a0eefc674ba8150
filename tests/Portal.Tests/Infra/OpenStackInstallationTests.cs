namespace Portal.Tests.Infra;

/// <summary>Where <c>infra/run</c> lets workspaces run, and what it tells Jobs about an OpenStack.</summary>
public sealed class OpenStackInstallationTests : IDisposable
{
    private const string Own = "Clouds__OpenStack__Pools__0__Key=physics\n";
    private readonly string _folder = Directory.CreateTempSubdirectory("portal-openstack").FullName;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("run", "", "", "", "")]
    [InlineData("openstack", "", "", "", "rig /var/lib/portal-openstack")]
    [InlineData("openstack", "", "", "/srv/rig", "rig /srv/rig")]
    [InlineData("openstack", "", Own, "", "settings")]
    [InlineData("run", "rig /srv/rig", "", "", "rig /srv/rig")]
    [InlineData("openstack", "rig /srv/rig", "", "", "rig /srv/rig")]
    [InlineData("run", "settings", Own, "/srv/rig", "settings")]
    public async Task Cloud_OfAnInstallation_IsTheOneItHas(string command, string known, string settings, string rig, string cloud)
    {
        if (known.Length > 0) await File.WriteAllTextAsync($"{_folder}/openstack", known + "\n", Cancel);

        (await ChooseAsync(command, settings, rig)).ShouldBe((0, $"cloud={cloud}"));
    }

    [Theory]
    [InlineData("openstack", "engine", "", "", "run on this machine's container engine")]
    [InlineData("run", "", Own, "", "names pools on OpenStack, but this is an installation on the container engine")]
    [InlineData("run", "engine", Own, "", "names pools on OpenStack, but this is an installation on the container engine")]
    [InlineData("run", "rig /srv/rig", "", "/srv/other", "run on the rig in /srv/rig, not on the rig in /srv/other")]
    [InlineData("run", "rig /srv/rig", Own, "", "run on the rig in /srv/rig, not on the OpenStack that")]
    [InlineData("run", "settings", "", "", "settings.env no longer names the pools of this installation")]
    public async Task Cloud_OfAnInstallation_IsNotExchanged(string command, string known, string settings, string rig, string words)
    {
        if (known == "engine")
        {
            Directory.CreateDirectory($"{_folder}/pg");
            await File.WriteAllTextAsync($"{_folder}/pg/PG_VERSION", "15\n", Cancel);
        }
        else if (known.Length > 0) await File.WriteAllTextAsync($"{_folder}/openstack", known + "\n", Cancel);

        var (code, output) = await ChooseAsync(command, settings, rig);

        code.ShouldBe(1);
        output.ShouldStartWith("Stopped: ");
        output.ShouldContain(words);
        output.ShouldContain("PORTAL_STATE");
    }

    [Fact]
    public async Task Rig_ItsProjects_HalveTheRangeOfGuests()
    {
        await File.WriteAllTextAsync($"{_folder}/addresses", "HOST=198.18.0.1\nAPI=198.18.0.2\nGUESTS=10.230.0.0/16\n", Cancel);
        await File.WriteAllTextAsync($"{_folder}/openstack", $"rig {_folder}\n", Cancel);

        var (code, output) = await Script.RunAsync("settings openstack", "SECCOMP=/seccomp.json; openstack_settings", ("STATE", _folder));

        code.ShouldBe(0, output);
        output.Split('\n').ShouldBe([
            $"Clouds__OpenStack__Servers__Keys={_folder}/keys/servers",
            "Clouds__OpenStack__Servers__SeccompBase=/seccomp.json",
            "Clouds__OpenStack__Key=openstack",
            "Clouds__OpenStack__Title=OpenStack on this host",
            $"Clouds__OpenStack__Credentials={_folder}/credentials",
            "Clouds__OpenStack__ShareType=gpfs",
            "Clouds__OpenStack__Servers__Image=portal-server",
            "Clouds__OpenStack__Servers__PortalAddress=198.18.0.1",
            "Clouds__OpenStack__Servers__PlainAppTraffic=true",
            "Clouds__OpenStack__Pools__0__Key=informatics",
            "Clouds__OpenStack__Pools__0__Title=Informatics",
            "Clouds__OpenStack__Pools__0__Credential=informatics",
            "Clouds__OpenStack__Pools__0__Addresses=10.230.0.0/17",
            "Clouds__OpenStack__Pools__1__Key=mathematics",
            "Clouds__OpenStack__Pools__1__Title=Mathematics",
            "Clouds__OpenStack__Pools__1__Credential=mathematics",
            "Clouds__OpenStack__Pools__1__Addresses=10.230.128.0/17",
        ]);
    }

    [Fact]
    public async Task ContainerEngine_JobsIsTold_NothingOfOpenStack() =>
        (await Script.RunAsync("settings openstack", "openstack_settings", ("STATE", _folder))).ShouldBe((0, ""));

    /// <summary>A pool without a credential is opened by the one that has its key.</summary>
    [Fact]
    public async Task Projects_AreNamed_ByCredentialOrKey()
    {
        await File.WriteAllTextAsync($"{_folder}/openstack", "settings\n", Cancel);
        await File.WriteAllTextAsync($"{_folder}/settings.env", """
            Clouds__OpenStack__Pools__0__Key=physics
            Clouds__OpenStack__Pools__0__Credential=
            Clouds__OpenStack__Pools__1__Credential=bio-2026
            Clouds__OpenStack__Pools__1__Key=biology
            Clouds__OpenStack__Pools__10__Key=law
            """, Cancel);

        (await Script.RunAsync("settings openstack", "project_keys", ("STATE", _folder))).ShouldBe((0, "bio-2026\nlaw\nphysics"));
    }

    private async Task<(int Code, string Output)> ChooseAsync(string command, string settings, string rig)
    {
        if (settings.Length > 0) await File.WriteAllTextAsync($"{_folder}/settings.env", settings, Cancel);
        return await Script.RunAsync("common settings openstack", $"choose_cloud {command}; echo \"cloud=$CLOUD\"",
            ("STATE", _folder), ("PORTAL_OPENSTACK_STATE", rig));
    }
}
