# shellcheck shell=bash
# shellcheck disable=SC2034 # CONTAINER_ENGINE and CONTAINER_ENGINE_MISSING are for the caller
# The container engine: a running one, else one that we start. Ours is shared by all installations on a machine, because two
# container engines would fight over the same bridges and firewall chains. One file per installation records who uses it.
CONTAINER_ENGINE_RUN=/run/portal-engine
CONTAINER_ENGINE_DATA=/var/lib/portal-engine
CONTAINER_ENGINE_SOCKET=$CONTAINER_ENGINE_RUN/docker.sock
SYSTEM_SOCKET=/var/run/docker.sock
CONTAINER_ENGINE_API=1.41 # the oldest version that the portal supports: Docker Engine 20.10, and Debian's is newer

container_engine_get() { curl -sf --max-time 5 --unix-socket "$1" "http://engine$2"; }
container_engine_answers() { [ -S "$1" ] && [ "$(container_engine_get "$1" /_ping 2>/dev/null)" = OK ]; }

container_engine_sockets() { printf '%s\n' ${DOCKER_HOST:+"${DOCKER_HOST#unix://}"} "$SYSTEM_SOCKET" "$CONTAINER_ENGINE_SOCKET"; }

# container_engine_unfit SOCKET: prints why the portal cannot use the container engine that answers there, or nothing if it can. Whether
# its isolation really works is tested later and repeatedly with a probe container, by Portal.Jobs.
container_engine_unfit() {
  local version info api lacks='' limit
  if ! version=$(container_engine_get "$1" /version) || ! info=$(container_engine_get "$1" /info); then echo "it answers a ping but nothing else"; return 0; fi
  # Podman and others offer the same API but behave differently (their default profile allows user namespaces).
  if ! grep -q '"Name": *"Engine"' <<< "$version"; then echo "it is not Docker Engine"; return 0; fi
  api=$(grep -o '"ApiVersion": *"[0-9.]*"' <<< "$version" | head -1 | tr -dc '0-9.')
  if [ "$(printf '%s\n' "$CONTAINER_ENGINE_API" "$api" | sort -V | head -1)" != "$CONTAINER_ENGINE_API" ]; then
    echo "its API is ${api:-unknown}, and at least $CONTAINER_ENGINE_API is needed"
    return 0
  fi
  if grep -q '"name=rootless' <<< "$info"; then echo "it runs without root, where limits and firewall rules are not enforced"; return 0; fi
  grep -q '"name=seccomp' <<< "$info" || lacks=", seccomp"
  for limit in MemoryLimit SwapLimit CpuCfsQuota PidsLimit; do
    grep -q "\"$limit\": *true" <<< "$info" || lacks+=", $limit"
  done
  [ -z "$lacks" ] || echo "it lacks ${lacks#, }: the kernel must provide seccomp and the cgroup controllers cpu, memory and pids"
}

# use_container_engine USER: sets CONTAINER_ENGINE to the socket of a suitable container engine, or leaves it empty with the reason in CONTAINER_ENGINE_MISSING.
use_container_engine() {
  CONTAINER_ENGINE='' CONTAINER_ENGINE_MISSING=''
  local socket unfit why=''
  case ${DOCKER_HOST:-} in
    '') ;;
    unix://*) use_named_container_engine "${DOCKER_HOST#unix://}"; return 0 ;;
    *) CONTAINER_ENGINE_MISSING="DOCKER_HOST=$DOCKER_HOST is not a socket of this machine"; return 0 ;;
  esac
  for socket in "$SYSTEM_SOCKET" "$CONTAINER_ENGINE_SOCKET"; do
    container_engine_answers "$socket" || continue
    unfit=$(container_engine_unfit "$socket")
    if [ -n "$unfit" ]; then why="the container engine at $socket cannot be used: $unfit"; continue; fi
    CONTAINER_ENGINE=$socket
    [ "$socket" != "$CONTAINER_ENGINE_SOCKET" ] || container_engine_user "$1"
    return 0
  done
  if ! is_root; then
    CONTAINER_ENGINE_MISSING="${why:-no container engine answers at $SYSTEM_SOCKET}, and starting one requires root"
  elif ! have dockerd && ! [ -x /usr/sbin/dockerd ]; then
    CONTAINER_ENGINE_MISSING="${why:-no container engine is installed}: apt-get install --no-install-recommends docker.io iptables"
  else
    start_container_engine "$1" "$why"
  fi
}

