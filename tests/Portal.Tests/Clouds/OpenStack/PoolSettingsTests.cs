using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Portal.Core.Clouds;
using Portal.Jobs;
using Portal.Jobs.Clouds;
using Portal.Jobs.Clouds.Docker;
using Portal.Jobs.Clouds.Docker.Images;
using Portal.Jobs.Clouds.LocalStorage;
using Portal.Jobs.Clouds.OpenStack;

namespace Portal.Tests.Clouds.OpenStack;

/// <summary>Which pools an installation has, and what is said at start of settings that cannot work.</summary>
public sealed class PoolSettingsTests
{
    [Fact]
    public void Pools_AreKits_AndThisHostIsOneOnlyIfItsEngineIsNamed()
    {
        Keys(("Clouds:Docker:Socket", "/run/docker.sock")).ShouldBe(["physics", "biology", "local"], ignoreOrder: true);
        Keys().ShouldBe(["physics", "biology"], ignoreOrder: true);
        Keys(("Clouds:OpenStack:Pools:0:Key", null), ("Clouds:OpenStack:Pools:0:Addresses", null), ("Clouds:OpenStack:Pools:1:Key", null),
            ("Clouds:OpenStack:Pools:1:Addresses", null), ("Clouds:OpenStack:Pools:1:Title", null), ("Clouds:OpenStack:Pools:1:Credential", null))
            .ShouldBe(["local"]);
    }

    [Fact]
    public void Kit_OfAPool_HasItsTitleCredentialAndCloud()
    {
        var (physics, biology) = (Kits().Of("physics"), Kits().Of("biology"));

        (physics.Title, physics.Credential, physics.Cloud.Key, physics.Cloud.Kind, physics.Cloud.Title)
            .ShouldBe(("physics", "physics", "openstack", "openstack", "OpenStack"));
        (biology.Title, biology.Credential, biology.Addresses.Choose(new HashSet<string>(), [])).ShouldBe(("Biology", "life", "10.231.0.0/27"));
    }

    [Theory]
    [InlineData("Clouds:OpenStack:Pools:0:Key", "Physics!", "Clouds:OpenStack:Pools:0:Key must be 1 to 40 characters")]
    [InlineData("Clouds:OpenStack:Pools:1:Addresses", "10.0.0.1", "Clouds:OpenStack:Pools:1:Addresses must be an IPv4 network of /8 to /27")]
    [InlineData("Clouds:OpenStack:Credentials", "", "Clouds:OpenStack:Credentials must name the folder")]
    [InlineData("Clouds:OpenStack:Servers:Keys", "", "Clouds:OpenStack:Servers:Keys must be the full path of a folder")]
    [InlineData("Clouds:OpenStack:Servers:PlainAppTraffic", "false", "Clouds:OpenStack:Servers:PlainAppTraffic must be true")]
    [InlineData("Clouds:OpenStack:Servers:PortalAddress", "", "Clouds:OpenStack:Servers:PortalAddress must be the IPv4 address or network")]
    [InlineData("Clouds:OpenStack:Servers:SeccompBase", "profile.json", "Clouds:OpenStack:Servers:SeccompBase must be a full path")]
    public void Setting_ThatCannotWork_IsNamed(string setting, string value, string requirement)
    {
        using var services = Services((setting, value));
        var failures = Failures<OpenStackOptions>(services).Concat(Failures<ServerOptions>(services));
        failures.ShouldContain(f => f.StartsWith(requirement, StringComparison.Ordinal));
    }

    [Fact]
    public void Settings_OfTheExample_AreFine()
    {
        using var services = Services();
        Failures<OpenStackOptions>(services).Concat(Failures<ServerOptions>(services)).ShouldBeEmpty();
    }

    private static IEnumerable<string> Failures<T>(IServiceProvider services) where T : class
    {
        try { _ = services.GetRequiredService<IOptions<T>>().Value; }
        catch (OptionsValidationException e) { return e.Failures; }
        return [];
    }

    private static List<string> Keys(params (string, string?)[] change) => [.. Kits(change).All.Select(k => k.Key)];

    private static CloudKits Kits(params (string, string?)[] change) => Services(change).GetRequiredService<CloudKits>();

    private static ServiceProvider Services(params (string Key, string? Value)[] change)
    {
        var settings = new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["Installation:Id"] = "t123456789",
            ["ConnectionStrings:portal"] = "Host=/nowhere",
            ["Clouds:OpenStack:Credentials"] = "/etc/portal/credentials",
            ["Clouds:OpenStack:Pools:0:Key"] = "physics",
            ["Clouds:OpenStack:Pools:0:Addresses"] = "10.230.0.0/16",
            ["Clouds:OpenStack:Pools:1:Key"] = "biology",
            ["Clouds:OpenStack:Pools:1:Title"] = "Biology",
            ["Clouds:OpenStack:Pools:1:Credential"] = "life",
            ["Clouds:OpenStack:Pools:1:Addresses"] = "10.231.0.0/16",
            ["Clouds:OpenStack:Servers:Keys"] = "/var/lib/portal/engine-keys",
            ["Clouds:OpenStack:Servers:PortalAddress"] = "192.0.2.7",
            ["Clouds:OpenStack:Servers:PlainAppTraffic"] = "true",
            ["Clouds:LocalStorage:Mounts"] = "/run/portal/mounts",
        };
        foreach (var (key, value) in change) settings[key] = value;
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(settings.Where(s => s.Value is not null)).Build();
        var services = new ServiceCollection().AddSingleton<IConfiguration>(configuration).AddSingleton(TimeProvider.System).AddLogging();
        services.AddDockerCloud(configuration).AddImages(configuration).AddLocalStorage(configuration)
            .AddOpenStackCloud(configuration).AddOpenStackServers(configuration).AddPortalJobs(configuration);
        return services.BuildServiceProvider();
    }
}
