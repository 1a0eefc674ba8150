# shellcheck shell=bash
# Output and small helpers that every script here uses.

say() { printf '%s\n' "$*"; }
step() { printf '%5s s  %s\n' "$SECONDS" "$*"; }
warn() { printf 'Note: %s\n' "$*" >&2; }

# die WHAT [REMEDY]: say what failed and, where possible, what to do.
die() {
  printf 'Stopped: %s\n' "$1" >&2
  [ $# -lt 2 ] || printf '         %s\n' "$2" >&2
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }
is_root() { [ "$(id -u)" -eq 0 ]; }
has_systemd() { [ -d /run/systemd/system ]; }

# as ACCOUNT COMMAND…: runs as that account, without root's groups and with no way to gain privileges. Without root: as the caller.
as() {
  local account=$1
  shift
  if is_root; then
    setpriv --reuid "$account" --regid "$account" --clear-groups --inh-caps=-all --ambient-caps=-all \
      --bounding-set=-all --no-new-privs "$@"
  else
    "$@"
  fi
}

# The setpriv prefix for a command that another program starts as ACCOUNT; empty without root.
prefix_of() {
  is_root || return 0
  printf '%s\n' setpriv --reuid "$1" --regid "$1" --clear-groups --inh-caps=-all --ambient-caps=-all \
    --bounding-set=-all --no-new-privs
}

# wait_for SECONDS COMMAND…: retries until it succeeds. The pause is short because a person is waiting.
wait_for() {
  local until=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $until ] || return 1
    sleep 0.1
  done
}

free_megabytes() { df --output=avail -BM "$1" | tail -1 | tr -dc 0-9; }
