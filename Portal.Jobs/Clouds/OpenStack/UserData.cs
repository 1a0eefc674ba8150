using System.Globalization;
using System.Text;
using System.Text.Json;
using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.OpenStack;

/// <summary>A server's first script, around the command by which it signals: Heat writes that in between, with a token that opens nothing else.</summary>
internal sealed record Script(string Before, string After);

/// <param name="Location">What is mounted, such as 192.0.2.1:/path.</param>
/// <param name="Folder">Folder in it; empty for the export itself.</param>
/// <param name="Target">Where the node sees it.</param>
internal sealed record ServerFolder(string Location, string Folder, string Target, bool ReadOnly);

/// <summary>What the first script of one server is made from. Nothing of it is secret: it can be read in Heat, in Nova and on the server.</summary>
/// <param name="Uid">The owner's uid; also the gid.</param>
internal sealed record ServerSetup(StackKey Key, string Node, int Uid, string Subnet, IReadOnlyList<ServerFolder> Folders)
{
    /// <summary>See <see cref="ServerOptions.MountOptions"/>.</summary>
    public required string MountOptions { get; init; }

    /// <summary>See <see cref="ServerOptions.Program"/>.</summary>
    public required string Program { get; init; }

    /// <summary>PEM of the authority that signs the portal's client certificate; empty for none yet.</summary>
    public required string ClientAuthority { get; init; }

    /// <summary>CIDR from which the portal comes.</summary>
    public required string Portal { get; init; }

    public required int EnginePort { get; init; }

    public required (int First, int Last) AppPorts { get; init; }

    /// <summary>Names of folders on the server's own disk, which its program makes.</summary>
    public IReadOnlyList<string> Disks { get; init; } = [];
}

/// <summary>
/// The script that a server runs once, at its first boot: mounts exports by fstab, so that later boots need no portal; makes the person's folders as the
/// person, because storage may trust no root; starts the server's part of the portal; and says how it went. Every value is quoted for the shell.
/// </summary>
internal static class UserData
{
    /// <summary>Nova's limit is 64 KiB of base64.</summary>
    private const int Longest = 40_000;

    private const string Settings = "/etc/portal";

