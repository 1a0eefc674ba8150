using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Portal.Core.Clouds;
using Portal.Jobs.Clouds;
using Portal.Jobs.Clouds.OpenStack;
using Portal.TestKit.Clouds;

namespace Portal.Benchmarks;

/// <summary>
/// A project of the OpenStack whose credentials PORTAL_TEST_OPENSTACK names, as the lane of that name uses it: the file <c>addresses</c> beside the
/// credentials has the range that guests may have (GUESTS) and the address from which this host reaches them (HOST).
/// </summary>
internal sealed class OpenStackProject : IAsyncDisposable
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(500), Patience = TimeSpan.FromMinutes(3);
    private readonly ServiceProvider _services;

    private OpenStackProject(ServiceProvider services) => _services = services;

    /// <summary>Name of its credential, and of the pool in it.</summary>
    public static string Key => Directory.GetFiles(Folder, "*.json").Select(f => Path.GetFileNameWithoutExtension(f)).Where(n => n != "admin")
        .Order(StringComparer.Ordinal).FirstOrDefault() ?? throw new InvalidOperationException($"{Folder} has no credential files.");

    public CloudKit Kit => Get<CloudKit>();
    public OpenStackCloud Cloud => Get<OpenStackClouds>().Of(Key);
    public ProjectStacks Stacks => Get<ProjectStacksByKey>().Of(Key);

    private static string Folder => CloudLab.Variable("PORTAL_TEST_OPENSTACK");

    public T Get<T>() where T : notnull => _services.GetRequiredService<T>();

    /// <summary>The project as the product opens it, for one installation; see <see cref="Settings"/>.</summary>
    public static OpenStackProject Open(string installation, string keys, int half)
    {
        var configuration = new ConfigurationBuilder()
            .AddInMemoryCollection(Settings(keys, half).Append(("Installation:Id", installation)).Select(s => KeyValuePair.Create(s.Item1, (string?)s.Item2)))
            .Build();
        return new(new ServiceCollection().AddSingleton(TimeProvider.System).AddLogging(l => l.SetMinimumLevel(LogLevel.Warning))
            .AddOpenStackCloud(configuration).AddOpenStackServers(configuration).BuildServiceProvider());
    }

    /// <summary>What Jobs is told of a pool in it, as infra/run openstack does.</summary>
    /// <param name="keys">Folder for the key to the servers' container engines.</param>
    /// <param name="half">0 or 1: the half of the guests' range that the pool gets, a /17.</param>
    public static (string Key, string Value)[] Settings(string keys, int half)
    {
        var addresses = File.ReadAllLines(Path.Combine(Folder, "..", "addresses")).Select(l => l.Split('=', 2))
            .ToDictionary(l => l[0], l => l[1], StringComparer.Ordinal);
        var guests = addresses["GUESTS"].Split('.');
        return
        [
            ("Clouds:OpenStack:Credentials", Folder),
            ("Clouds:OpenStack:ShareType", "gpfs"),
            ("Clouds:OpenStack:Servers:PortalAddress", addresses["HOST"]),
            ("Clouds:OpenStack:Servers:Keys", keys),
            ("Clouds:OpenStack:Servers:SeccompBase", CloudLab.Variable("PORTAL_TEST_SECCOMP")),
            ("Clouds:OpenStack:Servers:PlainAppTraffic", "true"),
            ("Clouds:OpenStack:Pools:0:Key", Key),
            ("Clouds:OpenStack:Pools:0:Addresses", $"{guests[0]}.{guests[1]}.{half * 128}.0/17"),
        ];
    }

    /// <summary>Removes everything of this installation from the project, stacks first, then rules, then shares; nothing is left when this returns.</summary>
    public async Task RemoveAllAsync()
    {
        await GoneAsync("stacks", async () =>
        {
            var stacks = await Stacks.Heat.StacksAsync(Stacks.Names.Ours, CancellationToken.None);
            foreach (var stack in stacks.Where(s => s.Status != "DELETE_IN_PROGRESS")) await Stacks.Heat.DeleteAsync(stack, CancellationToken.None);
            return stacks.Count;
        });
        await GoneAsync("servers", async () =>
            (await Stacks.Nova.ServersAsync(CancellationToken.None)).Count(s => Stacks.Names.KeyOf(s) is not null));
        // Denied and deleted at the same time, a share ends in error.
        await GoneAsync("access rules", async () =>
        {
            var left = 0;
            foreach (var share in await SharesAsync())
                foreach (var rule in await Cloud.Manila.RulesAsync(share.Id, CancellationToken.None))
                {
                    left++;
                    if (!rule.IsLeaving) await Cloud.Manila.DenyAsync(share.Id, rule.Id, CancellationToken.None);
                }
            return left;
        });
        foreach (var share in await SharesAsync()) await Cloud.Manila.DeleteAsync(share.Id, CancellationToken.None);
        await GoneAsync("shares", async () => (await SharesAsync()).Count);

        Task<IReadOnlyList<ManilaShare>> SharesAsync() => Cloud.Manila.SharesWithAsync(Cloud.Names.Ours, CancellationToken.None);
    }

    public ValueTask DisposeAsync() => _services.DisposeAsync();

    private static async Task GoneAsync(string what, Func<Task<int>> count)
    {
        for (var start = TimeProvider.System.GetTimestamp(); await count() is > 0 and var left; await Task.Delay(Look, TimeProvider.System))
            if (TimeProvider.System.GetElapsedTime(start) > Patience)
                throw new TimeoutException($"{left} {what} of the benchmark are still in the project {Key}.");
    }
}
