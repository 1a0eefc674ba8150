using System.Globalization;

namespace Portal.Jobs.Clouds.Docker;

/// <summary>passwd and group files, one pair per uid, mounted read-only in containers: Java logins and shell prompts fail for a uid without an entry.</summary>
public sealed class Identities(string folder)
{
    private const UnixFileMode ReadableByAll = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    private const UnixFileMode FolderMode = ReadableByAll | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    /// <summary>The pair for this uid; creates what is missing. Paths are derived from the number alone.</summary>
    public (string Passwd, string Group) Ensure(int uid)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(uid, 1);
        Directory.CreateDirectory(folder, FolderMode);
        var id = uid.ToString(CultureInfo.InvariantCulture);
        return (
            Written($"{id}.passwd",
                "root:x:0:0:root:/root:/usr/sbin/nologin\n"
                + $"student:x:{id}:{id}:Student:/home/student:/bin/bash\n"
                + "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"),
            Written($"{id}.group", $"root:x:0:\nstudent:x:{id}:\nnogroup:x:65534:\n"));
    }

    private string Written(string name, string text)
    {
        var path = Path.Combine(folder, name);
        if (File.Exists(path) && File.ReadAllText(path) == text)
        {
            return path; // a running container uses this same file, so do not replace it without need
        }

        var fresh = Path.Combine(folder, $".{name}.{Path.GetRandomFileName()}");
        File.WriteAllText(fresh, text);
        File.SetUnixFileMode(fresh, ReadableByAll);
        File.Move(fresh, path, overwrite: true);
        return path;
    }
}