# An explicitly named container engine is used or refused; none is started in its place.
use_named_container_engine() { # SOCKET
  local unfit
  if ! container_engine_answers "$1"; then CONTAINER_ENGINE_MISSING="DOCKER_HOST names $1, but nothing answers there"; return 0; fi
  unfit=$(container_engine_unfit "$1")
  if [ -n "$unfit" ]; then CONTAINER_ENGINE_MISSING="DOCKER_HOST names $1, which cannot be used: $unfit"; else CONTAINER_ENGINE=$1; fi
}

start_container_engine() { # USER [WHY_NOT_ANOTHER]
  local rivals unfit
  mkdir -p "$CONTAINER_ENGINE_RUN/users" "$CONTAINER_ENGINE_DATA"
  chmod 711 "$CONTAINER_ENGINE_RUN" && chmod 710 "$CONTAINER_ENGINE_DATA"
  exec {lock}> "$CONTAINER_ENGINE_RUN/lock"
  flock "$lock"
  if ! container_engine_answers "$CONTAINER_ENGINE_SOCKET"; then
    # With systemd, the system's container engine is preferred because it also comes back after a reboot.
    if [ -z "${2:-}" ] && has_systemd && systemctl cat docker.service >/dev/null 2>&1 && systemctl enable --now docker.service >/dev/null 2>&1; then
      wait_for 30 container_engine_answers "$SYSTEM_SOCKET" && [ -z "$(container_engine_unfit "$SYSTEM_SOCKET")" ] &&
        CONTAINER_ENGINE=$SYSTEM_SOCKET && flock -u "$lock" && return 0
    fi
    rivals=$(rival_container_engines)
    if [ -n "$rivals" ] && ! alive "$CONTAINER_ENGINE_RUN/dockerd.process"; then
      CONTAINER_ENGINE_MISSING="${2:-another container engine is running but does not answer at $SYSTEM_SOCKET; name its socket with DOCKER_HOST=unix:///path}"
      CONTAINER_ENGINE_MISSING+=" (process $rivals; a second container engine would fight over bridges and firewall rules)"
      flock -u "$lock"
      return 0
    fi
    [ -z "${2:-}" ] || warn "$2"
    step "starting a container engine (data folder: $CONTAINER_ENGINE_DATA)"
    launch_container_engine
  fi
  if ! wait_for 60 container_engine_answers "$CONTAINER_ENGINE_SOCKET"; then
    CONTAINER_ENGINE_MISSING="the container engine did not start: $(tail -1 "$CONTAINER_ENGINE_DATA/dockerd.log"); full log: $CONTAINER_ENGINE_DATA/dockerd.log"
    end "$CONTAINER_ENGINE_RUN/dockerd.process" 20
  else
    container_engine_user "$1"
    unfit=$(container_engine_unfit "$CONTAINER_ENGINE_SOCKET")
    if [ -n "$unfit" ]; then CONTAINER_ENGINE_MISSING="the container engine started by infra/run cannot be used: $unfit"
    else CONTAINER_ENGINE=$CONTAINER_ENGINE_SOCKET; fi
  fi
  flock -u "$lock"
}

# Container engines in our network namespace. One in its own namespace (rootless, or inside a container) does not conflict.
rival_container_engines() {
  local process mine
  mine=$(readlink /proc/self/ns/net)
  for process in $(pgrep -x dockerd || true); do
    [ "$(readlink "/proc/$process/ns/net")" != "$mine" ] || printf '%s ' "$process"
  done
}

# Only root may use its socket. It is detached from the caller's process and inherits no open lock.
launch_container_engine() {
  local path=$PATH
  path=$(container_engine_path)
  (
    exec {lock}>&-
    [ -z "${STATE_LOCK:-}" ] || exec {STATE_LOCK}>&-
    cd /
    PATH=$path setsid dockerd --host "unix://$CONTAINER_ENGINE_SOCKET" --group root --data-root "$CONTAINER_ENGINE_DATA/data" \
      --exec-root "$CONTAINER_ENGINE_RUN/exec" --pidfile "$CONTAINER_ENGINE_RUN/docker.pid" --userland-proxy=false --log-level warn \
      < /dev/null >> "$CONTAINER_ENGINE_DATA/dockerd.log" 2>&1 &
    remember "$CONTAINER_ENGINE_RUN/dockerd.process" $!
  )
}

