using System.Collections.Concurrent;
using Portal.Core.Clouds;
using Portal.Jobs.Foreign;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>One project of an OpenStack, with a session of its own.</summary>
internal sealed class OpenStackCloud
{
    public OpenStackCloud(string key, OpenStackOptions options, OpenStackHttp http, ForeignReader reader, TimeProvider clock, ILoggerFactory logs)
    {
        Keystone = new(cancel => Credential.ReadAsync(options.Credentials, key, reader, cancel), http, clock);
        Identity = new(ServiceKind.Identity, Keystone, http);
        Stacks = new(ServiceKind.Stacks, Keystone, http);
        Servers = new(ServiceKind.Servers, Keystone, http);
        Networks = new(ServiceKind.Networks, Keystone, http);
        Manila = new(new(ServiceKind.Shares, Keystone, http));
        Names = new(options.Installation);
        var folders = new ManilaFolders(Manila, Names, options, clock, logs.CreateLogger<ManilaFolders>());
        (Filesets, Shares) = (folders, new ManilaShares(Manila, folders, Names, options, clock));
    }

    public Keystone Keystone { get; }
    public ServiceClient Identity { get; }
    public ServiceClient Stacks { get; }
    public ServiceClient Servers { get; }
    public ServiceClient Networks { get; }
    public Manila Manila { get; }
    public ManilaNames Names { get; }
    public IShareCloud Shares { get; }
    public IFilesetCloud Filesets { get; }
}

/// <summary>The projects, each by the name of its credential.</summary>
internal sealed class OpenStackClouds(OpenStackOptions options, OpenStackHttp http, TimeProvider clock, ILoggerFactory logs)
{
    private readonly ForeignReader _reader = new(clock);
    private readonly ConcurrentDictionary<string, OpenStackCloud> _clouds = new(StringComparer.Ordinal);

    /// <summary>Calls nothing yet: a credential that cannot be used is a fault of the first call.</summary>
    public OpenStackCloud Of(string key) => _clouds.GetOrAdd(key, k => new(k, options, http, _reader, clock, logs));
}
