using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Portal.Jobs.Clouds.OpenStack;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Clouds.OpenStack;

/// <summary>
/// Projects of a real OpenStack, in which everything carries an installation id of this test class. At the end its shares are removed, rules first, and
/// nothing is left.
/// </summary>
public sealed class OpenStackLab : IAsyncLifetime
{
    private ServiceProvider? _services;

    public OpenStackLab() : this(CloudLab.NewId())
    {
    }

    /// <param name="id">Of an installation that there is: everything of it in the projects is removed at the end.</param>
    internal OpenStackLab(string id) => Id = id;

    public string Id { get; }

    internal OpenStackCloud Mine => Services.GetRequiredService<OpenStackClouds>().Of(Projects[0]);

    /// <summary>Another project.</summary>
    internal OpenStackCloud Other => Services.GetRequiredService<OpenStackClouds>().Of(Projects[1]);

    public IServiceProvider Services => _services ?? throw new InvalidOperationException("the lab did not open");

    /// <summary>Folder with a credential file for each project.</summary>
    public static string Folder => Environment.GetEnvironmentVariable("PORTAL_TEST_OPENSTACK") is { Length: > 0 } folder ? folder
        : throw new InvalidOperationException("PORTAL_TEST_OPENSTACK is not set: these tests need a real OpenStack, and in this folder a credential file "
            + "<project>.json for each of two projects; infra/test openstack provides both.");

    /// <summary>The projects that are for tests; an administrator's credential is not among them.</summary>
    public static IReadOnlyList<string> Projects =>
    [
        .. Directory.GetFiles(Folder, "*.json").Select(f => Path.GetFileNameWithoutExtension(f)).Where(n => n != "admin").Order(StringComparer.Ordinal),
    ];

    public ValueTask InitializeAsync()
    {
        if (Projects.Count < 2) throw new InvalidOperationException($"{Folder} must hold the credential files of two projects.");
        _services = Open();
        return ValueTask.CompletedTask;
    }

    /// <summary>The adapter as the product registers it, with the same installation id; the caller disposes it.</summary>
    public ServiceProvider Open(params (string Key, string? Value)[] change)
    {
        var settings = new Dictionary<string, string?>(StringComparer.Ordinal) { ["Installation:Id"] = Id, ["Clouds:OpenStack:Credentials"] = Folder };
        foreach (var (key, value) in change) settings[key] = value;
        return new ServiceCollection()
            .AddSingleton(TimeProvider.System)
            .AddLogging(l => l.SetMinimumLevel(LogLevel.Warning))
            .AddOpenStackCloud(new ConfigurationBuilder().AddInMemoryCollection(settings).Build())
            .BuildServiceProvider();
    }

    public async ValueTask DisposeAsync()
    {
        if (_services is not { } services) return;
        foreach (var cloud in (OpenStackCloud[])[Mine, Other]) await RemoveAllAsync(cloud);
        await services.DisposeAsync();
    }

    /// <summary>Rules first, and seen gone: denied and deleted at the same time, a share ends in error.</summary>
    private static async Task RemoveAllAsync(OpenStackCloud cloud)
    {
        var manila = cloud.Manila;
        foreach (var share in await SharesAsync())
            foreach (var rule in await manila.RulesAsync(share.Id, CancellationToken.None))
                await manila.DenyAsync(share.Id, rule.Id, CancellationToken.None);
        foreach (var share in await SharesAsync())
        {
            await Eventually.SeesAsync(() => manila.RulesAsync(share.Id, CancellationToken.None), r => r.Count == 0, "the rules are gone", 60);
            await manila.DeleteAsync(share.Id, CancellationToken.None);
        }
        await Eventually.SeesAsync(SharesAsync, left => left.Count == 0, "nothing is left of this test class", 90);

        Task<IReadOnlyList<ManilaShare>> SharesAsync() => manila.SharesWithAsync(cloud.Names.Ours, CancellationToken.None);
    }
}
