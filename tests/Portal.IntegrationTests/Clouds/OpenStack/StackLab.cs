using System.Globalization;
using System.Security.Cryptography;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds;
using Portal.Jobs.Clouds.OpenStack;
using Portal.TestKit.Clouds;

namespace Portal.IntegrationTests.Clouds.OpenStack;

/// <summary>
/// Stacks in projects of a real OpenStack. Beside the credentials' folder is the file <c>addresses</c>, with the range that guests may have (GUESTS) and
/// the address from which this host reaches them (HOST). At the end stacks are deleted, then shares.
/// </summary>
public sealed class StackLab : IAsyncLifetime
{
    private const double Moment = 60;
    private readonly OpenStackLab _storage;
    private readonly string _keys = Directory.CreateTempSubdirectory("portal-keys").FullName;
    private ServiceProvider? _services;

    public StackLab() : this(new OpenStackLab())
    {
    }

    internal StackLab(OpenStackLab storage) => _storage = storage;

    internal OpenStackLab Storage => _storage;

    internal ProjectStacks Mine => _services!.GetRequiredService<ProjectStacksByKey>().Of(OpenStackLab.Projects[0]);

    /// <summary>Another project.</summary>
    internal ProjectStacks Other => _services!.GetRequiredService<ProjectStacksByKey>().Of(OpenStackLab.Projects[1]);

    public async ValueTask InitializeAsync()
    {
        await _storage.InitializeAsync();
        // A program that the server image has in any version; what it prints is the server's data.
        _services = Open(("Clouds:OpenStack:Servers:Program", "/usr/bin/hostname"));
    }

    /// <summary>As the product registers it, with the same installation id; the caller disposes it.</summary>
    public ServiceProvider Open(params (string Key, string? Value)[] change)
    {
        var settings = new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["Installation:Id"] = _storage.Id,
            ["Clouds:OpenStack:Credentials"] = OpenStackLab.Folder,
            ["Clouds:OpenStack:Servers:PortalAddress"] = Rig.Host,
            ["Clouds:OpenStack:Servers:BootLimit"] = "00:05:00",
        };
        foreach (var (key, value) in change) settings[key] = value;
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(settings).Build();
        return new ServiceCollection().AddSingleton(TimeProvider.System).AddLogging(l => l.SetMinimumLevel(LogLevel.Warning))
            .AddOpenStackCloud(configuration).AddOpenStackServers(configuration).BuildServiceProvider();
    }

    /// <summary>A pool in the first project as an installation has it; the caller disposes it.</summary>
    public ServiceProvider OpenPool() => Open([.. PoolSettings(_keys)]);

    /// <summary>What a pool in the first project needs, whose key is the project's name.</summary>
    /// <param name="keys">Folder for the portal's key to the servers.</param>
    public static IEnumerable<(string Key, string? Value)> PoolSettings(string keys) =>
    [
        ("Clouds:OpenStack:Credentials", OpenStackLab.Folder),
        ("Clouds:OpenStack:ShareType", "gpfs"),
        ("Clouds:OpenStack:Pools:0:Key", OpenStackLab.Projects[0]),
        ("Clouds:OpenStack:Pools:0:Addresses", NewPart()),
        ("Clouds:OpenStack:Servers:PortalAddress", Rig.Host),
        ("Clouds:OpenStack:Servers:BootLimit", "00:05:00"),
        ("Clouds:OpenStack:Servers:Keys", keys),
        ("Clouds:OpenStack:Servers:SeccompBase", CloudLab.Variable("PORTAL_TEST_SECCOMP")),
        ("Clouds:OpenStack:Servers:PlainAppTraffic", "true"),
    ];

    public static CloudKit KitOf(IServiceProvider pool) => pool.GetRequiredService<CloudKit>();

    /// <summary>A /27 of the range; several test runs share it, so it is drawn.</summary>
    public static string NewSubnet() => string.Create(CultureInfo.InvariantCulture,
        $"{Guests}.{RandomNumberGenerator.GetInt32(0, 250)}.{RandomNumberGenerator.GetInt32(0, 8) * 32}/27");

    /// <summary>A part of the range for a pool, with 64 such networks; drawn too.</summary>
    private static string NewPart() => string.Create(CultureInfo.InvariantCulture, $"{Guests}.{RandomNumberGenerator.GetInt32(0, 31) * 8}.0/21");

    /// <summary>The first half of every address in the range.</summary>
    private static string Guests => string.Join('.', Rig.Guests.Split('.').Take(2));

    /// <summary>A work folder of a GiB for a person, made in the first project.</summary>
    public async Task<ShareAccess> FolderAsync(int uid)
    {
        var folder = new FolderRef.Work(CloudLab.New(), CloudLab.New());
        await Eventually.SeesAsync(() => _storage.Mine.Filesets.EnsureAsync(folder, uid, 1L << 30, CancellationToken.None), a => a is EnsureAnswer.Done,
            "the folder is made", Moment);
        return new(CloudLab.New(), 1, folder);
    }

    /// <summary>Id of the share that a folder is on.</summary>
    public async Task<string> ShareAsync(ShareAccess access) =>
        (await _storage.Mine.Manila.SharesNamedAsync(_storage.Mine.Names.NameOf((FolderRef.Work)access.Folder), CancellationToken.None))[0].Id;

    /// <summary>Until the rule is active.</summary>
    public async Task<MountSource.Export> AllowAsync(ShareAccess access, string subnet) =>
        (MountSource.Export)((AccessAnswer.Active)await Eventually.SeesAsync(() => _storage.Mine.Shares.AllowAsync(access, subnet, CancellationToken.None),
            a => a is AccessAnswer.Active, "the rule is active", Moment)).Source;

    /// <summary>Until the rule is gone.</summary>
    public async Task DenyAsync(ShareAccess access) => await Eventually.SeesAsync(
        () => _storage.Mine.Shares.DenyAsync(access, CancellationToken.None), a => a is AccessAnswer.Gone, "the rule is gone", Moment);

    public async ValueTask DisposeAsync()
    {
        if (_services is { } services)
        {
            foreach (var project in (ProjectStacks[])[Mine, Other])
            {
                await Eventually.SeesAsync(() => DeleteAllAsync(project), left => left == 0, "no stack of this test class is left", 180);
                await Eventually.SeesAsync(async () => (await project.Nova.ServersAsync(CancellationToken.None)).Count(s => project.Names.KeyOf(s) is not null),
                    left => left == 0, "no server of this test class is left", 60);
            }
            await services.DisposeAsync();
        }
        await _storage.DisposeAsync();
        Directory.Delete(_keys, recursive: true);
    }

    private static async Task<int> DeleteAllAsync(ProjectStacks project)
    {
        var left = await project.Heat.StacksAsync(project.Names.Ours, CancellationToken.None);
        foreach (var stack in left.Where(s => s.Status != "DELETE_IN_PROGRESS")) await project.Heat.DeleteAsync(stack, CancellationToken.None);
        await Task.Delay(500);
        return left.Count;
    }
}
