# shellcheck shell=bash
# What guests are made of: the server image, and a container engine's data folder that already holds the node images.

GUEST_IMAGES=(python)

# make_images: builds what the recipes describe, as the portal does, and puts it in place. Skipped when nothing it is made from has changed.
make_images() {
  local hash references reference
  hash=$(
    cd "$ROOT" || exit
    echo "${GUEST_IMAGES[@]}"
    find infra/images/*/ Portal.Jobs/Clouds/Docker/Images -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
  )
  hash=$(sha256sum <<< "$hash")
  reference=$(cat "$GUESTS_DISK/server-image" 2>/dev/null || true)
  if [ "$hash" = "$(cat "$GUESTS_DISK/made-from" 2>/dev/null)" ] && engine image inspect "$reference" > /dev/null 2>&1; then return 0; fi
  build_images server "${GUEST_IMAGES[@]}" > "$STATE/images"
  reference=$(sed -n 's/^server=//p' "$STATE/images")
  mapfile -t references < <(grep -v '^server=' "$STATE/images" | cut -d= -f2-)
  make_base "$reference" "${references[@]}"
  echo "$reference" > "$GUESTS_DISK/server-image.new" && mv "$GUESTS_DISK/server-image.new" "$GUESTS_DISK/server-image"
  echo "$hash" > "$GUESTS_DISK/made-from"
}

build_images() { # NAME…
  local program=${PORTAL_OPENSTACK_JOBS:-} dotnet
  dotnet=$(readlink -f "$(command -v dotnet)")
  if [ -z "$program" ]; then
    new=$STATE/app publish_one jobs Portal.Jobs/Portal.Jobs.csproj >&2
    program=$STATE/app/jobs/Portal.Jobs.dll
  fi
  debian_sources trixie > "$STATE/apt-trixie.sources" || die "/etc/apt names no Debian mirror, so no image can be built here"
  (cd / && env -i PATH="$(container_engine_path)" LANG=C.UTF-8 HOME="$STATE/lib" DOTNET_ROOT="$(dirname "$dotnet")" DOTNET_NOLOGO=1 DOTNET_gcServer=0 \
    Installation__Id="$ID" Clouds__Docker__Socket="$CONTAINER_ENGINE" Clouds__Docker__Identities="$STATE/identities" \
    Images__Recipes="$ROOT/infra/images" Images__Engines="$(engines_folder)" Images__AptSources="$STATE/apt-trixie.sources" \
    Images__Fetch__Folder="$STATE/fetch" Images__Fetch__Account="$(id -u nobody)" "$dotnet" "$program" --build-images "$@")
}

# make_base SERVER_IMAGE IMAGE…: each guest gets a snapshot of this folder, so that it starts with the images loaded. Loading them takes half a
# minute, and is done by the container engine of the server image itself. The file base-images says what is in it: lines REFERENCE ID.
make_base() {
  local server=$1 name=openstack-$ID-base wanted=$* reference
  shift
  if [ "$wanted" = "$(cat "$GUESTS_DISK/base-made-from" 2>/dev/null)" ] && [ -s "$GUESTS_DISK/base-images" ]; then return 0; fi
  engine rm -f "$name" > /dev/null 2>&1 || true
  forget_subvolume "$GUESTS_DISK/base.new"
  btrfs -q subvolume create "$GUESTS_DISK/base.new"
  engine run -d --name "$name" --label "$LABEL=$ID" --cap-add=ALL --cap-drop=SYS_RESOURCE --security-opt=seccomp=unconfined \
    --security-opt=apparmor=unconfined --security-opt=systempaths=unconfined --device-cgroup-rule='a *:* rwm' --cgroupns=private \
    --network=none --tmpfs=/run:exec,mode=755 -v "$GUESTS_DISK/base.new:/var/lib/docker" "$server" > /dev/null
  wait_for 60 engine exec "$name" docker info > /dev/null 2>&1 || { engine logs "$name" >&2; die "the container engine of the server image did not start"; }
  engine save "$@" | engine exec -i "$name" docker load > /dev/null
  # The id is the one that this container engine gives the image.
  for reference; do
    echo "$reference $(engine exec "$name" docker image inspect -f '{{.Id}}' "$reference")"
  done > "$GUESTS_DISK/base-images.new"
  engine stop -t 20 "$name" > /dev/null
  engine rm "$name" > /dev/null
  forget_subvolume "$GUESTS_DISK/base"
  mv "$GUESTS_DISK/base.new" "$GUESTS_DISK/base"
  mv "$GUESTS_DISK/base-images.new" "$GUESTS_DISK/base-images"
  echo "$wanted" > "$GUESTS_DISK/base-made-from"
}

forget_subvolume() { [ ! -d "$1" ] || btrfs -q subvolume delete "$1" > /dev/null; }
