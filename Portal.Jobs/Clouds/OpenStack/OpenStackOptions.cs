using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Options;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>Section <c>Clouds:OpenStack</c>.</summary>
internal sealed class OpenStackOptions
{
    public const string Section = "Clouds:OpenStack";

    /// <summary>Folder of credential files, one <c>key.json</c> for each project. Empty: there is no OpenStack, and every call says so.</summary>
    public string Credentials { get; set; } = "";

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
}

/// <summary>Validates at startup and names the invalid setting.</summary>
internal sealed class OpenStackOptionsCheck : IValidateOptions<OpenStackOptions>
{
    public ValidateOptionsResult Validate(string? name, OpenStackOptions options)
    {
        if (options.Credentials.Length == 0) return ValidateOptionsResult.Success;
        var wrong = new List<string>();
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

    private static bool IsIpv4(string value) =>
        (IPAddress.TryParse(value, out var address) && address.AddressFamily == AddressFamily.InterNetwork && address.ToString() == value)
        || (IPNetwork.TryParse(value, out var network) && network.BaseAddress.AddressFamily == AddressFamily.InterNetwork);

    private static bool IsInstallation(string id) =>
        id.Length == 10 && char.IsAsciiLetterLower(id[0]) && id.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c));
}
