"""The resources this node really has. A container sees its host's processors, memory and disk; its limits are in its cgroup and folder quotas."""
import os
import re
from typing import NamedTuple

CGROUP = "/sys/fs/cgroup"
MOST = 1 << 50  # bytes; cgroup v1 says "no limit" with a number beyond any machine


class Memory(NamedTuple):
    """Bytes. "cached" is what the kernel can free on demand; "shared" is tmpfs and shared memory, which count as used."""
    total: int
    used: int
    free: int
    shared: int
    cached: int

    @property
    def available(self):
        return self.total - self.used


class Space(NamedTuple):
    """Bytes of a folder; total is its limit if it has one, else the size of its file system."""
    total: int
    used: int
    free: int


class Mount(NamedTuple):
    target: str
    options: str
    type: str
    source: str
    details: str


def cpus():
    """Processors of this node; None if not set."""
    given = os.environ.get("PORTAL_VCPUS", "")
    return int(given) if given.isdigit() and int(given) > 0 else None


def memory():
    """None if this node has no limit of its own."""
    if os.path.exists(f"{CGROUP}/memory.max"):
        limit, used, kinds = _number("memory.max"), _number("memory.current"), _kinds("memory.stat")
        cached, shared = kinds.get("inactive_file", 0) + kinds.get("active_file", 0), kinds.get("shmem", 0)
    else:
        limit, used, kinds = _number("memory/memory.limit_in_bytes"), _number("memory/memory.usage_in_bytes"), _kinds("memory/memory.stat")
        cached, shared = kinds.get("total_inactive_file", 0) + kinds.get("total_active_file", 0), kinds.get("total_shmem", 0)
    if limit is None or used is None or limit > MOST:
        return None
    used = min(used, limit)
    return Memory(limit, max(0, used - cached), limit - used, shared, min(cached, used))


def space(path):
    """Space as the kernel counts it when it refuses a write: the folder's quota, if any, before the size of the disk."""
    disk = os.statvfs(path)
    unit = disk.f_frsize
    whole = Space(disk.f_blocks * unit, (disk.f_blocks - disk.f_bfree) * unit, disk.f_bavail * unit)
    quota = _quota(path)
    if quota is None:
        return whole
    limit, used = quota
    return Space(limit, min(used, limit), max(0, min(limit - used, whole.free)))


def mounts():
    found = []
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            before, _, after = line.rstrip("\n").partition(" - ")
            fields, (kind, source, details) = before.split(" "), after.split(" ", 2)
            found.append(Mount(_plain(fields[4]), fields[5], kind, _plain(source), details))
    return found


def mount_of(path):
    """The last of the deepest mounts: a later mount hides an earlier one at the same place."""
    path = os.path.realpath(path)
    holds = [m for m in mounts() if path == m.target or path.startswith(m.target.rstrip("/") + "/")]
    return max(reversed(holds), key=lambda m: len(m.target), default=None)


def _quota(path):
    """(limit, used) of the btrfs subvolume that path lies in. btrfs ioctls are blocked in a node, so this reads sysfs."""
    mount = mount_of(path)
    if mount is None or mount.type != "btrfs":
        return None
    subvolume = re.search(r"(?:^|,)subvolid=(\d+)", mount.details)
    if not subvolume:
        return None
    root = "/sys/fs/btrfs"
    try:
        for system in os.listdir(root):
            if not os.path.exists(f"{root}/{system}/devices/{os.path.basename(mount.source)}"):
                continue
            group = f"{root}/{system}/qgroups/0_{subvolume[1]}"
            limit = _read(f"{group}/max_referenced")
            # Data written but not yet on disk is reserved and counts too.
            reserved = (_read(f"{group}/{kind}") for kind in ("referenced", "rsv_data", "rsv_meta_pertrans", "rsv_meta_prealloc"))
            return (limit, sum(reserved)) if limit else None
    except (OSError, ValueError):
        pass
    return None


def _read(file):
    with open(file, encoding="ascii") as f:
        return int(f.read())


def _number(name):
    try:
        return _read(f"{CGROUP}/{name}")
    except (OSError, ValueError):
        return None  # not there, or "max"


def _kinds(name):
    try:
        with open(f"{CGROUP}/{name}", encoding="ascii") as lines:
            return {kind: int(value) for kind, value in (line.split() for line in lines)}
    except (OSError, ValueError):
        return {}


def _plain(field):
    return re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), field)
