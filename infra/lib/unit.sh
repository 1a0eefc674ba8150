# shellcheck shell=bash
# Starts the installation again after a reboot, on machines with systemd. The unit calls infra/run, which finds everything in
# the state folder. The programs stay under our own supervisor, so that there is only one way to start them.

unit_file() { echo "/etc/systemd/system/portal-$ID.service"; }

# unit_environment: the settings that infra/run got from its environment, as lines of a unit; otherwise they would be lost at a reboot.
unit_environment() {
  local name value
  for name in PORTAL_ENGINES PORTAL_POOL PORTAL_TEMPLATES PORTAL_JOBS_HEAP PORTAL_WEB_HEAP DOCKER_HOST; do
    [ -n "${!name+set}" ] || continue
    value=${!name//\\/\\\\}
    value=${value//\"/\\\"}
    printf 'Environment="%s=%s"\n' "$name" "${value//%/%%}"
  done
}

make_unit() {
  if ! is_root || ! has_systemd; then return 0; fi
  local file
  file=$(unit_file)
  cat > "$file.new" <<UNIT
[Unit]
Description=Portal installation $ID
After=network-online.target docker.service
Wants=network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
KillMode=process
Environment=PORTAL_STATE=$STATE HOME=/root PATH=$(dirname "$(command -v dotnet)"):/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
$(unit_environment)
ExecStart="$ROOT/infra/run"
ExecStop="$ROOT/infra/run" stop
TimeoutStartSec=600

[Install]
WantedBy=multi-user.target
UNIT
  if cmp -s "$file.new" "$file"; then rm "$file.new"; return 0; fi
  mv "$file.new" "$file"
  systemctl daemon-reload || true
  systemctl enable -q "portal-$ID.service" || warn "the unit portal-$ID could not be enabled; run infra/run yourself after a reboot"
}

forget_unit() {
  if ! has_systemd || ! [ -e "$(unit_file)" ]; then return 0; fi
  systemctl disable -q "portal-$ID.service" || true
  rm -f "$(unit_file)"
  systemctl daemon-reload || true
}
