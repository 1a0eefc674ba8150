# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153 # names for the other parts, and names from them
# An installation whose workspaces run on an OpenStack: on a rig (infra/openstack), or on the one that STATE/settings.env describes. STATE/openstack
# says so, "rig FOLDER" or "settings"; an installation without it uses this machine's container engine.

OPENSTACK_PROJECTS=(informatics mathematics) # the rig's

on_openstack() { [ -s "$STATE/openstack" ]; }
own_pools() { site_settings | grep -q '^Clouds__OpenStack__Pools__0__Key=.'; }

# choose_cloud COMMAND: sets CLOUD to what STATE/openstack says or will say; empty for the container engine. Workspaces and files stay where they are,
# so an installation cannot change from one to another.
choose_cloud() {
  local known='' other="To run workspaces elsewhere, set PORTAL_STATE to another folder for a second installation."
  CLOUD=
  ! on_openstack || known=$(cat "$STATE/openstack")
  if [ "$1" != openstack ] && [ -z "$known" ]; then
    ! own_pools || die "$STATE/settings.env names pools on OpenStack, but this is an installation on the container engine" \
      "For one on OpenStack: infra/run openstack, with PORTAL_STATE set to a new folder. Otherwise remove the lines Clouds__OpenStack__Pools__…"
    return 0
  fi
  [ -n "$known" ] || [ ! -s "$STATE/pg/PG_VERSION" ] ||
    die "the workspaces of the installation in $STATE run on this machine's container engine" "$other"
  [ "$known" != settings ] || own_pools || die "$STATE/settings.env no longer names the pools of this installation (Clouds__OpenStack__Pools__0__Key=…)" \
    "Put its lines Clouds__OpenStack__… back. $other"
  if own_pools; then CLOUD=settings
  elif [ -n "${PORTAL_OPENSTACK_STATE:-}" ] || [[ $known != rig\ * ]]; then CLOUD="rig $(realpath -m "${PORTAL_OPENSTACK_STATE:-/var/lib/portal-openstack}")"
  else CLOUD=$known; fi
  [ -z "$known" ] || [ "$CLOUD" = "$known" ] ||
    die "the workspaces of the installation in $STATE run on $(cloud_words "$known"), not on $(cloud_words "$CLOUD")" "$other"
}

cloud_words() { # CLOUD
  case $1 in rig\ *) echo "the rig in ${1#rig }" ;; *) echo "the OpenStack that $STATE/settings.env describes" ;; esac
}

