# shellcheck shell=bash
# shellcheck disable=SC2153 # SETTINGS is set for each call
# Database, jobs and web, each under its own supervisor and in its own session.

# start_program NAME COMMAND…: its environment is exactly SETTINGS (one NAME=VALUE per line).
start_program() {
  local name=$1 log=$STATE/log/$1.log settings
  shift
  if alive "$RUN/$name.supervisor"; then return 0; fi
  end "$RUN/$name.process" 20 # still running if only its supervisor was killed
  mapfile -t settings < <(grep . <<< "$SETTINGS")
  (
    [ -z "${STATE_LOCK:-}" ] || exec {STATE_LOCK}>&-
    cd /
    # shellcheck disable=SC2094 # the supervisor gets the log by name, and its own output goes there too
    exec env -i "${settings[@]}" setsid "${SUPERVISE:-$STATE/app/lib/supervise}" "$name" "$RUN" "$log" "$@" < /dev/null >> "$log" 2>&1
  ) &
  wait_for 10 alive "$RUN/$name.supervisor" || die "the supervisor of $name did not start" "See $STATE/log/$name.log"
}

end_program() { # NAME SECONDS
  end "$RUN/$1.supervisor" "$2"
  end "$RUN/$1.process" "$2"
  rm -f "$RUN/$1.restarts"
}

start_database() { # [SETTING=VALUE…]
  local prefix
  mapfile -t prefix < <(prefix_of "$DB")
  make_postgres "$STATE/pg" "$RUN/pg" "$DB" "$WEB" "$@"
  # INT means fast shutdown; on TERM PostgreSQL would wait for every client to disconnect.
  SETTINGS="PATH=/usr/bin:/bin
LANG=C.UTF-8
STOP_SIGNAL=INT" start_program db "${prefix[@]}" "$PGBIN/postgres" -D "$STATE/pg"
  wait_for 60 postgres_answers "$RUN/pg" || die "PostgreSQL did not start" "See $STATE/log/db.log"
  make_roles "$RUN/pg"
  make_database "$RUN/pg"
}

# One-off commands of Portal.Jobs, run in its environment.
jobs_verb() { # DATABASE_USER VERB…
  local user=$1 settings
  shift
  mapfile -t settings < <(jobs_settings "$user" | grep .)
  (cd / && env -i "${settings[@]}" "$DOTNET" "$STATE/app/jobs/Portal.Jobs.dll" "$@")
}

start_jobs() {
  SETTINGS=$(jobs_settings) start_program jobs "$DOTNET" "$STATE/app/jobs/Portal.Jobs.dll"
}

# The web process may use nothing on this machine but its own folder: no groups, no capabilities, no way to gain them.
start_web() {
  local prefix
  mapfile -t prefix < <(prefix_of "$WEB")
  SETTINGS=$(web_settings) start_program web "${prefix[@]}" "$DOTNET" "$STATE/app/web/Portal.dll" --contentRoot "$STATE/app/web"
}

stop_programs() {
  end_program web 15
  end_program jobs 20
}

health_words() {
  local code=${HEALTH##*$'\n'} words=${HEALTH%$'\n'*}
  if [ "$code" = 000 ]; then echo "nothing answers at 127.0.0.1:$PORT"; else echo "/health answers $code ${words:0:300}"; fi
}

web_health() {
  HEALTH=$(curl -s --max-time 5 -w '\n%{http_code}' -H "Host: portal.localhost:$PORT" "http://127.0.0.1:$PORT/health" 2>/dev/null || true)
  [ "${HEALTH##*$'\n'}" = 200 ]
}

jobs_answer() { [ "$(curl -sf --max-time 5 --unix-socket "$RUN/jobs/jobs.sock" http://jobs/health 2>/dev/null)" = ok ]; }
