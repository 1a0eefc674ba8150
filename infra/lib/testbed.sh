# shellcheck shell=bash
# What the integration tests stand on: an installation's folder, accounts, database, engine and disk, without its programs.

# make_testbed [SETTING=VALUE…]: once, the database with these settings; its names go to the tests by the environment. What
# cannot be had leaves its name empty, and the tests that need it fail with that reason (they are not skipped: a machine that
# runs the tests is one that can).
make_testbed() {
  [ -z "${TESTBED:-}" ] || return 0
  # Unless somebody measures, nothing here must outlive a power cut; what is committed outlives a kill of the database, as it does elsewhere.
  [ $# -gt 0 ] || set -- fsync=off full_page_writes=off max_connections=200
  get_packages engine disk images || true
  find_postgres || die "no PostgreSQL 15 or newer was found below /usr/lib/postgresql" "apt-get install --no-install-recommends postgresql-15"
  TESTBED=$(temporary_state test)
  export PORTAL_STATE=$TESTBED
  SUPERVISE=$LIB/supervise # there is no published one here; not for what others start
  state_names
  make_state
  start_database "$@"
  # The tests are web and Jobs at once; in an installation only the web's account may be portal_web.
  echo "portal $(id -un) portal_web" >> "$STATE/pg/pg_ident.conf"
  echo 'select pg_reload_conf()' | sql "$RUN/pg" postgres > /dev/null
  use_engine "$ID"
  PORTAL_DISK=${PORTAL_DISK:-24G} mount_disk "$STATE/shares.btrfs" "$STATE/shares"
  get_seccomp "$STATE/seccomp-default.json" || true
  debian_sources trixie > "$STATE/apt-trixie.sources" || true
  export PORTAL_TEST_ADMIN="Host=$RUN/pg;Username=postgres;Database=postgres"
  export PORTAL_TEST_DB_PROCESS=$RUN/db.process
  export PORTAL_TEST_ENGINE=$ENGINE
  PORTAL_TEST_SHARES=
  [ -n "$DISK_MISSING" ] || PORTAL_TEST_SHARES=$STATE/shares
  export PORTAL_TEST_SHARES
  export PORTAL_TEST_SECCOMP=$STATE/seccomp-default.json PORTAL_TEST_APT=$STATE/apt-trixie.sources
  export PORTAL_TEST_RECIPES=$ROOT/infra/images PORTAL_TEST_WEB_USER=$WEB
  PORTAL_TEST_ENGINES=$(engines_folder)
  export PORTAL_TEST_ENGINES
  [ -z "$ENGINE_MISSING" ] || warn "$ENGINE_MISSING"
  [ -z "$DISK_MISSING" ] || warn "$DISK_MISSING"
}

# A fresh folder that the accounts can reach; below $TMPDIR where one is named.
temporary_state() {
  local folder
  folder=$(mktemp -d "${TMPDIR:-$(is_root && echo /var/lib || echo /tmp)}/portal-$1.XXXXXX")
  chmod 711 "$folder"
  echo "$folder"
}

# copy_checkout PLACE: what git knows of this checkout, and what is new in it; all of a copy that git does not know.
copy_checkout() {
  mkdir -p "$1"
  if [ ! -e "$ROOT/.git" ]; then cp -R "$ROOT/." "$1"; return; fi
  git -c safe.directory="$ROOT" -C "$ROOT" ls-files -z --cached --others --exclude-standard | (cd "$ROOT" && tar --null -T - --ignore-failed-read -cf -) | tar -xf - -C "$1"
}

# start_installation SECONDS [TEMPLATE…]: from a checkout below a closed folder, as in somebody's home; it offers these, or all.
start_installation() {
  local limit=$1 template
  shift
  E2E_STATE=$(temporary_state e2e)
  E2E_HOME=$(mktemp -d "$(dirname "$E2E_STATE")/portal-home.XXXXXX") # 0700
  E2E_CHECKOUT=$E2E_HOME/portal
  copy_checkout "$E2E_CHECKOUT"
  # As much as one student may have: whatever the machine, a test can fill the site.
  echo Site__Capacity__Vcpu=8 > "$E2E_STATE/settings.env"
  if [ $# -gt 0 ]; then
    export PORTAL_TEMPLATES=$E2E_HOME/templates
    mkdir "$PORTAL_TEMPLATES"
    for template; do cp -R "$E2E_CHECKOUT/Portal.Jobs/Catalog/Templates/$template" "$PORTAL_TEMPLATES/"; done
  fi
  PORTAL_ENGINES=$(engines_folder)
  export PORTAL_ENGINES PORTAL_STATE=$E2E_STATE
  PORTAL_DISK=${PORTAL_DISK:-24G} timeout --kill-after=10 "$limit" "$E2E_CHECKOUT/infra/run" >&2 || return 1
  PORTAL_URL=http://portal.localhost:$(cat "$E2E_STATE/port")
  export PORTAL_URL
}

end_installation() {
  [ -n "${E2E_STATE:-}" ] || return 0
  local code=0
  mkdir -p "$RESULTS/e2e"
  cp -R "$E2E_STATE/log" "$RESULTS/e2e/log" 2>/dev/null || true
  PORTAL_STATE=$E2E_STATE timeout --kill-after=10 120 "$E2E_CHECKOUT/infra/run" reset >&2 || code=$?
  [ ! -e "$E2E_STATE" ] || code=1
  rm -rf "$E2E_HOME"
  unset PORTAL_TEMPLATES
  E2E_STATE=''
  return $code
}

# clear_testbed: whatever happened, nothing stays behind. Twice is harmless.
clear_testbed() {
  end_installation || true
  [ -n "${TESTBED:-}" ] || return 0
  mkdir -p "$RESULTS/testbed"
  cp -R "$TESTBED/log" "$RESULTS/testbed/" 2>/dev/null || true
  PORTAL_STATE=$TESTBED "$ROOT/infra/run" reset >&2 || warn "the tests' folder $TESTBED could not be removed"
  TESTBED=''
}
