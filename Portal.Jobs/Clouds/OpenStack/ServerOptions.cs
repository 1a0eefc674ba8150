using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Options;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>Section <c>Clouds:OpenStack:Servers</c>: the servers that nodes run on, and their network.</summary>
internal sealed class ServerOptions
{
    public const string Section = OpenStackOptions.Section + ":Servers";

    /// <summary>Name or id of the image that servers start from; see infra/images/server.</summary>
    public string Image { get; set; } = "portal-server";

    /// <summary>What the names of usable flavors begin with. Empty: every flavor that the project sees.</summary>
    public string FlavorPrefix { get; set; } = "";

    /// <summary>Memory that a server needs beside its node, MiB: kernel, container engine and services.</summary>
    public int OverheadMib { get; set; } = 512;

    /// <summary>IPv4 address or network from which the portal, web and background worker, reaches servers; their ports are open to it alone.</summary>
    public string PortalAddress { get; set; } = "";

    /// <summary>
    /// Name or id of a router that connects workspaces' networks with the storage, with Heat and with the portal. Empty: something else routes for them.
    /// </summary>
    public string Router { get; set; } = "";

    /// <summary>Port of the container engine on servers.</summary>
    public int EnginePort { get; set; } = 2376;

    /// <summary>First and last port at which nodes may have apps, such as 8000-9999.</summary>
    public string AppPorts { get; set; } = "1024-65535";

    /// <summary>Options with which servers mount exports, as in fstab; ro or rw is added.</summary>
    public string MountOptions { get; set; } = "hard,nosuid,nodev,noatime,_netdev";

    /// <summary>
    /// Full path, in the server image, of the program that starts the server's part of the portal. What it prints is handed to the portal as the
    /// server's own data.
    /// </summary>
    public string Program { get; set; } = "/usr/sbin/portal-server";

    /// <summary>
    /// Folder of the portal's client certificate for the container engines of servers, and its key. Made if it is missing; of all processes only the
    /// background worker may read it. Servers let in nobody else.
    /// </summary>
    public string Keys { get; set; } = "";

    /// <summary>Moby's own default seccomp profile, a JSON file. Without it launches are refused.</summary>
    public string SeccompBase { get; set; } = "";

    /// <summary>Size of the tmpfs at /tmp and of /dev/shm, each as a percentage of the node's memory; their contents count as its memory.</summary>
    public int TmpPercent { get; set; } = 50;

    /// <summary>Size of the tmpfs at /home/student, MiB; it counts as the node's memory.</summary>
    public int HomeMib { get; set; } = 64;

    /// <summary>
    /// True: whoever operates the cloud accepts that what the portal exchanges with notebooks crosses the cloud's network unencrypted. There is no other
    /// way yet, so pools need it.
    /// </summary>
    public bool PlainAppTraffic { get; set; }

    /// <summary>Maximum time from a node's start to a kernel that computes.</summary>
    public TimeSpan ProofDeadline { get; set; } = TimeSpan.FromMinutes(3);

    /// <summary>Maximum time from a server's creation to its signal. Shorter than the life of Keystone's tokens, because the signal has one.</summary>
    public TimeSpan BootLimit { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>Maximum time for a server to shut down.</summary>
    public TimeSpan StopLimit { get; set; } = TimeSpan.FromMinutes(3);

    /// <summary>Calls for events of one project in one second; the progress of further launches is shown later.</summary>
    public int EventCalls { get; set; } = 4;

    /// <summary>First and last of <see cref="AppPorts"/>; null if it is not two ports.</summary>
    public (int First, int Last)? AppRange => AppPorts.Split('-') is [var first, var last] && PortOf(first) is { } from && PortOf(last) is { } to && from <= to
        ? (from, to) : null;

    /// <summary>An address as a network of one.</summary>
    public static string NetworkOf(string address) => address.Contains('/', StringComparison.Ordinal) ? address : $"{address}/32";

    private static int? PortOf(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is > 0 and < 65536 ? port : null;
}

/// <summary>Validates at startup, where there is an OpenStack, and names the invalid setting.</summary>
internal sealed class ServerOptionsCheck(OpenStackOptions cloud) : IValidateOptions<ServerOptions>
{
    public ValidateOptionsResult Validate(string? name, ServerOptions options)
    {
        if (cloud.Credentials.Length == 0) return ValidateOptionsResult.Success;
        var wrong = new List<string>();
        Wrong(options.Image.Length == 0, nameof(options.Image), "must name the server image");
        Wrong(options.OverheadMib is < 0 or > 16384, nameof(options.OverheadMib), "must be between 0 and 16384 MiB (by default 512)");
        Wrong(!IPNetwork.TryParse(ServerOptions.NetworkOf(options.PortalAddress), out var portal)
            || portal.BaseAddress.AddressFamily != AddressFamily.InterNetwork, nameof(options.PortalAddress),
            "must be the IPv4 address or network from which the portal reaches servers, such as 192.0.2.7 or 192.0.2.0/28");
        Wrong(options.EnginePort is < 1 or > 65535, nameof(options.EnginePort), "must be a port (by default 2376)");
        Wrong(options.AppRange is null, nameof(options.AppPorts), "must be a range of ports, such as 8000-9999 (by default 1024-65535)");
        Wrong(!IsMountOptions(options.MountOptions), nameof(options.MountOptions),
            "must be mount options, separated by commas, without spaces or quotes");
        Wrong(!Path.IsPathFullyQualified(options.Program), nameof(options.Program), "must be a full path in the server image");
        var pools = cloud.Pools.Count > 0;
        Wrong((pools || options.Keys.Length > 0) && !Path.IsPathFullyQualified(options.Keys), nameof(options.Keys),
            "must be the full path of a folder that only the background worker may read");
        Wrong(options.SeccompBase.Length > 0 && !Path.IsPathFullyQualified(options.SeccompBase), nameof(options.SeccompBase), "must be a full path");
        Wrong(options.TmpPercent is < 1 or > 100, nameof(options.TmpPercent), "must be 1 to 100 percent of a node's memory");
        Wrong(options.HomeMib is < 1 or > 65536, nameof(options.HomeMib), "must be 1 to 65536 MiB");
        Wrong(pools && !options.PlainAppTraffic, nameof(options.PlainAppTraffic),
            "must be true: the portal reaches notebooks unencrypted over the cloud's network, and somebody must have decided that it may");
        Wrong(options.ProofDeadline <= TimeSpan.Zero, nameof(options.ProofDeadline), "must be longer than nothing (by default 00:03:00)");
        Wrong(options.BootLimit < TimeSpan.FromMinutes(1) || options.BootLimit > TimeSpan.FromHours(2), nameof(options.BootLimit),
            "must be between one minute and two hours (by default 00:10:00)");
        Wrong(options.StopLimit < TimeSpan.FromSeconds(10) || options.StopLimit > TimeSpan.FromHours(1), nameof(options.StopLimit),
            "must be between ten seconds and one hour (by default 00:03:00)");
        Wrong(options.EventCalls is < 1 or > 100, nameof(options.EventCalls), "must be between 1 and 100 (by default 4)");
        return wrong.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(wrong);

        void Wrong(bool so, string field, string requirement)
        {
            if (so) wrong.Add($"{ServerOptions.Section}:{field} {requirement}.");
        }
    }

    private static bool IsMountOptions(string value) =>
        value.Length > 0 && value.All(c => char.IsAsciiLetterOrDigit(c) || c is ',' or '=' or '_' or '.' or '-' or ':');
}
