# shellcheck shell=bash
# Debian's packages: which are missing, and how to get them without starting any service of theirs.

package_list() { grep -v '^[[:space:]]*\(#\|$\)' "$LIB/packages.list"; }

# shown THING: see packages.list. /sbin need not be on an ordinary account's path, so files are named there.
shown() {
  case $1 in
    lib:*) { /sbin/ldconfig -p 2>/dev/null || true; } | grep -q "${1#lib:}" ;;
    /*) compgen -G "$1" >/dev/null ;;
    *) have "$1" ;;
  esac
}

# missing_packages NEED…: the packages of these needs that are not here.
missing_packages() {
  local need package thing
  while read -r need package thing; do
    [[ " $* " == *" $need "* ]] || continue
    shown "$thing" || echo "$package"
  done < <(package_list)
}

# get_packages NEED…: installs what is missing; fails when it cannot.
get_packages() {
  local missing out
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} -gt 0 ] || return 0
  if ! is_root || ! have apt-get; then
    warn "missing: ${missing[*]}. Get them with: sudo apt-get install --no-install-recommends ${missing[*]}"
    return 1
  fi
  step "installs ${missing[*]}"
  # In a subshell of its own, so that the hindrances below go away whatever happens.
  if out=$(
    trap allow_services EXIT
    hinder_services
    apt_get update
    apt_get install -y --no-install-recommends "${missing[@]}"
  ); then return 0; fi
  tail -20 <<< "$out" >&2
  warn "apt-get could not install: ${missing[*]} (its words are above). Look at /etc/apt/sources.list and the network."
  return 1
}

# Waits for another apt-get, never asks, keeps configuration files that are there.
apt_get() {
  DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 \
    -o Dpkg::Options::=--force-confold "$@" 2>&1
}

# Debian starts a service as soon as it is installed, and makes a PostgreSQL cluster. We want the programs only: the
# machine's own policy, where it has one, is left alone, and ours goes away again.
hinder_services() {
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\n# portal: infra/run installs packages just now and wants no service started\nexit 101\n' > /usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
  fi
  # Only where no PostgreSQL is: a machine that has one keeps its own way of making clusters.
  if ! shown '/usr/lib/postgresql/*/bin/postgres'; then
    mkdir -p /etc/postgresql-common/createcluster.d
    printf '# portal: infra/run installs PostgreSQL just now\ncreate_main_cluster = false\n' > /etc/postgresql-common/createcluster.d/portal.conf
  fi
}

allow_services() {
  if grep -q '^# portal:' /usr/sbin/policy-rc.d 2>/dev/null; then rm -f /usr/sbin/policy-rc.d; fi
  rm -f /etc/postgresql-common/createcluster.d/portal.conf
}

# The .NET SDK is not Debian's, so it is only looked for; global.json names the oldest that will do. It comes first, before
# anything is installed, hence without ICU, which may be among what is missing.
need_sdk() {
  local wanted found how
  wanted=$(sed -n 's/.*"version": *"\([^"]*\)".*/\1/p' "$ROOT/global.json" | head -1)
  how="Get version $wanted or a later ${wanted%??}xx from https://dotnet.microsoft.com/download/dotnet/${wanted%.*} (by script: dotnet-install.sh --version $wanted), and have 'dotnet' on the PATH."
  have dotnet || die "the .NET SDK is missing" "$how"
  found=$(cd "$ROOT" && DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 DOTNET_NOLOGO=1 dotnet --version 2>/dev/null) ||
    die "the .NET SDK $wanted is missing (there: $(dotnet --list-sdks 2>/dev/null | cut -d' ' -f1 | tr '\n' ' '))" "$how"
  export SDK=$found
}
