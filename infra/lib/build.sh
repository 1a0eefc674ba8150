# shellcheck shell=bash
# Builds the programs from source. All output goes to the state folder: the checkout may be inside a private home folder or
# belong to another user, so nothing is written to it.

# The parts of these scripts that run with the programs, from the state folder.
SUPERVISOR=(supervise common.sh processes.sh)

# One hash over everything the published programs are made from, including the SDK.
inputs_hash() {
  (
    cd "$ROOT" || exit
    {
      echo "$SDK"
      find Portal Portal.Core Portal.Jobs infra/images \( -name bin -o -name obj -o -name node_modules \) -prune -o -type f -print0 |
        LC_ALL=C sort -z | xargs -0 sha256sum
      sha256sum global.json ./*.props ./*.txt .editorconfig infra/lib/build.sh "${SUPERVISOR[@]/#/infra/lib/}"
    } | sha256sum | cut -d' ' -f1
  )
}

# publish: puts web and jobs into STATE/app, with image recipes and fonts. Does nothing when the inputs have not changed.
# The new version is built beside the old one and replaces it only when it is complete.
publish() {
  local hash new=$STATE/app/new
  hash=$(inputs_hash)
  if [ "$(cat "$STATE/app/inputs" 2>/dev/null || true)" = "$hash" ]; then return 0; fi
  step "building (takes a minute the first time)"
  rm -rf "$new" && mkdir -p "$new"
  publish_one web Portal/Portal.csproj
  publish_one jobs Portal.Jobs/Portal.Jobs.csproj
  cp -R "$ROOT/infra/images" "$new/images"
  mkdir "$new/lib" && cp "${SUPERVISOR[@]/#/$LIB/}" "$new/lib/"
  make_fonts "$new/web/wwwroot/fonts"
  chmod -R u=rwX,go=rX "$new"
  stop_programs # only now: until here the old version keeps responding
  for part in web jobs images lib; do rm -rf "${STATE:?}/app/$part" && mv "$new/$part" "$STATE/app/$part"; done
  rm -rf "$new"
  echo "$hash" > "$STATE/app/inputs"
}

# Restored from the lock files. Analyzers run in infra/test; here they would only take time.
publish_one() { # NAME PROJECT
  dotnet_in "$ROOT" publish "$2" -c Release -o "$new/$1" -p:RestoreLockedMode=true -p:RunAnalyzers=false ||
    die "$2 could not be built" "The output above says why. NU1301 or NU1900: the package feed in your NuGet.Config, or the public one, cannot be reached."
}

# dotnet_in FOLDER COMMAND…: quiet unless it fails. MinVer calls git, which refuses a checkout owned by another user.
# No compiler server may stay behind: it would hold memory, and our lock, for a quarter of an hour.
dotnet_in() {
  local folder=$1 out
  shift
  if ! out=$([ -z "${STATE_LOCK:-}" ] || exec {STATE_LOCK}>&-
    cd "$folder" && MSBUILDDISABLENODEREUSE=1 GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0="$ROOT" DOTNET_NOLOGO=1 \
    DOTNET_CLI_TELEMETRY_OPTOUT=1 dotnet "$@" -p:UseSharedCompilation=false --artifacts-path "${PORTAL_BUILD:-$STATE/build}" -v quiet 2>&1); then
    printf '%s\n' "$out" | tail -40 >&2
    return 1
  fi
}

# The two fonts are Debian's, compressed for browsers. Without them the pages use the system's fonts.
make_fonts() {
  local folder=$1 from=/usr/share/fonts/truetype work
  have woff2_compress || return 0
  work=$(mktemp -d)
  mkdir -p "$folder"
  cp "$from/inter-vf/Inter-roman.var.ttf" "$work/inter.ttf" 2>/dev/null || true
  cp "$from/jetbrains-mono/JetBrainsMono-Regular.ttf" "$work/mono.ttf" 2>/dev/null || true
  for font in "$work"/*.ttf; do
    [ ! -e "$font" ] || woff2_compress "$font" >/dev/null 2>&1 || true
  done
  find "$work" -name '*.woff2' -exec cp {} "$folder/" \;
  rm -rf "$work"
}

# If the accounts cannot reach dotnet (under /root, say), copy it: the runtime only, not the SDK.
find_runtime() {
  DOTNET=$(readlink -f "$(command -v dotnet)")
  ! is_root || as "$WEB" test -x "$DOTNET" && return 0
  local from
  from=$(dirname "$DOTNET")
  if ! [ -x "$STATE/app/dotnet/dotnet" ] || [ "$(cat "$STATE/app/dotnet/sdk" 2>/dev/null || true)" != "$SDK" ]; then
    rm -rf "$STATE/app/dotnet" && mkdir -p "$STATE/app/dotnet"
    cp -R "$from/dotnet" "$from/host" "$from/shared" "$STATE/app/dotnet/"
    chmod -R go=rX "$STATE/app/dotnet"
    echo "$SDK" > "$STATE/app/dotnet/sdk"
  fi
  DOTNET=$STATE/app/dotnet/dotnet
}

# The container engine's default seccomp profile, from Debian's package; ours is derived from it. Fetched once.
get_seccomp() { # FILE
  [ ! -s "$1" ] || return 0
  local work out
  work=$(mktemp -d)
  if out=$(cd "$work" && apt-get download -qq -o APT::Sandbox::User=root golang-github-docker-docker-dev 2>&1 &&
    dpkg -x golang-github-docker-docker-dev_*.deb . 2>&1); then
    cp "$work/usr/share/gocode/src/github.com/docker/docker/profiles/seccomp/default.json" "$1.new" && mv "$1.new" "$1"
  else
    warn "the container engine's seccomp profile could not be fetched (apt-get download golang-github-docker-docker-dev): $(tail -1 <<< "$out")"
  fi
  rm -rf "$work"
  [ -s "$1" ]
}
