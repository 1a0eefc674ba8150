# shellcheck shell=bash
# shellcheck disable=SC2034,SC2153 # names set here are for the other scripts, and some come from files of the state
# A rig's names, addresses, secrets and namespace. Everything of it carries its id: the namespace and the host's end of the link to it,
# labels of containers, and the folder.

REGION=RegionOne
PROJECTS=(informatics mathematics)
LABEL=portal.openstack

# rig_names: sets STATE, and ID and NAMESPACE once the rig exists.
rig_names() {
  STATE=$(realpath -m "${PORTAL_OPENSTACK_STATE:-/var/lib/portal-openstack}")
  case $STATE in
    / | /var | /var/lib | /home | /root | /tmp | /usr | /etc)
      die "PORTAL_OPENSTACK_STATE=$STATE is a system folder" "Use a separate folder, such as /var/lib/portal-openstack." ;;
  esac
  ETC=$STATE/etc LOG=$STATE/log RUN=$STATE/run DONE=$STATE/done
  SHARES=$STATE/gpfs GUESTS_DISK=$STATE/guests
  ID=
  [ ! -r "$STATE/id" ] || ID=$(cat "$STATE/id")
  [ -z "$ID" ] || rig_names_of_id
}

rig_names_of_id() {
  [[ $ID =~ ^[a-z][a-z0-9]{9}$ ]] || die "$STATE/id does not contain a rig's id" "Set PORTAL_OPENSTACK_STATE to another folder, or remove this one."
  NAMESPACE=os$ID
  # shellcheck source=/dev/null
  [ ! -r "$STATE/addresses" ] || . "$STATE/addresses"
}

installed() { [ -n "$ID" ]; }

make_rig_state() {
  mkdir -p "$STATE"
  if ! installed; then
    [ -z "$(ls -A "$STATE")" ] || die "$STATE is not empty and is not a rig" "Set PORTAL_OPENSTACK_STATE to another folder."
    ID=$(random_id)
    echo "$ID" > "$STATE/id.new" && mv "$STATE/id.new" "$STATE/id"
    rig_names_of_id
  fi
  chmod 711 "$STATE"
  mkdir -p "$ETC/placement" "$LOG" "$RUN" "$DONE" "$STATE"/{credentials,lib/images,lib/glance-staging,lib/glance-tasks,lib/instances,lock,keystone,bin,fetch}
  chmod 700 "$ETC" "$LOG" "$RUN" "$STATE/credentials" "$STATE/lib" "$STATE/keystone"
  chmod 711 "$STATE/fetch"
  make_secrets
}

# One NAME=VALUE per line. HEAT_KEY must have 32 characters, so all have.
make_secrets() {
  local name
  if ! [ -s "$STATE/secrets" ]; then
    (
      umask 077
      for name in DATABASE QUEUE SERVICE ADMIN HEAT_DOMAIN "${PROJECTS[@]^^}"; do echo "${name}_PASSWORD=$(secret)"; done
      echo "HEAT_KEY=$(secret)"
    ) > "$STATE/secrets.new"
    chmod 600 "$STATE/secrets.new"
    mv "$STATE/secrets.new" "$STATE/secrets"
  fi
  # shellcheck source=/dev/null
  . "$STATE/secrets"
}

secret() { od -An -tx1 -N16 /dev/urandom | tr -d ' \n'; }

in_rig() { ip netns exec "$NAMESPACE" "$@"; }
engine() { "$DOCKER" -H "unix://$CONTAINER_ENGINE" "$@"; }

# find_docker: sets DOCKER, the container engine's client.
find_docker() {
  DOCKER=$(PATH=/usr/bin:/usr/local/bin:$PATH type -P docker) || die "the client of the container engine is missing" "apt-get install docker.io"
}

# find_engine: sets CONTAINER_ENGINE to the one that answers, if any does; none is started.
find_engine() {
  local socket
  CONTAINER_ENGINE=
  for socket in $(container_engine_sockets); do
    if container_engine_answers "$socket"; then CONTAINER_ENGINE=$socket; find_docker; return 0; fi
  done
}

