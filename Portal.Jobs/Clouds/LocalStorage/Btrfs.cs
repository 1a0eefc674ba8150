using System.Globalization;
using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.LocalStorage;

/// <summary>A quota group as the kernel keeps it. Bytes; null for no limit.</summary>
/// <param name="Path">Path of the subvolume, from the top of the file system; empty for a group above subvolumes.</param>
internal sealed record QuotaGroup(string Id, long Used, long? Limit, IReadOnlyList<string> Parents, string Path)
{
    /// <summary>
    /// Whether it belongs to a removed subvolume and counts nothing any more. Until then it must stay: deleting a group that still counts
    /// something makes the accounting inconsistent (Linux 6.18), and no limit is enforced before a rescan.
    /// </summary>
    public bool IsLeftOver => Id.StartsWith("0/", StringComparison.Ordinal) && Id != "0/5" && Path.Length == 0 && Used == 0;
}

/// <summary>The btrfs program, with its errors translated.</summary>
internal sealed class Btrfs(TimeProvider time)
{
    // The first call with --sync after heavy writing took 3.5 s; after a minute a disk counts as hanging rather than slow.
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);
    private const int MostListings = 10;

    /// <summary>Every group of the file system and its current, exact usage, in one call. Waits until pending writes are on disk.</summary>
    public async Task<IReadOnlyList<QuotaGroup>> UsedNowAsync(string folder, CancellationToken cancel) =>
        Parse(await ListAsync(["--raw", "-pre", "--sync", folder], cancel));

    /// <summary>Every group of the file system and its limit, without waiting for writes; usage may be a few seconds old.</summary>
    public async Task<IReadOnlyList<QuotaGroup>> GroupsAsync(string folder, CancellationToken cancel) =>
        Parse(await ListAsync(["--raw", "-pre", folder], cancel));

    /// <summary>The groups that limit this subvolume: its own and those above.</summary>
    public async Task<IReadOnlyList<QuotaGroup>> GroupsOfAsync(string subvolume, CancellationToken cancel) =>
        Parse(await ListAsync(["--raw", "-preF", subvolume], cancel));

    public async Task<string> IdAsync(string subvolume, CancellationToken cancel) =>
        (await ExecuteAsync(["inspect-internal", "rootid", subvolume], cancel)).Trim();

    /// <param name="group">Parent group to join from the first byte: joining later would require a full rescan.</param>
    public Task CreateAsync(string subvolume, string? group, CancellationToken cancel) =>
        ExecuteAsync(["subvolume", "create", .. group is null ? Array.Empty<string>() : ["-i", group], subvolume], cancel);

    /// <summary>Deletes a subvolume with its contents.</summary>
    public Task DeleteAsync(string subvolume, CancellationToken cancel) => ExecuteAsync(["subvolume", "delete", subvolume], cancel);

    /// <summary>Deletes the group of a removed subvolume (see <see cref="QuotaGroup.IsLeftOver"/>). Newer kernels delete it themselves; that it
    /// is gone or still busy counts as success.</summary>
    public Task DeleteGroupAsync(string group, string folder, CancellationToken cancel) => RunAsync(["qgroup", "destroy", group, folder], cancel);

    public Task CreateGroupAsync(string group, string folder, CancellationToken cancel) => ExecuteAsync(["qgroup", "create", group, folder], cancel);

    /// <param name="folder">On the file system, and not subject to the limit being set: the kernel would refuse to raise the limit of a full subvolume.</param>
    public Task LimitAsync(string group, long bytes, string folder, CancellationToken cancel) =>
        ExecuteAsync(["qgroup", "limit", bytes.ToString(CultureInfo.InvariantCulture), group, folder], cancel);

    public Task EnableQuotaAsync(string folder, CancellationToken cancel) => ExecuteAsync(["quota", "enable", folder], cancel);

    /// <summary>Starts a rescan; one already in progress counts as success.</summary>
    public async Task RescanAsync(string folder, CancellationToken cancel)
    {
        var result = await RunAsync(["quota", "rescan", folder], cancel);
        if (!result.Well && !result.InOneLine.Contains("in progress", StringComparison.OrdinalIgnoreCase))
        {
            throw Fault(result);
        }
    }

    /// <summary>Parses btrfs's table: group, used, exclusive, limit, exclusive limit, parents, path. Only
    /// root creates subvolumes here, named by ids, so paths have no blanks.</summary>
    public static IReadOnlyList<QuotaGroup> Parse(string table)
    {
        var groups = new List<QuotaGroup>();
        foreach (var line in table.Split('\n'))
        {
            var words = line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            if (words.Length >= 6
                && words[0].Contains('/', StringComparison.Ordinal)
                && char.IsAsciiDigit(words[0][0])
                && long.TryParse(words[1], NumberStyles.None, CultureInfo.InvariantCulture, out var used))
            {
                groups.Add(new QuotaGroup(words[0], used,
                    long.TryParse(words[3], NumberStyles.None, CultureInfo.InvariantCulture, out var limit) ? limit : null,
                    words[5] == "-" ? [] : words[5].Split(','), words.Length > 6 && !words[6].StartsWith('<') ? words[6] : ""));
            }
        }

        return groups;
    }

    /// <summary>The program reads groups in several calls to the kernel and fails if one disappears between them: then it is run again.</summary>
    private async Task<string> ListAsync(IReadOnlyList<string> arguments, CancellationToken cancel)
    {
        for (var attempt = 1; ; attempt++)
        {
            var result = await RunAsync(["qgroup", "show", .. arguments], cancel);
            if (result.Well) return result.Output;
            if (!result.InOneLine.Contains("cannot find the qgroup", StringComparison.OrdinalIgnoreCase)) throw Fault(result);
            if (attempt == MostListings)
                throw new CloudException(LocalShares.Service, CloudFault.Unavailable, "folders were removed while their usage was being read",
                    "Wait until the next reading; the previous ones remain valid.");
        }
    }

    private async Task<string> ExecuteAsync(IReadOnlyList<string> arguments, CancellationToken cancel)
    {
        var result = await RunAsync(arguments, cancel);
        return result.Well ? result.Output : throw Fault(result);
    }

    private Task<Tool.Result> RunAsync(IReadOnlyList<string> arguments, CancellationToken cancel) =>
        Tool.RunAsync(LocalShares.Service, "btrfs", arguments, Limit, time, cancel);

    private static CloudException Fault(Tool.Result result)
    {
        var message = result.InOneLine;
        bool Mentions(string text) => message.Contains(text, StringComparison.OrdinalIgnoreCase);
        var (fault, help) = true switch
        {
            _ when Mentions("not permitted") || Mentions("permission denied") => (CloudFault.Denied, "Run Portal.Jobs as root."),
            _ when Mentions("no space left") || Mentions("quota exceeded") =>
                (CloudFault.Full, "Enlarge the file system that holds the shares, or free up space."),
            _ when Mentions("already exists") || Mentions("file exists") => (CloudFault.Conflict, "Check again, then retry."),
            _ when Mentions("no such file") || Mentions("cannot find") => (CloudFault.Missing, "Check again: it no longer exists."),
            _ when Mentions("not a btrfs") => (CloudFault.Refused, "Mount a btrfs file system there."),
            _ when Mentions("read-only") => (CloudFault.Refused, "The file system became read-only: check the kernel log."),
            _ => (CloudFault.Broken, "Check the file system on the portal's host."),
        };
        return new CloudException(LocalShares.Service, fault, message, help);
    }
}
