# shellcheck shell=bash
# shellcheck disable=SC2034 # ENGINE and ENGINE_MISSING are for the caller
# The container engine: a running one, else one that we start. Ours is shared by all installations on a machine, because two
# container engines would fight over the same bridges and firewall chains. One file per installation records who uses it.
ENGINE_RUN=/run/portal-engine
ENGINE_DATA=/var/lib/portal-engine
ENGINE_SOCKET=$ENGINE_RUN/docker.sock
SYSTEM_SOCKET=/var/run/docker.sock
ENGINE_API=1.41 # the oldest version that the portal supports: Docker Engine 20.10, and Debian's is newer

engine_get() { curl -sf --max-time 5 --unix-socket "$1" "http://engine$2"; }
engine_answers() { [ -S "$1" ] && [ "$(engine_get "$1" /_ping 2>/dev/null)" = OK ]; }

engine_sockets() { printf '%s\n' ${DOCKER_HOST:+"${DOCKER_HOST#unix://}"} "$SYSTEM_SOCKET" "$ENGINE_SOCKET"; }

# engine_unfit SOCKET: prints why the portal cannot use the container engine that answers there, or nothing if it can. Whether
# its isolation really works is tested later and repeatedly with a probe container, by Portal.Jobs.
engine_unfit() {
  local version info api lacks='' limit
  if ! version=$(engine_get "$1" /version) || ! info=$(engine_get "$1" /info); then echo "it answers a ping but nothing else"; return 0; fi
  # Podman and others offer the same API but behave differently (their default profile allows user namespaces).
  if ! grep -q '"Name": *"Engine"' <<< "$version"; then echo "it is not Docker Engine"; return 0; fi
  api=$(grep -o '"ApiVersion": *"[0-9.]*"' <<< "$version" | head -1 | tr -dc '0-9.')
  if [ "$(printf '%s\n' "$ENGINE_API" "$api" | sort -V | head -1)" != "$ENGINE_API" ]; then
    echo "its API is ${api:-unknown}, and at least $ENGINE_API is needed"
    return 0
  fi
  if grep -q '"name=rootless' <<< "$info"; then echo "it runs without root, where limits and firewall rules do not hold"; return 0; fi
  grep -q '"name=seccomp' <<< "$info" || lacks=", seccomp"
  for limit in MemoryLimit SwapLimit CpuCfsQuota PidsLimit; do
    grep -q "\"$limit\": *true" <<< "$info" || lacks+=", $limit"
  done
  [ -z "$lacks" ] || echo "it lacks ${lacks#, }: the kernel must offer seccomp and the cgroup controllers cpu, memory and pids"
}

# use_engine USER: sets ENGINE to the socket of a suitable container engine, or leaves it empty with the reason in ENGINE_MISSING.
use_engine() {
  ENGINE='' ENGINE_MISSING=''
  local socket unfit why=''
  case ${DOCKER_HOST:-} in
    '') ;;
    unix://*) use_named_engine "${DOCKER_HOST#unix://}"; return 0 ;;
    *) ENGINE_MISSING="DOCKER_HOST=$DOCKER_HOST is not a socket of this machine"; return 0 ;;
  esac
  for socket in "$SYSTEM_SOCKET" "$ENGINE_SOCKET"; do
    engine_answers "$socket" || continue
    unfit=$(engine_unfit "$socket")
    if [ -n "$unfit" ]; then why="the container engine at $socket cannot be used: $unfit"; continue; fi
    ENGINE=$socket
    [ "$socket" != "$ENGINE_SOCKET" ] || engine_user "$1"
    return 0
  done
  if ! is_root; then
    ENGINE_MISSING="${why:-no container engine answers at $SYSTEM_SOCKET}, and starting one requires root"
  elif ! have dockerd && ! [ -x /usr/sbin/dockerd ]; then
    ENGINE_MISSING="${why:-no container engine is installed}: apt-get install --no-install-recommends docker.io iptables"
  else
    start_engine "$1" "$why"
  fi
}

# An explicitly named container engine is used or refused; none is started in its place.
use_named_engine() { # SOCKET
  local unfit
  if ! engine_answers "$1"; then ENGINE_MISSING="DOCKER_HOST names $1, but nothing answers there"; return 0; fi
  unfit=$(engine_unfit "$1")
  if [ -n "$unfit" ]; then ENGINE_MISSING="DOCKER_HOST names $1, which cannot be used: $unfit"; else ENGINE=$1; fi
}

