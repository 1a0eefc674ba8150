# shellcheck shell=bash
# What the two processes are told. Each gets an environment made here, one NAME=VALUE a line, and nothing of the caller's.
# A key that is left empty means "not available"; the pages say so and why.

# memory_mib [MEMINFO CGROUP…]: MiB that this machine has, or that the control group leaves of it.
memory_mib() {
  local meminfo=${1:-/proc/meminfo} least limit
  shift || true
  [ $# -gt 0 ] || set -- /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes
  least=$(($(sed -n 's/^MemTotal: *\([0-9]*\) kB$/\1/p' "$meminfo") / 1024))
  for limit in "$@"; do
    limit=$(cat "$limit" 2>/dev/null) || continue
    # Without a limit it says max, or a number near 2^63.
    case $limit in '' | *[!0-9]*) continue ;; esac
    [ ${#limit} -gt 15 ] || [ $((limit / 1048576)) -ge "$least" ] || least=$((limit / 1048576))
  done
  echo "$least"
}

# heap_ceiling MOST [MIB]: bytes, hexadecimal, for the runtime: MIB, or an eighth of the memory, at least 384 MiB and at most MOST.
# A program that reaches it meets an error where it asks for more, or is started again; without it the machine would.
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
PATH=$(engine_path 2>/dev/null || echo /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
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
Clouds__Docker__Socket=$ENGINE
Clouds__Docker__Pool=${PORTAL_POOL:-10.213.0.0/16}
Clouds__Docker__SeccompBase=$SECCOMP
Clouds__Docker__ProbeUser=$(id -u "$WEB")
Clouds__LocalStorage__Folder=${DISK:-}
Clouds__LocalStorage__Mounts=$RUN/mounts
Catalog__Store=$STATE/templates
${PORTAL_TEMPLATES:+Catalog__Templates=$PORTAL_TEMPLATES}
Images__Recipes=$STATE/app/images
Images__Engines=$(engines_folder)
Images__AptSources=$SOURCES
Site__ConnectTo=127.0.0.1:$PORT
SET
  site_settings
}

# What the site adds by the programs' own names (images of its registry, say); last, so it wins. # and blank lines are skipped.
site_settings() {
  if [ -r "$STATE/settings.env" ]; then grep -E '^[A-Za-z_][A-Za-z0-9_.]*=' "$STATE/settings.env" || true; fi
}

# Where the archives lie that Debian lacks; nothing when there are none, then images are made of Debian alone.
engines_folder() {
  local folder=${PORTAL_ENGINES-$ROOT/../shared/engines}
  [ -z "$folder" ] || [ ! -d "$folder" ] || realpath "$folder"
}
