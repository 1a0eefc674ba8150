# shellcheck shell=bash
# shellcheck disable=SC2034 # the names set here are for the other parts
# An installation's folders, accounts and id.

# state_names: sets STATE, and ID, RUN, WEB, DB, GET once the installation exists.
state_names() {
  if [ -n "${PORTAL_STATE:-}" ]; then STATE=$PORTAL_STATE
  elif is_root; then STATE=/var/lib/portal
  else STATE=$HOME/.local/share/portal; fi
  case $STATE in /*) ;; *) STATE=$PWD/$STATE ;; esac
  STATE=$(realpath -m "$STATE")
  case $STATE in
    / | /var | /var/lib | /home | /root | /tmp | /usr | /etc)
      die "PORTAL_STATE=$STATE is a system folder" "Use a separate folder, such as /var/lib/portal." ;;
  esac
  ID=
  [ ! -r "$STATE/id" ] || ID=$(cat "$STATE/id")
  [ -z "$ID" ] || names_of_id
}

names_of_id() {
  [[ $ID =~ ^[a-z][a-z0-9]{9}$ ]] || die "$STATE/id does not contain an installation's id" "Set PORTAL_STATE to another folder, or remove this one."
  if is_root; then
    RUN=/run/portal-$ID WEB=p${ID:0:5}-web DB=p${ID:0:5}-db GET=p${ID:0:5}-get
  else
    # A socket path may have at most 107 characters.
    RUN=${XDG_RUNTIME_DIR:-$STATE/run}/portal-$ID WEB=$(id -un) DB=$(id -un) GET=$(id -un)
    [ ${#RUN} -lt 80 ] || RUN=${TMPDIR:-/tmp}/portal-$ID
  fi
}

installed() { [ -n "$ID" ]; }

# make_state: creates folder, id and accounts; whatever exists already is kept.
make_state() {
  mkdir -p "$STATE" || die "$STATE cannot be created" "Set PORTAL_STATE to a folder that you may write to."
  if ! installed; then
    # settings.env may be there before the first start.
    [ -z "$(ls -A -I settings.env "$STATE")" ] || die "$STATE is not empty and is not an installation" "Set PORTAL_STATE to another folder."
    # Accounts and bridges are named after the first five characters, so no other installation on this machine may have the same.
    while :; do
      ID=$(random_id)
      ! getent passwd "p${ID:0:5}-web" >/dev/null || continue
      break
    done
    names_of_id
    echo "$ID" > "$STATE/id"
  fi
  chmod 711 "$STATE"
  mkdir -p "$STATE"/{app,log,keys,web,fetch} "$RUN"/{mounts,jobs}
  chmod 711 "$RUN" "$RUN/mounts" "$STATE/keys" "$STATE/fetch"
  chmod 755 "$STATE/app"
  chmod 700 "$STATE/web" "$STATE/log"
  ! is_root || make_accounts
  # Jobs creates its socket for the operators' dashboard here. The folder is setgid for the web account's group, so the socket
  # belongs to that group.
  chmod 700 "$RUN/jobs"
  if is_root; then chown "root:$WEB" "$RUN/jobs" && chmod 2710 "$RUN/jobs"; fi
  if ! [ -s "$STATE/keys/installation.key" ]; then
    (umask 077 && od -An -tx1 -N32 /dev/urandom | tr -d ' \n' > "$STATE/keys/installation.key")
  fi
  if is_root; then
    chown "root:$WEB" "$STATE/keys/installation.key"
    chown "$WEB:$WEB" "$STATE/web"
  fi
  chmod 640 "$STATE/keys/installation.key"
}

random_id() {
  local letters=abcdefghijklmnopqrstuvwxyz bytes i id=
  mapfile -t bytes < <(od -An -tu1 -w1 -v -N10 /dev/urandom)
  for i in "${!bytes[@]}"; do
    local from=${letters}0123456789
    [ "$i" -gt 0 ] || from=$letters
    id+=${from:$((bytes[i] % ${#from})):1}
  done
  echo "$id"
}

make_accounts() {
  local account
  for account in "$WEB" "$DB" "$GET"; do
    getent passwd "$account" >/dev/null || /usr/sbin/useradd --system --user-group --no-create-home --home-dir /nonexistent \
      --shell /usr/sbin/nologin --comment "Portal installation $ID" "$account"
  done
  as "$WEB" test -x "$STATE" || die "the account $WEB cannot reach $STATE, because one of its parent folders is closed to other accounts" \
    "Set PORTAL_STATE to a folder that every account can reach, such as /var/lib/portal."
}

forget_accounts() {
  local account
  for account in "$WEB" "$DB" "$GET"; do
    [[ $account =~ ^p[a-z0-9]{5}-(web|db|get)$ ]] || continue
    getent passwd "$account" >/dev/null || continue
    /usr/sbin/userdel "$account" 2>/dev/null || warn "the account $account could not be removed: userdel $account"
  done
}

# One command at a time per installation. The lock file is outside the state folder, because reset removes that folder.
lock_state() {
  local folder=/run/lock
  [ -w "$folder" ] || folder=${TMPDIR:-/tmp}
  exec {STATE_LOCK}> "$folder/portal-$(id -u)-$(printf %s "$STATE" | cksum | cut -d' ' -f1).lock"
  flock -n "$STATE_LOCK" || { say "Waiting for another command that is working on $STATE."; flock "$STATE_LOCK"; }
}

# choose_port: the same port at every start unless another program has taken it.
choose_port() {
  local port=${PORTAL_PORT:-}
  [ -n "$port" ] || port=$(cat "$STATE/port" 2>/dev/null || true)
  if [ -z "$port" ] || { port_taken "$port" && [ -z "${PORTAL_PORT:-}" ]; }; then
    [ -z "$port" ] || warn "port $port is taken by another program; choosing another one"
    port=8080
    while port_taken "$port"; do port=$((port + 1)); done
  elif port_taken "$port"; then
    die "port $port is taken by another program" "Set PORTAL_PORT to a free port, or leave it unset to have one chosen."
  fi
  echo "$port" > "$STATE/port"
  PORT=$port
}

port_taken() { (exec 3<> "/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
