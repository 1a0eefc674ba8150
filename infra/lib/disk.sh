# shellcheck shell=bash
# shellcheck disable=SC2034 # DISK_MISSING is for the caller
# The students' disk: a btrfs file system in one sparse file, because btrfs enforces limits at block level.

# disk_size: in bytes; PORTAL_DISK (20G, 500M …), else 20 GiB, but at most half of the free space.
disk_size() {
  local free
  if [ -n "${PORTAL_DISK:-}" ]; then
    numfmt --from=iec "$PORTAL_DISK" 2>/dev/null || die "PORTAL_DISK=$PORTAL_DISK is not a size" "For example: PORTAL_DISK=20G."
    return
  fi
  free=$(($(free_megabytes "$1") * 524288)) # half of it, in bytes
  [ "$free" -lt 21474836480 ] && echo "$free" || echo 21474836480
}

# mount_disk FILE FOLDER: creates the file if it does not exist, mounts it and enables quotas.
# Without btrfs, DISK_MISSING holds the reason and the folder stays an ordinary one.
mount_disk() {
  local file=$1 folder=$2 size
  DISK_MISSING=''
  mkdir -p "$folder"
  chmod 711 "$folder"
  if ! is_root; then DISK_MISSING="mounting a disk for the students' files requires root"; return 0; fi
  if ! have mkfs.btrfs || ! have btrfs; then DISK_MISSING="btrfs-progs is missing: apt-get install --no-install-recommends btrfs-progs"; return 0; fi
  if ! mountpoint -q "$folder"; then
    if ! [ -s "$file" ]; then
      size=$(disk_size "$(dirname "$file")")
      # mkfs refuses less than about 110 MB; with less than 1 GiB nobody could work.
      if [ "$size" -lt 1073741824 ]; then DISK_MISSING="less than 2 GB are free at $(dirname "$file")"; return 0; fi
      if ! make_disk "$file" "$size"; then DISK_MISSING="mkfs.btrfs failed on $file"; return 0; fi
    fi
    if ! mount -t btrfs -o loop,nodev,nosuid "$file" "$folder"; then
      DISK_MISSING="$file could not be mounted: this kernel has no btrfs, or no free loop device"
      return 0
    fi
  fi
  chmod 711 "$folder"
  btrfs quota enable "$folder" || { unmount_disk "$folder"; DISK_MISSING="btrfs quota enable failed on $folder"; }
}

# The file gets its final name only when it is complete.
make_disk() { # FILE BYTES
  truncate -s "$2" "$1.new" && chmod 600 "$1.new" && mkfs.btrfs -q "$1.new" >/dev/null 2>&1 && mv "$1.new" "$1" && return 0
  rm -f "$1.new"
  return 1
}

# unmount_below FOLDER…: every mount at or under it, deepest first. Mounts that an exiting container still uses are unmounted lazily.
unmount_below() {
  local folder point
  for folder in "$@"; do
    while read -r point; do
      umount "$point" 2>/dev/null || umount -l "$point" || warn "$point could not be unmounted"
    done < <(mounts_below "$folder")
  done
}

mounts_below() {
  awk -v folder="$1" '{ gsub(/\\040/, " ", $5) } $5 == folder || index($5, folder "/") == 1 { print $5 }' /proc/self/mountinfo | sort -r
}

unmount_disk() { unmount_below "$1"; }