# Debian's iptables uses nftables; a kernel without it may still have the legacy tables. To use those without changing the
# system, put a folder of links first on the path.
container_engine_path() {
  local tool path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  if ! PATH=$path iptables -w -t nat -S >/dev/null 2>&1 && PATH=$path iptables-legacy -w -t nat -S >/dev/null 2>&1; then
    mkdir -p "$CONTAINER_ENGINE_RUN/bin"
    for tool in iptables ip6tables iptables-save iptables-restore; do
      ln -sf "$(PATH=$path command -v "${tool/tables/tables-legacy}")" "$CONTAINER_ENGINE_RUN/bin/$tool"
    done
    path=$CONTAINER_ENGINE_RUN/bin:$path
  fi
  echo "$path"
}

container_engine_user() { mkdir -p "$CONTAINER_ENGINE_RUN/users" && echo "${2:-$STATE}" > "$CONTAINER_ENGINE_RUN/users/$1"; }

# leave_container_engine USER: stops the container engine when its last user leaves, if it was started here.
leave_container_engine() {
  [ -d "$CONTAINER_ENGINE_RUN/users" ] && is_root || return 0
  exec {lock}> "$CONTAINER_ENGINE_RUN/lock"
  flock "$lock"
  rm -f "$CONTAINER_ENGINE_RUN/users/$1"
  local user
  for user in "$CONTAINER_ENGINE_RUN"/users/*; do # an installation whose folder was deleted by hand no longer counts
    [ ! -e "$user" ] || [ -e "$(cat "$user")" ] || rm -f "$user"
  done
  if [ -z "$(ls -A "$CONTAINER_ENGINE_RUN/users")" ] && alive "$CONTAINER_ENGINE_RUN/dockerd.process"; then
    step "stopping the container engine: no installation uses it any more"
    end "$CONTAINER_ENGINE_RUN/dockerd.process" 30
    # Containers in the host's network leave the mount of it behind.
    umount "$CONTAINER_ENGINE_RUN"/exec/netns/* 2>/dev/null || true
    rm -rf "$CONTAINER_ENGINE_RUN/exec" "$CONTAINER_ENGINE_SOCKET"
  fi
  flock -u "$lock"
}

# container_engine_ids SOCKET PATH: the ids in a list returned by the container engine; extracting them needs no JSON parser.
container_engine_ids() { container_engine_get "$1" "$2" | grep -o '"Id":"[0-9a-f:sh]*"' | cut -d'"' -f4; }

# Everything of an installation is found by its label.
stop_containers() { # SOCKET ID
  local filter="%7B%22label%22%3A%5B%22portal.installation%3D$2%22%5D%7D" container
  for container in $(container_engine_ids "$1" "/containers/json?filters=$filter"); do
    curl -s -o /dev/null --max-time 40 -X POST --unix-socket "$1" "http://engine/containers/$container/stop?t=10" &
  done
  wait
}

remove_from_container_engine() { # SOCKET ID
  local filter="%7B%22label%22%3A%5B%22portal.installation%3D$2%22%5D%7D" thing
  for thing in $(container_engine_ids "$1" "/containers/json?all=true&filters=$filter"); do
    curl -s -o /dev/null --max-time 40 -X DELETE --unix-socket "$1" "http://engine/containers/$thing?force=true&v=true"
  done
  for thing in $(container_engine_ids "$1" "/networks?filters=$filter"); do
    curl -s -o /dev/null --max-time 40 -X DELETE --unix-socket "$1" "http://engine/networks/$thing"
  done
}

# Every rule made by Jobs contains the prefix of the installation's bridges.
forget_firewall() {
  local tool rule table=filter
  for tool in iptables ip6tables iptables-legacy ip6tables-legacy; do
    have "$tool-save" || continue
    while read -r rule; do
      case $rule in
        \**) table=${rule#\*} ;;
        "-A "*"p${ID:0:5}"*) xargs "$tool" -w 10 -t "$table" -D <<< "${rule#-A }" 2>/dev/null || true ;; # xargs handles the quotes of a rule comment
      esac
    done < <("$tool-save" 2>/dev/null)
  done
}
