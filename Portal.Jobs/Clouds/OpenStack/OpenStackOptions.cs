using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Options;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>Section <c>Clouds:OpenStack</c>.</summary>
internal sealed class OpenStackOptions
{
    public const string Section = "Clouds:OpenStack", Kind = "openstack";

    /// <summary>Folder of credential files, one <c>key.json</c> for each project. Empty: there is no OpenStack, and every call says so.</summary>
    public string Credentials { get; set; } = "";

    /// <summary>Key of the cloud's row.</summary>
    public string Key { get; set; } = "openstack";

    /// <summary>Name of the cloud for pages.</summary>
    public string Title { get; set; } = "OpenStack";

    /// <summary>The projects in which workspaces run; each is a pool that tenants name.</summary>
    public IList<PoolOptions> Pools { get; } = [];

    /// <summary>Name of the share type of work folders. Empty: the cloud's default.</summary>
    public string ShareType { get; set; } = "";

    /// <summary>
    /// What an access rule names. Empty: the workspace's own addresses. Otherwise the IPv4 address or network from which the file server sees every
    /// server, such as a router's; then workspaces that mount the same share also share its rule.
    /// </summary>
    public string RuleAddress { get; set; } = "";

    /// <summary>Maximum time for one call, including a repetition.</summary>
    public TimeSpan CallDeadline { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary><c>Installation:Id</c>, which everything that belongs to the portal carries.</summary>
    public string Installation { get; set; } = "";

    /// <summary>The configured pools, before anything is validated.</summary>
    public static IReadOnlyList<PoolOptions> PoolsOf(IConfiguration configuration) =>
        configuration.GetSection($"{Section}:{nameof(Pools)}").Get<List<PoolOptions>>() ?? [];
}

/// <summary>Section <c>Clouds:OpenStack:Pools:0</c> and so on: one project.</summary>
internal sealed class PoolOptions
{
    /// <summary>Key of the pool's row, which tenants name.</summary>
    public string Key { get; set; } = "";

    /// <summary>Name for pages; the key if it is empty.</summary>
    public string Title { get; set; } = "";

    /// <summary>Name of the credential, a file <c>name.json</c> in <see cref="OpenStackOptions.Credentials"/>; the key if it is empty.</summary>
    public string Credential { get; set; } = "";

    /// <summary>CIDR from which workspaces get their /27; the portal and the file server must reach it.</summary>
    public string Addresses { get; set; } = "";

    /// <summary><see cref="Credential"/>, or what stands for it.</summary>
    public string CredentialKey => Credential.Length > 0 ? Credential : Key;

    /// <summary><see cref="Title"/>, or what stands for it.</summary>
    public string Name => Title.Length > 0 ? Title : Key;
}

/// <summary>Validates at startup and names the invalid setting.</summary>
internal sealed partial class OpenStackOptionsCheck : IValidateOptions<OpenStackOptions>
{
    public ValidateOptionsResult Validate(string? name, OpenStackOptions options)
    {
        if (options.Credentials.Length == 0)
        {
            return options.Pools.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(
                $"{OpenStackOptions.Section}:Credentials must name the folder with the pools' credential files.");
        }
        var wrong = new List<string>();
        Wrong(!IsKey(options.Key), nameof(options.Key), KeyRequirement);
        Wrong(options.Title.Length is 0 or > 100, nameof(options.Title), "must be a name of at most 100 characters");
        for (var i = 0; i < options.Pools.Count; i++)
        {
            var (pool, at) = (options.Pools[i], $"{nameof(options.Pools)}:{i}:");
            Wrong(!IsKey(pool.Key), at + nameof(pool.Key), KeyRequirement);
            Wrong(pool.Title.Length > 100, at + nameof(pool.Title), "must have at most 100 characters");
            Wrong(pool.Credential.Length > 0 && !IsKey(pool.Credential), at + nameof(pool.Credential), KeyRequirement);
            Wrong(!IPNetwork.TryParse(pool.Addresses, out var addresses) || addresses.BaseAddress.AddressFamily != AddressFamily.InterNetwork
                || addresses.PrefixLength is < 8 or > 27, at + nameof(pool.Addresses), "must be an IPv4 network of /8 to /27, such as 10.230.0.0/16");
        }
        Wrong(!Path.IsPathFullyQualified(options.Credentials), nameof(options.Credentials), "must be the full path of a folder with credential files");
        Wrong(options.RuleAddress.Length > 0 && !IsIpv4(options.RuleAddress), nameof(options.RuleAddress),
            "must be an IPv4 address or network, such as 192.0.2.7 or 192.0.2.0/24: some storage accepts IPv6 rules but exports nothing");
        Wrong(options.CallDeadline < TimeSpan.FromSeconds(1) || options.CallDeadline > TimeSpan.FromMinutes(5), nameof(options.CallDeadline),
            "must be between one second and five minutes (by default 00:00:30)");
        if (!IsInstallation(options.Installation)) wrong.Add("Installation:Id must be ten characters of a-z and 0-9, the first a letter.");
        return wrong.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(wrong);

        void Wrong(bool so, string field, string requirement)
        {
            if (so) wrong.Add($"{OpenStackOptions.Section}:{field} {requirement}.");
        }
    }

    private const string KeyRequirement = "must be 1 to 40 characters of a-z, 0-9 and hyphens";

    private static bool IsKey(string value) => KeyPattern().IsMatch(value);

    [GeneratedRegex("^[a-z0-9][a-z0-9-]{0,39}$", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex KeyPattern();

    private static bool IsIpv4(string value) =>
        (IPAddress.TryParse(value, out var address) && address.AddressFamily == AddressFamily.InterNetwork && address.ToString() == value)
        || (IPNetwork.TryParse(value, out var network) && network.BaseAddress.AddressFamily == AddressFamily.InterNetwork);

    private static bool IsInstallation(string id) =>
        id.Length == 10 && char.IsAsciiLetterLower(id[0]) && id.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c));
}
