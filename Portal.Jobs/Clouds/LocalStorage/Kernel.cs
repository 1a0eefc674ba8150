using System.Buffers.Binary;
using System.ComponentModel;
using System.Runtime.InteropServices;
using Portal.Core.Clouds;

namespace Portal.Jobs.Clouds.LocalStorage;

/// <summary>The few system calls that .NET lacks. None follows a symbolic link in the last component.</summary>
internal static partial class Kernel
{
    private const int AtFdCwd = -100, NoFollow = 0x100, BasicStats = 0x7ff, OpenFolder = 0x10000 | 0x20000 | 0x80000; // O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
    private const ulong NoSuid = 2, NoDevices = 4, Remount = 32, BindMount = 4096, Private = 1 << 18;
    private const int UnmountNoFollow = 8;
    public const int NotThere = 2, Again = 11, Busy = 16, Exists = 17, NotAMount = 22;

    /// <param name="Inode">256 for the root of a btrfs subvolume.</param>
    internal sealed record Entry(bool IsFolder, uint Uid, uint Gid, uint Mode, ulong Inode);

    /// <summary>Describes what is at this path itself; null if there is nothing.</summary>
    public static Entry? Look(string path)
    {
        Span<byte> stat = stackalloc byte[256];
        if (Statx(AtFdCwd, path, NoFollow, BasicStats, ref MemoryMarshal.GetReference(stat)) != 0)
        {
            var error = Marshal.GetLastPInvokeError();
            return error == NotThere ? null : throw Fault($"cannot inspect {path}", error);
        }

        var mode = BinaryPrimitives.ReadUInt16LittleEndian(stat[28..]);
        return new Entry((mode & 0xF000) == 0x4000, BinaryPrimitives.ReadUInt32LittleEndian(stat[20..]),
            BinaryPrimitives.ReadUInt32LittleEndian(stat[24..]), mode & 0xFFFu, BinaryPrimitives.ReadUInt64LittleEndian(stat[32..]));
    }

    /// <summary>Sets owner and mode of a folder through one handle, so that what is changed is what was opened.</summary>
    public static void Own(string folder, uint uid, uint gid, UnixFileMode mode)
    {
        using var handle = new Microsoft.Win32.SafeHandles.SafeFileHandle(Open(folder, OpenFolder, 0), ownsHandle: true);
        if (handle.IsInvalid)
        {
            throw Fault($"{folder} is not a folder that can be opened", Marshal.GetLastPInvokeError());
        }

        if (FChown(handle, uid, gid) != 0)
        {
            throw Fault($"cannot give {folder} to uid {uid}", Marshal.GetLastPInvokeError());
        }

        File.SetUnixFileMode(handle, mode);
    }

    /// <summary>Creates a folder owned by root; false if something already exists there.</summary>
    public static bool MakeFolder(string path, uint mode)
    {
        if (MkDir(path, mode) == 0)
        {
            return true;
        }

        var error = Marshal.GetLastPInvokeError();
        return error == Exists ? false : throw Fault($"cannot create {path}", error);
    }

    /// <summary>Removes an empty folder; already gone counts as success.</summary>
    public static void RemoveFolder(string path)
    {
        if (RmDir(path) != 0 && Marshal.GetLastPInvokeError() is var error and not NotThere)
        {
            throw Fault($"cannot remove {path}", error);
        }
    }

    /// <summary>Bind-mounts a folder without devices and set-uid programs; later mounts do not propagate either way.</summary>
    public static void Bind(string source, string target)
    {
        Check(Mount(source, target, null, BindMount, null), $"cannot mount {target}");
        Check(Mount(null, target, null, Remount | BindMount | NoSuid | NoDevices, null), $"cannot restrict the mount {target}");
        Check(Mount(null, target, null, Private, null), $"cannot make the mount {target} private");

        static void Check(int result, string message)
        {
            if (result != 0)
            {
                throw Fault(message, Marshal.GetLastPInvokeError());
            }
        }
    }

    /// <summary>Unmounts; not mounted counts as success.</summary>
    public static void Unmount(string target)
    {
        while (UMount2(target, UnmountNoFollow) == 0)
        {
            // If two workers mounted it at the same time, unmount all mounts.
        }

        if (Marshal.GetLastPInvokeError() is var error and not NotAMount and not NotThere)
        {
            throw Fault($"cannot unmount {target}", error);
        }
    }

    public static CloudException Fault(string message, int error) => new(LocalShares.Service, error switch
    {
        1 or 13 => CloudFault.Denied,
        NotThere => CloudFault.Missing,
        Busy or Exists or 39 => CloudFault.Conflict,
        28 or 122 => CloudFault.Full,
        20 or 40 or 30 => CloudFault.Refused, // not a folder, a symbolic link, read-only
        _ => CloudFault.Broken,
    }, $"{message}: {new Win32Exception(error).Message}", error switch
    {
        1 or 13 => "Run Portal.Jobs as root.",
        Busy => "Something is still using it: wait until all nodes are gone, then retry.",
        28 or 122 => "Free up disk space on the portal's host.",
        _ => "Check the folder on the portal's host.",
    });

    /// <summary>Effective uid of this process.</summary>
    [LibraryImport("libc", EntryPoint = "geteuid")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static partial uint Uid();

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Statx(int folder, string path, int flags, uint mask, ref byte result);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Open(string path, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "fchown", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int FChown(Microsoft.Win32.SafeHandles.SafeFileHandle file, uint uid, uint gid);

    [LibraryImport("libc", EntryPoint = "mkdir", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int MkDir(string path, uint mode);

    [LibraryImport("libc", EntryPoint = "rmdir", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int RmDir(string path);

    [LibraryImport("libc", EntryPoint = "mount", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Mount(string? source, string target, string? kind, ulong flags, string? data);

    [LibraryImport("libc", EntryPoint = "umount2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int UMount2(string target, int flags);
}
