using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.Containers;

/// <summary>
/// Moby's default profile, with further restrictions.
/// No btrfs ioctls except the three that copy by reference: on a btrfs share an unprivileged process could create subvolumes and snapshots
/// by ioctl, whose contents escape the quota groups. An ioctl is allowed if its type byte (bits 8-15 of the request) differs from
/// btrfs's 0x94 in at least one bit.
/// No io_uring, whose operations no filter sees, and sockets of four families only: AF_VSOCK is not limited to the container's network, so it
/// reaches the machine underneath, and AF_ALG and rarer families are kernel code that no workload needs. socketcall hides the family behind a pointer.
/// Everything is allowed by bits and nothing is denied: an unconditional allow hides a deny rule, and bits above 32, which the kernel ignores,
/// evade an exact comparison, including Moby's own of the family.
/// </summary>
/// <param name="Json">The value for <c>seccomp=…</c>, without white space.</param>
/// <param name="Hash">Hash of the profile, 16 hex digits.</param>
public sealed record SeccompProfile(string Json, string Hash)
{
    private const uint Btrfs = 0x94 << 8;
    private const int UserNamespace = 0x10000000;
    private static readonly string[] Narrowed = ["ioctl", "socket", "socketpair"];
    private static readonly string[] Closed = ["io_uring_setup", "io_uring_enter", "io_uring_register", "socketcall"];
    private static readonly Dictionary<string, uint> Families = new(StringComparer.Ordinal)
    {
        ["AF_UNIX"] = 1,
        ["AF_INET"] = 2,
        ["AF_INET6"] = 10,
        ["AF_NETLINK"] = 16,
    };
    private static readonly Dictionary<string,
        uint> Copies = new(StringComparer.Ordinal) { ["FICLONE"] = 0x40049409, ["FICLONERANGE"] = 0x4020940D, ["FIDEDUPERANGE"] = 0xC0189436 };

    /// <summary>Reads the base and derives the profile. Throws <see cref="CloudFault.Refused"/>
    /// with the reason if there is no base or it is not Moby's.</summary>
    /// <param name="setting">The setting that names the file, for messages.</param>
    public static async Task<SeccompProfile> LoadAsync(string file, string setting, CancellationToken cancel)
    {
        if (file.Length == 0 || !File.Exists(file))
        {
            throw ContainerEngineFaults.Make(CloudFault.Refused,
                $"the seccomp profile's base is missing ({(file.Length == 0 ? $"{setting} is empty" : file)})",
                $"Take default.json from Debian's package golang-github-docker-docker-dev and set {setting} to its path.");
        }

        try
        {
            return From(await File.ReadAllTextAsync(file, cancel));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException or IOException or UnauthorizedAccessException)
        {
            throw Unusable($"{file} cannot be read: {e.Message}", e);
        }
    }

    /// <summary>The profile from the base's text.</summary>
    public static SeccompProfile From(string json)
    {
        if (JsonNode.Parse(json) is not JsonObject profile
            || profile["syscalls"] is not JsonArray rules
            || (string?)profile["defaultAction"] is not "SCMP_ACT_ERRNO")
        {
            throw Unusable("the base is not a profile that denies by default");
        }

        var complete = Narrowed.All(name => rules.Any(r => Names(r).Contains(name, StringComparer.Ordinal)));
        // Podman's profile lets an unprivileged process create user namespaces and mount in them. Moby's
        // masks that flag in clone and allows unshare for CAP_SYS_ADMIN only.
        if (!complete || rules.Any(r => Free(r) && Names(r).Any(n => n is "unshare" or "mount" or "clone3" or "setns")) || !rules.Any(MasksUserNamespaces))
        {
            throw Unusable("the base is not Moby's default profile");
        }

        foreach (var rule in rules.ToArray())
        {
            rule!["names"] = new JsonArray([.. Names(rule).Except(Narrowed.Concat(Closed), StringComparer.Ordinal).Select(n => (JsonNode)n)]);
            if (rule["names"]!.AsArray().Count == 0)
            {
                rules.Remove(rule);
            }
        }

        for (var bit = 8; bit < 16; bit++)
        {
            rules.Add(Allow("ioctl", 1, 1u << bit, ~Btrfs & (1u << bit), $"type byte differs from that of btrfs in bit {bit}"));
        }

        foreach (var (name, request) in Copies)
        {
            rules.Add(Allow("ioctl", 1, 0xFFFFFFFF, request, name));
        }

        foreach (var (name, family) in Families)
        {
            rules.Add(Allow("socket", 0, 0xFFFFFFFF, family, name));
            rules.Add(Allow("socketpair", 0, 0xFFFFFFFF, family, name));
        }

        var text = profile.ToJsonString(new JsonSerializerOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        return new SeccompProfile(text, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..16]);
    }

    private static JsonObject Allow(string call, int argument, uint mask, uint value, string comment) => new()
    {
        ["names"] = new JsonArray(call),
        ["action"] = "SCMP_ACT_ALLOW",
        ["comment"] = comment,
        ["args"] = new JsonArray(new JsonObject { ["index"] = argument, ["op"] = "SCMP_CMP_MASKED_EQ", ["value"] = mask, ["valueTwo"] = value }),
    };

    private static IEnumerable<string> Names(JsonNode? rule) => rule?["names"]?.AsArray().Select(n => (string?)n ?? "") ?? [];

    /// <summary>Allowed for everyone, whatever the arguments and capabilities.</summary>
    private static bool Free(JsonNode? rule) =>
        (string?)rule?["action"] == "SCMP_ACT_ALLOW"
            && rule["args"] is not JsonArray { Count: > 0 }
            && rule["includes"]?["caps"] is not JsonArray { Count: > 0 };

    private static bool MasksUserNamespaces(JsonNode? rule) => Names(rule).Contains("clone", StringComparer.Ordinal) && rule!["args"] is JsonArray args
        && args.Any(a => (string?)a?["op"] == "SCMP_CMP_MASKED_EQ" && ((long?)a["value"] & UserNamespace) != 0 && ((long?)a["valueTwo"] ?? 0) == 0);

    private static CloudException Unusable(string message, Exception? cause = null) =>
        ContainerEngineFaults.Make(CloudFault.Refused, message,
            "Use default.json from Debian's package golang-github-docker-docker-dev (Clouds:Docker:SeccompBase).", cause);
}