    /// <summary>What a failure begins with: which part failed.</summary>
    public const string ShareFailed = "share: ", FolderFailed = "folder: ", ImageFailed = "image: ", ProgramFailed = "program: ";

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web);

    /// <summary>Refused for what cannot come from the portal's own templates and settings.</summary>
    public static Script Of(ServerSetup setup)
    {
        Check(setup);
        var after = new StringBuilder();
        after.Append(Functions);
        foreach (var (mount, number) in Mounts(setup.Folders))
            after.Append(CultureInfo.InvariantCulture, $"mount_share {Quote(FstabField(mount.Location))} {Quote(PathOf(number))} ")
                .Append(Quote($"{(mount.ReadOnly ? "ro" : "rw")},{setup.MountOptions}")).Append('\n');
        var folders = PathsInOrder(setup.Folders);
        foreach (var (folder, path) in folders.Where(f => f.Folder.Folder.Length > 0))
            after.Append(CultureInfo.InvariantCulture, $"{(folder.ReadOnly ? "see_folder" : "make_folder")} {setup.Uid} {Quote(path)}\n");
        after.Append(CultureInfo.InvariantCulture, $"write_file {Quote(Settings + "/client-authority.pem")} {Quote(setup.ClientAuthority)}\n");
        after.Append(CultureInfo.InvariantCulture, $"write_file {Quote(Settings + "/server.json")} {Quote(SettingsOf(setup, folders))}\n");
        after.Append(CultureInfo.InvariantCulture, $"start_program {Quote(setup.Program)}\n");
        var script = new Script(Start, after.ToString());
        return Encoding.UTF8.GetByteCount(script.Before) + Encoding.UTF8.GetByteCount(script.After) <= Longest ? script
            : throw Refused("it would be longer than Nova accepts");
    }

    /// <summary>Where folders are on the server, by export and folder in it.</summary>
    public static IReadOnlyDictionary<(string Location, string Folder), string> PathsOf(IReadOnlyList<ServerFolder> folders)
    {
        var paths = new Dictionary<(string, string), string>();
        foreach (var (folder, path) in PathsInOrder(folders)) paths[(folder.Location, folder.Folder)] = path;
        return paths;
    }

    /// <summary>A value as one word of the shell.</summary>
    public static string Quote(string value) => $"'{value.Replace("'", @"'\''", StringComparison.Ordinal)}'";

    /// <summary>A value as one field of fstab, where white space ends it.</summary>
    public static string FstabField(string value)
    {
        var text = new StringBuilder();
        foreach (var c in value)
        {
            if (c is ' ' or '\t' or '\n' or '\\' or '#') text.Append('\\').Append(Convert.ToString(c, 8).PadLeft(3, '0'));
            else text.Append(c);
        }
        return text.ToString();
    }

    private static void Check(ServerSetup setup)
    {
        if (setup.Uid < 1000) throw Refused($"uid {setup.Uid} belongs to the system");
        foreach (var folder in setup.Folders)
        {
            if (folder.Location.Length == 0 || folder.Location.Any(char.IsControl)) throw Refused("an export's location has control characters, or is empty");
            if (folder.Folder.StartsWith('/') || folder.Folder.Any(char.IsControl)
                || (folder.Folder.Length > 0 && folder.Folder.Split('/').Any(p => p is "" or "." or "..")))
                throw Refused("a folder in an export is not given as a plain path");
        }
        if (setup.Disks.Any(d => d.Length == 0 || !d.All(c => char.IsAsciiLetterOrDigit(c) || c == '-')))
            throw Refused("a folder on the server's own disk has no plain name");
        string[] all = [setup.Node, setup.Subnet, setup.MountOptions, setup.Program, setup.ClientAuthority, .. setup.Folders.Select(f => f.Target)];
        if (all.Any(v => v.Contains('\0', StringComparison.Ordinal))) throw Refused("a value has a NUL character");
    }

    /// <summary>Each export once; it can be written to if one of its folders can.</summary>
    private static IEnumerable<(ServerFolder Mount, int Number)> Mounts(IEnumerable<ServerFolder> folders) => folders
        .GroupBy(f => f.Location, StringComparer.Ordinal)
        .Select((g, number) => (g.First() with { ReadOnly = g.All(f => f.ReadOnly) }, number));

    private static List<(ServerFolder Folder, string Path)> PathsInOrder(IReadOnlyList<ServerFolder> all)
    {
        var numbers = Mounts(all).ToDictionary(m => m.Mount.Location, m => m.Number, StringComparer.Ordinal);
        return [.. all.Select(f => (f, f.Folder.Length > 0 ? $"{PathOf(numbers[f.Location])}/{f.Folder}" : PathOf(numbers[f.Location])))];
    }

    private static string PathOf(int number) => string.Create(CultureInfo.InvariantCulture, $"/mnt/portal/{number}");

    private static string SettingsOf(ServerSetup setup, IEnumerable<(ServerFolder Folder, string Path)> folders) => JsonSerializer.Serialize(new
    {
        Workspace = setup.Key.Workspace.ToString("n"),
        setup.Key.Generation,
        setup.Node,
        setup.Uid,
        setup.Subnet,
        setup.Portal,
        setup.EnginePort,
        AppPorts = new[] { setup.AppPorts.First, setup.AppPorts.Last },
        setup.Disks,
        Folders = folders.Select(f => new { f.Path, f.Folder.Target, f.Folder.ReadOnly }),
    }, Json);

    private static CloudException Refused(string message) =>
        new(Services.Nova, CloudFault.Refused, $"a server's first script cannot be written: {message}", "Fix the template or the settings of the cloud.");

    private const string Start = """
        #!/bin/bash
        # Written by the portal for this server alone; holds no secret. Runs once.
        export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
        post() {
        
        """;

    private const string Functions = """
         "$@"
        }
        # What programs say, for JSON: one line of printable ASCII.
        text() { printf %s "$1" | head -c 65536 | tr '\n\t' '  ' | tr -cd '\040-\176' | cut -c1-1500 | sed 's/\\/\\\\/g; s/"/\\"/g'; }
        signal() {
          local body pause
          body="{\"id\": \"server\", \"status\": \"$1\", \"reason\": \"$(text "$2")\", \"data\": \"$(text "$3")\"}"
          for pause in 1 2 4 8 16 0; do
            post -sS -f -o /dev/null --max-time 30 --data-binary "$body" </dev/null && return
            sleep "$pause"
          done
          echo "portal: the cloud does not accept the signal" >&2
          return 1
        }
        fail() { echo "portal: $1" >&2; signal FAILURE "$1" ''; exit 1; }
        mount_share() {
          local try said
          mkdir -p -- "$2" || fail "share: $2 cannot be made"
          grep -qsF -- " $2 nfs " /etc/fstab || printf '%s %s nfs %s 0 0\n' "$1" "$2" "$3" >> /etc/fstab
          for try in 1 2 3; do
            mountpoint -q -- "$2" && return
            said=$(mount -- "$2" 2>&1 </dev/null) && return
            sleep 1
          done
          fail "share: ${said:-it cannot be mounted}"
        }
        as_person() { setpriv --reuid="$1" --regid="$1" --clear-groups -- /bin/sh -c "$2" "$3" 2>&1 </dev/null; }
        make_folder() {
          local said
          said=$(as_person "$1" 'umask 077; [ -d "$0" ] || mkdir -p -- "$0" || [ -d "$0" ] || exit 1; [ ! -L "$0" ] && chmod 0700 -- "$0"' "$2") ||
            fail "folder: ${said:-it belongs to somebody else}"
        }
        see_folder() {
          local said
          said=$(as_person "$1" 'cd -- "$0"' "$2") || fail "folder: ${said:-it cannot be read}"
        }
        write_file() { mkdir -p -m 0755 -- "${1%/*}" && printf '%s\n' "$2" > "$1" || fail "image: $1 cannot be written"; }
        start_program() {
          local data errors
          [ -x "$1" ] || fail "image: it has no $1"
          errors=$(mktemp)
          data=$("$1" 2>"$errors" </dev/null) || fail "program: $(tail -c 1000 "$errors")"
          signal SUCCESS ready "$data"
          exit
        }
        
        """;
}
