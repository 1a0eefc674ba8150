using System.Net;
using Microsoft.Extensions.Options;

namespace Portal.Jobs.Clouds.Docker;

/// <summary>Section <c>Clouds:Docker</c>.</summary>
public sealed class DockerOptions
{
    public const string Section = "Clouds:Docker";

    /// <summary>Path of the container engine's Unix socket. Empty: there is no container engine, and every call says so.</summary>
    public string Socket { get; set; } = "";

    /// <summary>CIDR from which workspaces get their /27; the probe takes one from its upper end.</summary>
    public string Pool { get; set; } = "10.213.0.0/16";

    /// <summary>Moby's own default seccomp profile, a JSON file. Without it launches are refused.</summary>
    public string SeccompBase { get; set; } = "";

    /// <summary>Account (name or uid) from which containers must be reachable: the web account. Empty: this process's own.</summary>
    public string ProbeUser { get; set; } = "";

    /// <summary>Folder owned by root for the passwd and group files that containers see.</summary>
    public string Identities { get; set; } = "";

    /// <summary>Size of the tmpfs at /tmp and of /dev/shm, each as a percentage of the node's memory; their contents count as its memory.</summary>
    public int TmpPercent { get; set; } = 50;

    /// <summary>Size of the tmpfs at /home/student, MiB; it counts as the container's memory.</summary>
    public int HomeMib { get; set; } = 64;

    /// <summary>
    /// The site's egress proxy: IPv4 address and port of an HTTP proxy, the only place outside that nodes can reach.
    /// Empty: nodes cannot reach anything outside. A node keeps the setting it was created with.
    /// </summary>
    public string EgressProxy { get; set; } = "";

    /// <summary>Maximum time from a node's start to a kernel that computes.</summary>
    public TimeSpan ProofDeadline { get; set; } = TimeSpan.FromMinutes(3);

    /// <summary>The pool as a network.</summary>
    public IPNetwork PoolNetwork => IPNetwork.Parse(Pool);

    /// <summary>The egress proxy; null if there is none.</summary>
    public IPEndPoint? EgressEndpoint => EgressProxy.Length == 0 ? null : IPEndPoint.Parse(EgressProxy);
}

/// <summary>Validates at startup and names the invalid setting.</summary>
public sealed class DockerOptionsCheck : IValidateOptions<DockerOptions>
{
    public ValidateOptionsResult Validate(string? name, DockerOptions options)
    {
        if (options.Socket.Length == 0)
        {
            return ValidateOptionsResult.Success;
        }

        var wrong = new List<string>();
        Wrong(!Path.IsPathFullyQualified(options.Socket), nameof(options.Socket), "must be the full path of a Unix socket");
        Wrong(options.SeccompBase.Length > 0 && !Path.IsPathFullyQualified(options.SeccompBase), nameof(options.SeccompBase), "must be a full path");
        Wrong(!Path.IsPathFullyQualified(options.Identities), nameof(options.Identities),
            "must be a full path (by default it is next to Clouds:LocalStorage:Mounts)");
        Wrong(options.ProofDeadline <= TimeSpan.Zero, nameof(options.ProofDeadline), "must be longer than nothing (by default 00:03:00)");
        Wrong(!IPNetwork.TryParse(options.Pool, out var pool)
            || pool.PrefixLength is < 8 or > 24
            || pool.BaseAddress.AddressFamily != System.Net.Sockets.AddressFamily.InterNetwork,
            nameof(options.Pool), "must be an IPv4 network of /8 to /24, such as 10.213.0.0/16");
        Wrong(options.EgressProxy.Length > 0 && !IsEgressProxy(options.EgressProxy, pool), nameof(options.EgressProxy),
            "must be the IPv4 address and port of an HTTP proxy, such as 192.0.2.7:3128, "
            + "that is neither this host's loopback nor one of the workspaces' addresses: nodes use no name server and have their own loopback");
        Wrong(options.TmpPercent is < 1 or > 100, nameof(options.TmpPercent), "must be 1 to 100 percent of a node's memory");
        Wrong(options.HomeMib is < 1 or > 65536, nameof(options.HomeMib), "must be 1 to 65536 MiB");
        return wrong.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(wrong);

        static bool IsEgressProxy(string value, IPNetwork pool) =>
            IPEndPoint.TryParse(value, out var at) && at.Port > 0 && at.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork && at.ToString() == value
            && !IPAddress.IsLoopback(at.Address) && !at.Address.Equals(IPAddress.Any) && (pool.PrefixLength == 0 || !pool.Contains(at.Address));

        void Wrong(bool so, string field, string requirement)
        {
            if (so)
            {
                wrong.Add($"{DockerOptions.Section}:{field} {requirement}.");
            }
        }
    }
}
