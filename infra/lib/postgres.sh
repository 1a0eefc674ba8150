# shellcheck shell=bash
# Our own PostgreSQL: its own data folder and account, a Unix socket only, and peer authentication (the kernel says who is connecting).
# The system's cluster, if there is one, is never touched.

find_postgres() {
  PGBIN=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -t/ -k5 -n | tail -1)
  [ -x "$PGBIN/postgres" ] && [ "$(basename "$(dirname "$PGBIN")")" -ge 15 ]
}

# make_postgres DATA SOCKET DB_ACCOUNT WEB_ACCOUNT [SETTING=VALUE…]: the cluster, its rules and settings; not started.
make_postgres() {
  local data=$1 socket=$2 account=$3 web=$4 setting
  shift 4
  mkdir -p "$data" "$socket"
  if is_root; then chown "$account:$account" "$data" "$socket"; fi
  chmod 700 "$data"
  chmod 755 "$socket"
  if ! [ -s "$data/PG_VERSION" ]; then
    (cd / && as "$account" "$PGBIN/initdb" -D "$data" -U postgres -A peer -E UTF8 --locale=C.UTF-8 > /dev/null) ||
      die "PostgreSQL's data folder $data could not be created" "The output above says why."
  elif [ "$(cat "$data/PG_VERSION")" != "$(basename "$(dirname "$PGBIN")")" ]; then
    PGBIN=/usr/lib/postgresql/$(cat "$data/PG_VERSION")/bin
    [ -x "$PGBIN/postgres" ] || die "the data in $data belong to PostgreSQL $(cat "$data/PG_VERSION"), which is not installed" \
      "apt-get install postgresql-$(cat "$data/PG_VERSION"), or delete the data with infra/run reset."
  fi
  # Written again on each start, so that these settings always apply.
  {
    printf "listen_addresses = ''\nunix_socket_directories = '%s'\nunix_socket_permissions = 0777\n" "$socket"
    printf 'max_connections = 100\nshared_buffers = 128MB\nlog_min_duration_statement = 500\n'
    for setting in "$@"; do printf '%s\n' "${setting/=/ = }"; done
  } > "$data/portal.conf"
  grep -q '^include .portal.conf' "$data/postgresql.conf" || echo "include 'portal.conf'" >> "$data/postgresql.conf"
  echo 'local all all peer map=portal' > "$data/pg_hba.conf"
  # The account that runs Jobs (root) may log in as Jobs, migrator and administrator; the web account only as itself.
  {
    local me role
    me=$(id -un)
    for role in postgres portal_migrator portal_jobs; do echo "portal $me $role"; done
    echo "portal $web portal_web"
    [ "$account" = "$me" ] || echo "portal $account postgres"
  } > "$data/pg_ident.conf"
  if is_root; then chown "$account:$account" "$data"/{portal.conf,postgresql.conf,pg_hba.conf,pg_ident.conf}; fi
}

# Runs as the superuser, which peer authentication allows this account.
sql() { # SOCKET DATABASE
  (cd / && PGOPTIONS='-c client_min_messages=warning' psql -X -q -A -t -v ON_ERROR_STOP=1 -h "$1" -U postgres -d "$2")
}

postgres_answers() { "$PGBIN/pg_isready" -q -h "$1"; }

# The portal's three roles; they get what Portal.Core's grants file gives them and nothing by default.
make_roles() { # SOCKET
  sql "$1" postgres <<'SQL'
do $$
declare name text;
begin
  foreach name in array array['portal_migrator', 'portal_web', 'portal_jobs'] loop
    if not exists (select from pg_roles where rolname = name) then
      execute format('create role %I login nosuperuser nocreatedb nocreaterole noinherit', name);
    end if;
  end loop;
end $$;
SQL
}

# make_database SOCKET: empty, with the two schemas, and no rights for anyone else.
make_database() {
  [ -n "$(echo "select 1 from pg_database where datname = 'portal'" | sql "$1" postgres)" ] ||
    echo 'create database portal' | sql "$1" postgres
  sql "$1" portal <<'SQL'
revoke all on database portal from public;
grant connect on database portal to portal_migrator, portal_web, portal_jobs;
revoke all on schema public from public;
create schema if not exists portal authorization portal_migrator;
create schema if not exists hangfire authorization portal_jobs;
SQL
}
