# shellcheck shell=bash
# Processes that we started, each recorded in a file as "pid start-time". A pid alone is not enough: after a crash or reboot it
# may belong to another process, and only the kernel's start time tells them apart.

start_time() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  stat=${stat##*) } # the name in brackets may hold spaces
  # shellcheck disable=SC2086
  set -- $stat
  [ "$1" != Z ] || return 1
  echo "${20}"
}

remember() { # FILE PID
  local began
  began=$(start_time "$2") || return 1
  printf '%s %s\n' "$2" "$began" > "$1.new" && mv "$1.new" "$1"
}

# alive FILE: whether the recorded process is still running.
alive() {
  local pid began
  { read -r pid began < "$1"; } 2>/dev/null || return 1
  [ "$(start_time "$pid" || true)" = "$began" ]
}

pid_in() {
  local pid rest
  # shellcheck disable=SC2034
  read -r pid rest < "$1" && echo "$pid"
}

gone() { ! alive "$1"; }

# end FILE SECONDS [SIGNAL]: sends the signal, waits, then kills; removes the file.
end() {
  local file=$1 patience=$2 signal=${3:-TERM}
  if alive "$file"; then
    kill "-$signal" "$(pid_in "$file")" 2>/dev/null || true
    if ! wait_for "$patience" gone "$file"; then
      kill -KILL "$(pid_in "$file")" 2>/dev/null || true
      wait_for 5 gone "$file" || warn "process $(pid_in "$file") could not be ended"
    fi
  fi
  rm -f "$file"
}
