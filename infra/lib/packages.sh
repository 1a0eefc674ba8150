# shellcheck shell=bash
# Debian packages: which are missing, and how to install them without starting their services.

package_list() { grep -v '^[[:space:]]*\(#\|$\)' "$LIB/packages.list"; }

# shown THING: see packages.list. /sbin may not be on an ordinary account's path, so that list names files by path.
shown() {
  case $1 in
    lib:*) { /sbin/ldconfig -p 2>/dev/null || true; } | grep -q "${1#lib:}" ;;
    /*) compgen -G "$1" >/dev/null ;;
    *) have "$1" ;;
  esac
}

# missing_packages NEED…: the packages for these needs that are not installed.
missing_packages() {
  local need package thing
  while read -r need package thing; do
    [[ " $* " == *" $need "* ]] || continue
    shown "$thing" || echo "$package"
  done < <(package_list)
}

# get_packages NEED…: installs what is missing; fails if it cannot.
get_packages() {
  local missing out
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} -gt 0 ] || return 0
  if ! is_root || ! have apt-get; then
    warn "missing: ${missing[*]}. Install with: sudo apt-get install --no-install-recommends ${missing[*]}"
    return 1
  fi
  step "installing ${missing[*]}"
  # In a subshell, so that the trap removes the service blocks set below whatever happens.
  if out=$(
    trap allow_services EXIT
    hinder_services
    apt_update
    apt_get install -y --no-install-recommends "${missing[@]}"
  ); then return 0; fi
  tail -20 <<< "$out" >&2
  warn "apt-get could not install: ${missing[*]} (its output is above). Check /etc/apt/sources.list and the network."
  return 1
}

# Waits for another apt-get, never prompts, keeps existing configuration files.
apt_get() {
  DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 \
    -o Dpkg::Options::=--force-confold "$@" 2>&1
}

# Unlike an installation, an update of the lists does not wait for another apt-get, such as the daily one of a machine that has just booted.
apt_update() {
  local out until=$((SECONDS + 600))
  until out=$(apt_get update) || ! grep -q 'Could not get lock' <<< "$out" || [ $SECONDS -ge $until ]; do sleep 2; done
  printf '%s\n' "$out"
}

# Debian starts a service as soon as it is installed, and creates a PostgreSQL cluster. We want only the programs. A policy that
# the machine already has is left alone, and ours is removed afterwards.
hinder_services() {
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\n# portal: infra/run is installing packages and wants no service started\nexit 101\n' > /usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
  fi
  # Only if there is no PostgreSQL yet: a machine that has one keeps its own settings.
  if ! shown '/usr/lib/postgresql/*/bin/postgres'; then
    mkdir -p /etc/postgresql-common/createcluster.d
    printf '# portal: infra/run is installing PostgreSQL\ncreate_main_cluster = false\n' > /etc/postgresql-common/createcluster.d/portal.conf
  fi
}

allow_services() {
  if grep -q '^# portal:' /usr/sbin/policy-rc.d 2>/dev/null; then rm -f /usr/sbin/policy-rc.d; fi
  rm -f /etc/postgresql-common/createcluster.d/portal.conf
}

# The .NET SDK is not a Debian package, so we only check for it; global.json names the oldest version that works. The check runs
# before anything is installed, hence without ICU, which may be missing too.
need_sdk() {
  local wanted found how
  wanted=$(sed -n 's/.*"version": *"\([^"]*\)".*/\1/p' "$ROOT/global.json" | head -1)
  how="Get version $wanted or a later ${wanted%??}xx from https://dotnet.microsoft.com/download/dotnet/${wanted%.*}"
  how+=" (by script: dotnet-install.sh --version $wanted), and put 'dotnet' on the PATH."
  have dotnet || die "the .NET SDK is missing" "$how"
  found=$(cd "$ROOT" && DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 DOTNET_NOLOGO=1 dotnet --version 2>/dev/null) ||
    die "the .NET SDK $wanted is missing (installed: $(dotnet --list-sdks 2>/dev/null | cut -d' ' -f1 | tr '\n' ' '))" "$how"
  export SDK=$found
}
