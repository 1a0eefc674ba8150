# shellcheck shell=bash
# The environment of the integration tests: an installation's folder, accounts, database, container engine and disk, without its programs.

# make_testbed [SETTING=VALUE…]: runs once; the settings are PostgreSQL's. The tests get everything through environment
# variables. What is unavailable leaves its variable empty, and the tests that need it fail with that reason. They are not
# skipped, because a machine that runs the tests must have everything.
make_testbed() {
  [ -z "${TESTBED:-}" ] || return 0
  # Except for benchmarks, nothing here must survive a power cut. Committed data still survives a kill of the database.
  [ $# -gt 0 ] || set -- fsync=off full_page_writes=off max_connections=200
  get_packages engine disk images || true
  find_postgres || die "no PostgreSQL 15 or newer was found under /usr/lib/postgresql" "apt-get install --no-install-recommends postgresql-15"
  TESTBED=$(temporary_state test)
  export PORTAL_STATE=$TESTBED
  SUPERVISE=$LIB/supervise # no published copy exists here; not exported, so it affects no other installation
  state_names
  make_state
  start_database "$@"
  # The tests act as both web and Jobs; in an installation only the web account may log in as portal_web.
  echo "portal $(id -un) portal_web" >> "$STATE/pg/pg_ident.conf"
  echo 'select pg_reload_conf()' | sql "$RUN/pg" postgres > /dev/null
  use_container_engine "$ID"
  PORTAL_DISK=${PORTAL_DISK:-24G} mount_disk "$STATE/shares.btrfs" "$STATE/shares"
  get_seccomp "$STATE/seccomp-default.json" || true
  debian_sources trixie > "$STATE/apt-trixie.sources" || true
  export PORTAL_TEST_ADMIN="Host=$RUN/pg;Username=postgres;Database=postgres"
  export PORTAL_TEST_DB_PROCESS=$RUN/db.process
  export PORTAL_TEST_CONTAINER_ENGINE=$CONTAINER_ENGINE
  PORTAL_TEST_SHARES=
  [ -n "$DISK_MISSING" ] || PORTAL_TEST_SHARES=$STATE/shares
  export PORTAL_TEST_SHARES
  export PORTAL_TEST_SECCOMP=$STATE/seccomp-default.json PORTAL_TEST_APT=$STATE/apt-trixie.sources
  export PORTAL_TEST_RECIPES=$ROOT/infra/images PORTAL_TEST_WEB_USER=$WEB
  PORTAL_TEST_ENGINES=$(engines_folder)
  export PORTAL_TEST_ENGINES
  [ -z "$CONTAINER_ENGINE_MISSING" ] || warn "$CONTAINER_ENGINE_MISSING"
  [ -z "$DISK_MISSING" ] || warn "$DISK_MISSING"
}

# A new folder that the accounts can reach; under $TMPDIR if that is set.
temporary_state() {
  local folder
  folder=$(mktemp -d "${TMPDIR:-$(is_root && echo /var/lib || echo /tmp)}/portal-$1.XXXXXX")
  chmod 711 "$folder"
  echo "$folder"
}

# copy_checkout PLACE: copies tracked and new files of this checkout, or everything if it is not a git checkout.
copy_checkout() {
  mkdir -p "$1"
  if [ ! -e "$ROOT/.git" ]; then cp -R "$ROOT/." "$1"; return; fi
  git -c safe.directory="$ROOT" -C "$ROOT" ls-files -z --cached --others --exclude-standard |
    (cd "$ROOT" && tar --null -T - --ignore-failed-read -cf -) | tar -xf - -C "$1"
}

# start_installation SECONDS [TEMPLATE…]: from a checkout inside a private folder, such as a home; offers these templates, or all.
start_installation() {
  local limit=$1
  shift
  name_installation
  E2E_CHECKOUT=$E2E_HOME/portal
  copy_checkout "$E2E_CHECKOUT"
  # No more than one student's quota, so that a test can fill the site on any machine.
  echo Site__Capacity__Vcpu=8 > "$E2E_STATE/settings.env"
  offer_templates "$@"
  PORTAL_ENGINES=$(engines_folder)
  export PORTAL_ENGINES PORTAL_STATE=$E2E_STATE
  PORTAL_DISK=${PORTAL_DISK:-24G} timeout --kill-after=10 "$limit" "$E2E_CHECKOUT/infra/run" >&2 || return 1
  PORTAL_URL=http://portal.localhost:$(cat "$E2E_STATE/port")
  export PORTAL_URL
}

# start_on_rig SECONDS [TEMPLATE…]: on the rig in RIG_STATE, from this checkout like the rig: its services run from where it was started.
start_on_rig() {
  local limit=$1
  shift
  name_installation
  E2E_CHECKOUT=$ROOT
  offer_templates "$@"
  export PORTAL_STATE=$E2E_STATE
  timeout --kill-after=10 "$limit" "$E2E_CHECKOUT/infra/run" openstack >&2 || return 1
  PORTAL_URL=http://portal.localhost:$(cat "$E2E_STATE/port")
  export PORTAL_URL
}

name_installation() {
  E2E_STATE=$(temporary_state e2e)
  E2E_HOME=$(mktemp -d "$(dirname "$E2E_STATE")/portal-home.XXXXXX") # 0700
}

offer_templates() { # [TEMPLATE…]
  [ $# -gt 0 ] || return 0
  local template
  export PORTAL_TEMPLATES=$E2E_HOME/templates
  mkdir "$PORTAL_TEMPLATES"
  for template; do cp -R "$E2E_CHECKOUT/Portal.Jobs/Catalog/Templates/$template" "$PORTAL_TEMPLATES/"; done
}

end_installation() { # LANE
  [ -n "${E2E_STATE:-}" ] || return 0
  local code=0
  mkdir -p "$RESULTS/$1"
  cp -R "$E2E_STATE/log" "$RESULTS/$1/portal-log" 2>/dev/null || true
  PORTAL_STATE=$E2E_STATE timeout --kill-after=10 120 "$E2E_CHECKOUT/infra/run" reset >&2 || code=$?
  [ ! -e "$E2E_STATE" ] || code=1
  rm -rf "$E2E_HOME"
  unset PORTAL_TEMPLATES
  E2E_STATE=''
  return $code
}

# end_rig: wipes the OpenStack of the lanes openstack and long, and fails if anything of it is left on the machine.
end_rig() {
  [ -n "${RIG_STATE:-}" ] || return 0
  local id left=''
  id=$(cat "$RIG_STATE/id" 2>/dev/null) || id=none
  mkdir -p "$RESULTS/openstack"
  cp -R "$RIG_STATE/log" "$RESULTS/openstack/log" 2>/dev/null || true
  PORTAL_OPENSTACK_STATE=$RIG_STATE timeout --kill-after=10 90 "$ROOT/infra/openstack/down" --wipe >&2 || left="down failed; "
  [ ! -e "$RIG_STATE" ] || left+="folder; "
  [ -z "$(ip netns list | grep -w "os$id")$(ip -o link show "os$id" 2>/dev/null)" ] || left+="namespace or link; "
  [ -z "$(mounts_below "$RIG_STATE")$(losetup -n -O BACK-FILE | grep -F "$RIG_STATE/")" ] || left+="mounts or loop devices; "
  { iptables-save; iptables-legacy-save; } 2>/dev/null | grep -qE "os$id|p${id:0:5}" && left+="firewall rules; "
  RIG_STATE=''
  [ -z "$left" ] || { warn "left of the rig $id: $left"; return 1; }
}

# clear_testbed: removes everything, whatever happened. Safe to run twice.
clear_testbed() {
  end_installation interrupted || true
  [ -n "${TESTBED:-}" ] || return 0
  mkdir -p "$RESULTS/testbed"
  cp -R "$TESTBED/log" "$RESULTS/testbed/" 2>/dev/null || true
  PORTAL_STATE=$TESTBED "$ROOT/infra/run" reset >&2 || warn "the tests' folder $TESTBED could not be removed"
  TESTBED=''
}