# use_openstack: starts the rig if it is one, and gives Jobs a copy of its credentials. The container engine and disk of this machine are not used.
use_openstack() {
  CONTAINER_ENGINE='' CONTAINER_ENGINE_MISSING='' DISK='' DISK_MISSING=''
  echo "$CLOUD" > "$STATE/openstack.new" && mv "$STATE/openstack.new" "$STATE/openstack"
  [[ $CLOUD == rig\ * ]] || return 0
  local rig=${CLOUD#rig } project
  # What the rig starts must not hold this installation's lock.
  (exec {STATE_LOCK}>&- && PORTAL_OPENSTACK_STATE=$rig exec "$ROOT/infra/openstack/up") ||
    die "the rig in $rig did not start" "The output above says why; its logs are in $rig/log."
  install -d -m 700 "$STATE/credentials"
  for project in "${OPENSTACK_PROJECTS[@]}"; do install -m 600 "$rig/credentials/$project.json" "$STATE/credentials/"; done
}

# openstack_settings: what Jobs is told. What the site itself says in settings.env comes later and so takes precedence.
openstack_settings() {
  on_openstack || return 0
  echo "Clouds__OpenStack__Servers__Keys=$STATE/keys/servers"
  echo "Clouds__OpenStack__Servers__SeccompBase=${SECCOMP:-}"
  local known
  known=$(cat "$STATE/openstack")
  [[ $known != rig\ * ]] || rig_settings "${known#rig }"
}

# Each project gets half of the rig's range of guests. App traffic never leaves this machine, so it may be plain.
rig_settings() { # FOLDER
  local HOST='' GUESTS='' project number=0
  # shellcheck source=/dev/null
  . "$1/addresses"
  cat <<SET
Clouds__OpenStack__Key=openstack
Clouds__OpenStack__Title=OpenStack on this host
Clouds__OpenStack__Credentials=$STATE/credentials
Clouds__OpenStack__ShareType=gpfs
Clouds__OpenStack__Servers__Image=portal-server
Clouds__OpenStack__Servers__PortalAddress=$HOST
Clouds__OpenStack__Servers__PlainAppTraffic=true
SET
  for project in "${OPENSTACK_PROJECTS[@]}"; do
    cat <<SET
Clouds__OpenStack__Pools__${number}__Key=$project
Clouds__OpenStack__Pools__${number}__Title=${project^}
Clouds__OpenStack__Pools__${number}__Credential=$project
Clouds__OpenStack__Pools__${number}__Addresses=${GUESTS%.0.0/16}.$((number * 128)).0/17
SET
    number=$((number + 1))
  done
}

# check_projects: tries what a launch needs in each project, until it has succeeded once with these settings. What is missing does not keep the portal
# from starting, because its pages say so as well.
check_projects() {
  local known=$STATE/app/checked now project said
  now=$(openstack_verb_settings | sha256sum)
  [ "$(cat "$known" 2>/dev/null || true)" != "$now" ] || return 0
  for project in $(project_keys); do
    step "checking the project of the credential $project"
    if ! said=$(openstack_verb --check-cloud "$project" 2>&1); then
      printf '%s\n' "$said"
      warn "launches in the project of the credential $project may fail: see above. infra/run checks it again at the next start."
      now=
    fi
  done
  echo "$now" > "$known"
}

# left_in_cloud: says what of this installation stays in each project, because it is not ours to delete people's files there without being asked.
left_in_cloud() {
  local project said known
  known=$(cat "$STATE/openstack")
  for project in $(project_keys); do
    if ! said=$(openstack_verb --left-in-cloud "$project" 2>&1); then
      say "Could not find out what is left in the project of the credential $project: $(tail -1 <<< "$said")"
      say "Everything of this installation has a name that begins with portal-$ID."
    elif [ -n "$said" ]; then
      say "Left in the project of the credential $project; to remove it:"
      printf '  %s\n' "${said//$'\n'/$'\n'  }"
    fi
  done
  [[ $known != rig\ * ]] || say "The rig stays. To remove it with everything in it: $(rig_command "${known#rig }" "down --wipe")"
}

rig_command() { # FOLDER ARGUMENTS
  local set="PORTAL_OPENSTACK_STATE=$1 "
  [ "$1" != /var/lib/portal-openstack ] || set=
  echo "${set}infra/openstack/$2"
}

# The names of the credentials of all pools; for a pool without one, its key.
project_keys() {
  openstack_verb_settings | sed -n 's/^Clouds__OpenStack__Pools__\([0-9]*\)__\(Key\|Credential\)=\(..*\)$/\1 \2 \3/p' |
    awk '{ if ($2 == "Credential") credential[$1] = $3; else key[$1] = $3 } END { for (n in key) print (n in credential ? credential[n] : key[n]) }' | sort
}

openstack_verb_settings() { { openstack_settings; site_settings; } | grep '^Clouds__OpenStack__'; }

# openstack_verb VERB…: needs neither database nor web.
openstack_verb() {
  local settings
  mapfile -t settings < <(openstack_verb_settings)
  (cd / && env -i PATH=/usr/bin:/bin LANG=C.UTF-8 DOTNET_ROOT="$(dirname "$DOTNET")" DOTNET_NOLOGO=1 DOTNET_gcServer=0 Installation__Id="$ID" \
    "${settings[@]}" "$DOTNET" "$STATE/app/jobs/Portal.Jobs.dll" "$@")
}
