# shellcheck shell=bash
# shellcheck disable=SC2153 # RUN, LOG and the like are set by rig.sh
# Services in the rig's namespace, each in its own session with a log and a file that records its process; only `up` restarts them.

# service NAME [VARIABLE=VALUE…] COMMAND…: starts it unless it is running. What a killed one left in its session is ended first.
service() {
  local name=$1
  shift
  if alive "$RUN/$name.process"; then return 0; fi
  end_session "$name" KILL
  mv -f "$LOG/$name.log" "$LOG/$name.log.1" 2>/dev/null || true
  (
    [ -z "${STATE_LOCK:-}" ] || exec {STATE_LOCK}>&-
    cd /
    exec env -i PATH="$RIG_PATH" HOME="$STATE/lib" LANG=C.UTF-8 PYTHONWARNINGS=ignore PYTHONDONTWRITEBYTECODE=1 \
      DOCKER_HOST="unix://$CONTAINER_ENGINE" setsid ip netns exec "$NAMESPACE" env "$@" < /dev/null > "$LOG/$name.log" 2>&1
  ) &
  echo $! > "$RUN/$name.session"
  remember "$RUN/$name.process" $! || true
}

# Only processes in the namespace are ended: after a reboot the session's number may be somebody else's.
end_session() { # NAME SIGNAL
  local session process
  session=$(cat "$RUN/$1.session" 2>/dev/null) || return 0
  for process in $(ip netns pids "$NAMESPACE" 2>/dev/null); do
    [ "$(ps -o sid= -p "$process" 2>/dev/null | tr -d ' ')" != "$session" ] || kill "-$2" "$process" 2>/dev/null || true
  done
}

# ready NAME SECONDS COMMAND…: until the command succeeds; says why if the service ends before.
ready() {
  local name=$1 until=$((SECONDS + $2))
  shift 2
  until "$@" > /dev/null 2>&1; do
    if ! alive "$RUN/$name.process"; then service_failed "$name" "ended"; fi
    [ $SECONDS -lt $until ] || service_failed "$name" "is not ready"
    sleep 0.2
  done
}

service_failed() {
  tail -25 "$LOG/$1.log" >&2
  die "$1 $2" "The end of its log is above; the whole log is $LOG/$1.log."
}

answers() { curl -s -o /dev/null --noproxy '*' --max-time 5 "http://$API:$1/"; }

# once NAME COMMAND…: a step that a state folder needs one time, repeated from its beginning if it was cut short.
once() {
  local name=$1
  shift
  [ ! -e "$DONE/$name" ] || return 0
  if ! "$@" > "$LOG/$name.log" 2>&1; then
    tail -15 "$LOG/$name.log" >&2
    die "$name failed" "The end of its output is above; the whole output is $LOG/$name.log."
  fi
  touch "$DONE/$name"
}

# end_services SECONDS NAME…: asks all, waits for all, then ends what is left of their sessions.
end_services() {
  local name until=$((SECONDS + $1))
  shift
  for name; do end_session "$name" TERM; done
  for name; do
    while alive "$RUN/$name.process" && [ $SECONDS -lt $until ]; do sleep 0.1; done
    end_session "$name" KILL
    rm -f "$RUN/$name.process" "$RUN/$name.session"
  done
}

# render FILE…: configuration from conf/ with @NAME@ replaced by that variable. What runs with another one is ended, and starts with the new.
render() {
  local file text name process
  for file; do
    text=$(cat "$RIG/conf/$file")
    while [[ $text =~ @([A-Z_]+)@ ]]; do
      name=${BASH_REMATCH[1]}
      [ -n "${!name:-}" ] || die "conf/$file names $name, which has no value"
      text=${text//"@$name@"/"${!name}"}
    done
    ! cmp -s - "$ETC/$file" <<< "$text" || continue
    for process in "$RUN/${file%.conf}"*.process; do
      [ ! -e "$process" ] || end_services 20 "$(basename "$process" .process)"
    done
    (umask 077 && printf '%s\n' "$text" > "$ETC/$file.new" && mv "$ETC/$file.new" "$ETC/$file")
  done
}

of() { printf '%s\n' --config-file "$ETC/common.conf" --config-file "$ETC/$1.conf"; }

# database NAME…: the schema commands cannot continue where one was killed, so a database that is not finished is made anew.
database() {
  local name
  for name; do sql <<< "drop database if exists $name; create database $name character set utf8mb3"; done
}

sql() { mariadb --no-defaults -uroot -S "$RUN/mariadb.sock"; } # reads statements

# Without these two settings a client that keeps its connection sees it reset.
wsgi() { # NAME PORT FILE PROCESSES VARIABLE=VALUE
  service "$1" "$5" uwsgi_python3 --plugins python3 --http-socket "$API:$2" --wsgi-file "$3" --master --lazy-apps --enable-threads \
    --processes "$4" --threads 4 --buffer-size 65535 --post-buffering 65536 --add-header "Connection: close" --die-on-term --no-orphans \
    --listen 100 --disable-logging
}