# choose_addresses: a /30 for the link between host and rig, whose second address is that of all APIs, and the range of the guests.
# Both are chosen once and kept; they must be free, so that no other rig and nothing of the host has them.
choose_addresses() {
  [ -z "${API:-}" ] || return 0
  local number try third base guests
  number=$(cksum <<< "$ID" | cut -d' ' -f1)
  for try in {0..63}; do
    third=$(((number + try * 977) % 32768 * 4))
    base=198.$((18 + third / 65536)).$((third / 256 % 256))
    third=$((third % 256))
    ! is_free "$base.$third/30" || break
    [ "$try" -lt 63 ] || die "no free range for the rig's link was found in 198.18.0.0/15"
  done
  guests=${PORTAL_OPENSTACK_GUESTS:-}
  if [ -z "$guests" ]; then
    for try in {216..249}; do # those below belong to the tests and the embedded default
      guests=10.$try.0.0/16
      ! is_free "$guests" || break
    done
  fi
  [[ $guests =~ ^[0-9]+\.[0-9]+\.0\.0/16$ ]] || die "PORTAL_OPENSTACK_GUESTS=$guests is not a /16" "For example: 10.230.0.0/16."
  is_free "$guests" || die "the range $guests is in use on this machine" "Set PORTAL_OPENSTACK_GUESTS to a free one, such as 10.230.0.0/16."
  printf '%s\n' "HOST=$base.$((third + 1))" "API=$base.$((third + 2))" "GUESTS=$guests" > "$STATE/addresses.new"
  mv "$STATE/addresses.new" "$STATE/addresses"
  # shellcheck source=/dev/null
  . "$STATE/addresses"
}

# is_free RANGE: no route but the default one leads into the range or covers it, and no stopped rig has it.
is_free() {
  [ -z "$(ip -4 route show table all root "$1" | grep -v '^default'; ip -4 route show table all match "$1" | grep -v '^default')" ] || return 1
  ! grep -qsxF "$1" /run/portal-openstack-guests/* 2>/dev/null
}

# make_namespace: every service, bridge and firewall rule of the rig is in there. Safe to repeat.
make_namespace() {
  local lock
  exec {lock}> /run/lock/portal-openstack.lock
  flock "$lock"
  choose_addresses
  mkdir -p /run/portal-openstack-guests && echo "$GUESTS" > "/run/portal-openstack-guests/$ID"
  ip netns list | grep -qw "^$NAMESPACE" || ip netns add "$NAMESPACE"
  in_rig ip link set lo up
  in_rig ip addr replace 169.254.169.254/32 dev lo
  [ -e "/sys/class/net/$NAMESPACE" ] || ip link add "$NAMESPACE" type veth peer name host0 netns "$NAMESPACE"
  ip addr replace "$HOST/30" dev "$NAMESPACE"
  ip link set "$NAMESPACE" up
  in_rig ip addr replace "$API/30" dev host0
  in_rig ip link set host0 up
  in_rig ip route replace default via "$HOST"
  ip route replace "$GUESTS" via "$API" dev "$NAMESPACE"
  exec {lock}>&-
  # Frames between two guests of one network are none of the firewall's business.
  in_rig sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward; [ ! -e /proc/sys/net/bridge ] || echo 0 > /proc/sys/net/bridge/bridge-nf-call-iptables'
  make_rig_firewall
}

# This host reaches guests and APIs; guests reach the APIs, the file server and the metadata listener, and the host only to
# answer it. Nothing else passes: neither what the host would forward from elsewhere, nor from one network of guests to another.
make_rig_firewall() {
  in_rig iptables-restore -w 10 <<RULES
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i host0 ! -s $HOST -j DROP
-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A FORWARD -i host0 -s $HOST -d $GUESTS -j ACCEPT
COMMIT
RULES
  local side
  for side in -i -o; do
    iptables -w 10 -C FORWARD "$side" "$NAMESPACE" -j DROP 2>/dev/null || iptables -w 10 -I FORWARD "$side" "$NAMESPACE" -j DROP
  done
}

# The link and the host's routes go with the namespace. It is gone only when no process is left in it.
remove_namespace() {
  local side
  for side in -i -o; do
    while iptables -w 10 -D FORWARD "$side" "$NAMESPACE" -j DROP 2>/dev/null; do :; done
  done
  ip link del "$NAMESPACE" 2>/dev/null || true
  ! ip netns list | grep -qw "^$NAMESPACE" || ip netns del "$NAMESPACE"
}

# mount_file FILE FOLDER BYTES: btrfs in a sparse file.
mount_file() {
  mkdir -p "$2"
  mountpoint -q "$2" && return 0
  [ -s "$1" ] || make_disk "$1" "$3" || die "mkfs.btrfs failed on $1" "btrfs-progs must be installed, and a sparse file of $3 bytes must be allowed."
  mount -t btrfs -o loop,noatime "$1" "$2" || die "$1 could not be mounted" "The kernel needs btrfs and a free loop device."
}
