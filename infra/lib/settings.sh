# shellcheck shell=bash
# The settings of the two processes. Each gets an environment made here, one NAME=VALUE per line, and nothing from the caller's.
# An empty value means "not available"; the pages say so and why.

# memory_mib [MEMINFO CGROUP…]: memory of this machine in MiB, or the limit of the control group if that is lower.
memory_mib() {
  local meminfo=${1:-/proc/meminfo} least limit
  shift || true
  [ $# -gt 0 ] || set -- /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes
  least=$(($(sed -n 's/^MemTotal: *\([0-9]*\) kB$/\1/p' "$meminfo") / 1024))
  for limit in "$@"; do
    limit=$(cat "$limit" 2>/dev/null) || continue
    # Without a limit the file holds "max" or a number near 2^63.
    case $limit in '' | *[!0-9]*) continue ;; esac
    [ ${#limit} -gt 15 ] || [ $((limit / 1048576)) -ge "$least" ] || least=$((limit / 1048576))
  done
  echo "$least"
}

# heap_ceiling MOST [MIB]: maximum heap in hexadecimal bytes for the runtime: MIB, or an eighth of the memory, from 384 MiB to MOST.
# An allocation beyond it fails, or the process is restarted; without a maximum the whole machine could run out of memory.
heap_ceiling() {
  local mib=${2:-}
  if [ -z "$mib" ]; then
    mib=$(($(memory_mib) / 8))
    [ "$mib" -ge 384 ] || mib=384
    [ "$mib" -le "$1" ] || mib=$1
  fi
  printf '0x%x' $((mib * 1048576))
}

common_settings() { # DATABASE_USER
  cat <<SET
PATH=$(container_engine_path 2>/dev/null || echo /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
LANG=C.UTF-8
DOTNET_ROOT=$(dirname "$DOTNET")
DOTNET_NOLOGO=1
DOTNET_CLI_TELEMETRY_OPTOUT=1
DOTNET_gcServer=0
ConnectionStrings__portal=Host=$RUN/pg;Username=$1;Database=portal
Installation__Id=$ID
Installation__KeyFile=$STATE/keys/installation.key
Site__PublicUrl=http://portal.localhost:$PORT
Site__AppsDomain=apps.localhost
Jobs__Socket=$RUN/jobs/jobs.sock
Logging__LogLevel__Microsoft=Warning
Logging__LogLevel__Npgsql=Warning
Logging__LogLevel__Yarp=Warning
Logging__LogLevel__Hangfire=Warning
SET
}

web_settings() {
  common_settings portal_web
  cat <<SET
HOME=$STATE/web
DOTNET_GCHeapHardLimit=$(heap_ceiling 4096 "${PORTAL_WEB_HEAP:-}")
ASPNETCORE_ENVIRONMENT=Production
ASPNETCORE_URLS=http://127.0.0.1:$PORT
SignIn__Demo=true
DataProtection__KeysFolder=$STATE/web
SET
  site_settings
}

jobs_settings() { # [DATABASE_USER]
  common_settings "${1:-portal_jobs}"
  cat <<SET
HOME=$STATE
DOTNET_GCHeapHardLimit=$(heap_ceiling 2048 "${PORTAL_JOBS_HEAP:-}")
DOTNET_ENVIRONMENT=Production
ASPNETCORE_ENVIRONMENT=Production
Clouds__Docker__Socket=$CONTAINER_ENGINE
Clouds__Docker__Pool=${PORTAL_POOL:-10.213.0.0/16}
Clouds__Docker__SeccompBase=$SECCOMP
Clouds__Docker__ProbeUser=$(id -u "$WEB")
Clouds__LocalStorage__Folder=${DISK:-}
Clouds__LocalStorage__Mounts=$RUN/mounts
$(openstack_settings)
Catalog__Store=$STATE/templates
${PORTAL_TEMPLATES:+Catalog__Templates=$PORTAL_TEMPLATES}
Images__Recipes=$STATE/app/images
Images__Engines=$(engines_folder)
Images__AptSources=${SOURCES:-}
Images__Fetch__Folder=$STATE/fetch
Images__Fetch__Account=$(if is_root; then id -u "$GET"; else echo 0; fi)
Site__ConnectTo=127.0.0.1:$PORT
SET
  if [ -r "$STATE/clients.env" ]; then cat "$STATE/clients.env"; fi
  site_settings
}

# Mirrors, proxies and certificates for pip and Maven, from the caller's environment and home. Kept for starts that do not set
# them, such as after a reboot; a call that sets others replaces them.
keep_clients_settings() {
  local told file home='' names='PIP_[A-Z_]+|(https?|ftp|all|no)_proxy|(HTTPS?|FTP|ALL|NO)_PROXY|MAVEN_OPTS|MAVEN_ARGS'
  names+='|SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|NETRC'
  told=$(env | grep -E "^($names)=" | sort || true)
  for file in .config/pip/pip.conf .pip/pip.conf .netrc .m2/settings.xml; do
    if [ -n "${HOME:-}" ] && [ -e "$HOME/$file" ]; then home=Images__Fetch__Home=$HOME; break; fi
  done
  [ -n "$told$home" ] || return 0
  if [ -z "$told" ] && [ -r "$STATE/clients.env" ]; then told=$(grep -v '^Images__Fetch__Home=' "$STATE/clients.env" || true); fi
  (umask 077 && printf '%s\n' ${told:+"$told"} ${home:+"$home"} > "$STATE/clients.env.new" && mv "$STATE/clients.env.new" "$STATE/clients.env")
}

# archives_at_hand: whether every archive that the recipes name is available locally, so that nothing must be fetched.
archives_at_hand() {
  local folder archive
  folder=$(engines_folder)
  [ -n "$folder" ] || return 1
  while read -r _ archive; do
    [ -e "$folder/$archive" ] || return 1
  done < "$ROOT/infra/images/SHA256SUMS"
}

# get_clients: installs pip and Maven, if anything must be fetched.
get_clients() { archives_at_hand || get_packages fetch; }

# Settings that the site adds (images from its registry, say); they come last and so take precedence. Comments are skipped.
site_settings() {
  if [ -r "$STATE/settings.env" ]; then grep -E '^[A-Za-z_][A-Za-z0-9_.-]*=' "$STATE/settings.env" || true; fi
}

# The folder of archives that are not in Debian; empty if there are none, and then images are built from Debian alone.
engines_folder() {
  local folder=${PORTAL_ENGINES-$ROOT/../shared/engines}
  [ -z "$folder" ] || [ ! -d "$folder" ] || realpath "$folder"
}