start_engine() { # USER [WHY_NOT_ANOTHER]
  local rivals unfit
  mkdir -p "$ENGINE_RUN/users" "$ENGINE_DATA"
  chmod 711 "$ENGINE_RUN" && chmod 710 "$ENGINE_DATA"
  exec {lock}> "$ENGINE_RUN/lock"
  flock "$lock"
  if ! engine_answers "$ENGINE_SOCKET"; then
    # With systemd, the system's container engine is preferred because it also comes back after a reboot.
    if [ -z "${2:-}" ] && has_systemd && systemctl cat docker.service >/dev/null 2>&1 && systemctl enable --now docker.service >/dev/null 2>&1; then
      wait_for 30 engine_answers "$SYSTEM_SOCKET" && [ -z "$(engine_unfit "$SYSTEM_SOCKET")" ] && ENGINE=$SYSTEM_SOCKET && flock -u "$lock" && return 0
    fi
    rivals=$(rival_engines)
    if [ -n "$rivals" ] && ! alive "$ENGINE_RUN/dockerd.process"; then
      ENGINE_MISSING="${2:-another container engine is running but does not answer at $SYSTEM_SOCKET; name its socket with DOCKER_HOST=unix:///path} (process $rivals; a second container engine would fight over bridges and firewall rules)"
      flock -u "$lock"
      return 0
    fi
    [ -z "${2:-}" ] || warn "$2"
    step "starting a container engine (data folder: $ENGINE_DATA)"
    launch_engine
  fi
  if ! wait_for 60 engine_answers "$ENGINE_SOCKET"; then
    ENGINE_MISSING="the container engine did not start: $(tail -1 "$ENGINE_DATA/dockerd.log"); full log: $ENGINE_DATA/dockerd.log"
    end "$ENGINE_RUN/dockerd.process" 20
  else
    engine_user "$1"
    unfit=$(engine_unfit "$ENGINE_SOCKET")
    if [ -n "$unfit" ]; then ENGINE_MISSING="the container engine started by infra/run cannot be used: $unfit"; else ENGINE=$ENGINE_SOCKET; fi
  fi
  flock -u "$lock"
}

# Container engines in our network namespace. One in a namespace of its own (rootless, or inside a container) does not conflict.
rival_engines() {
  local process mine
  mine=$(readlink /proc/self/ns/net)
  for process in $(pgrep -x dockerd || true); do
    [ "$(readlink "/proc/$process/ns/net")" != "$mine" ] || printf '%s ' "$process"
  done
}

# Only root may use its socket. It is detached from the caller's process and inherits no open lock.
launch_engine() {
  local path=$PATH
  path=$(engine_path)
  (
    exec {lock}>&-
    [ -z "${STATE_LOCK:-}" ] || exec {STATE_LOCK}>&-
    cd /
    PATH=$path setsid dockerd --host "unix://$ENGINE_SOCKET" --group root --data-root "$ENGINE_DATA/data" \
      --exec-root "$ENGINE_RUN/exec" --pidfile "$ENGINE_RUN/docker.pid" --userland-proxy=false --log-level warn \
      < /dev/null >> "$ENGINE_DATA/dockerd.log" 2>&1 &
    remember "$ENGINE_RUN/dockerd.process" $!
  )
}

# Debian's iptables uses nftables; a kernel without it may still have the legacy tables. To use those without changing the
# system, put a folder of links first on the path.
engine_path() {
  local tool path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  if ! PATH=$path iptables -w -t nat -S >/dev/null 2>&1 && PATH=$path iptables-legacy -w -t nat -S >/dev/null 2>&1; then
    mkdir -p "$ENGINE_RUN/bin"
    for tool in iptables ip6tables iptables-save iptables-restore; do
      ln -sf "$(PATH=$path command -v "${tool/tables/tables-legacy}")" "$ENGINE_RUN/bin/$tool"
    done
    path=$ENGINE_RUN/bin:$path
  fi
  echo "$path"
}

engine_user() { mkdir -p "$ENGINE_RUN/users" && echo "${2:-$STATE}" > "$ENGINE_RUN/users/$1"; }

# leave_engine USER: stops the container engine when its last user leaves, if it was started here.
leave_engine() {
  [ -d "$ENGINE_RUN/users" ] && is_root || return 0
  exec {lock}> "$ENGINE_RUN/lock"
  flock "$lock"
  rm -f "$ENGINE_RUN/users/$1"
  local user
  for user in "$ENGINE_RUN"/users/*; do # an installation whose folder was deleted by hand no longer counts
    [ ! -e "$user" ] || [ -e "$(cat "$user")" ] || rm -f "$user"
  done
  if [ -z "$(ls -A "$ENGINE_RUN/users")" ] && alive "$ENGINE_RUN/dockerd.process"; then
    step "stopping the container engine: no installation uses it any more"
    end "$ENGINE_RUN/dockerd.process" 30
    rm -rf "$ENGINE_RUN/exec" "$ENGINE_SOCKET"
  fi
  flock -u "$lock"
}

# engine_ids SOCKET PATH: the ids in a list returned by the container engine; extracting them needs no JSON parser.
engine_ids() { engine_get "$1" "$2" | grep -o '"Id":"[0-9a-f:sh]*"' | cut -d'"' -f4; }

# Everything of an installation is found by its label.
stop_containers() { # SOCKET ID
  local filter="%7B%22label%22%3A%5B%22portal.installation%3D$2%22%5D%7D" container
  for container in $(engine_ids "$1" "/containers/json?filters=$filter"); do
    curl -s -o /dev/null --max-time 40 -X POST --unix-socket "$1" "http://engine/containers/$container/stop?t=10" &
  done
  wait
}

remove_from_engine() { # SOCKET ID
  local filter="%7B%22label%22%3A%5B%22portal.installation%3D$2%22%5D%7D" thing
  for thing in $(engine_ids "$1" "/containers/json?all=true&filters=$filter"); do
    curl -s -o /dev/null --max-time 40 -X DELETE --unix-socket "$1" "http://engine/containers/$thing?force=true&v=true"
  done
  for thing in $(engine_ids "$1" "/networks?filters=$filter"); do
    curl -s -o /dev/null --max-time 40 -X DELETE --unix-socket "$1" "http://engine/networks/$thing"
  done
}
