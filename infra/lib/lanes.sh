# shellcheck shell=bash
# What each lane does. Limits are in seconds; the build and all lanes but long together are meant to end within an hour.
# A lane that reaches its limit is ended with everything it started (timeout signals its process group) and counts as failed.

# left MOST AFTER: how long a lane may take: MOST, but AFTER seconds of the 70 minutes must remain for what follows. All together are meant to take
# less than an hour; on a busy machine it is better to end late than to cut off a lane in which nothing has failed.
left() {
  local have=$((4200 - SECONDS - $2))
  echo $((have < 60 ? 60 : have < $1 ? have : $1))
}

prepare_build() { # 300
  step "restoring and building"
  timeout 60 dotnet restore --locked-mode -v quiet && timeout 240 dotnet build --no-restore -warnaserror -v quiet -nologo
}

lane_format() {
  local began=$SECONDS code=0
  timeout 200 dotnet format --no-restore --verify-no-changes >&2 || code=$?
  write_trx format "dotnet format" "$code" $((SECONDS - began))
  return $code
}

lane_unit() { run_project unit 180 tests/Portal.Tests --filter-not-trait Lane=long; }

lane_integration() {
  get_packages tests fetch browser || true
  make_testbed
  run_project integration "$(left 2150 2010)" tests/Portal.IntegrationTests --filter-not-trait Lane=long --filter-not-trait Lane=openstack \
    --filter-not-trait Lane=openstack-long
}

# The pages in a browser, on an installation made by infra/run as any user would; then the promises of infra/run itself.
lane_e2e() {
  local code=0
  get_packages browser || { write_trx e2e chromium 1 0; return 1; }
  # Building the Spark and Hadoop images keeps both cores busy for minutes: they are in lane long.
  start_installation 240 notebook dask slurm || { write_trx e2e "infra/run" 1 0; return 1; }
  run_project e2e "$(left 1400 1100)" e2e/Portal.E2E --filter-not-trait Lane=long --filter-not-trait Lane=openstack || code=$?
  check_installation e2e 150 again status crash smoke rootless || code=$?
  end_installation e2e || { code=$?; write_trx e2e "infra/run reset" 1 0; }
  return $code
}

# check_installation LANE SECONDS CHECK…: SECONDS for all checks together; each counts as one test.
check_installation() {
  local lane=$1 check until=$((SECONDS + $2)) left code=0
  shift 2
  for check; do
    left=$((until - SECONDS))
    run_script "$lane" $((left > 1 ? left : 1)) "$E2E_CHECKOUT/infra/lib/check-run" "$check" || code=1
  done
  return $code
}

# A real OpenStack from nothing to nothing: meant to take 15 minutes at most, of which five for packages that are missing; the limits leave some more.
lane_openstack() {
  local code=0
  if start_rig openstack; then
    run_script openstack 90 "$ROOT/infra/openstack/check" || code=1
    run_project openstack 480 tests/Portal.IntegrationTests --filter-trait Lane=openstack || code=1
    openstack_journey || code=1
  else code=1; fi
  end_rig || { code=1; write_trx openstack "down --wipe" 1 0; }
  [ $code -ne 0 ] || write_trx openstack "down --wipe" 0 0
  return $code
}

# start_rig LANE: and what the tests need beside it: some of them run a whole portal.
start_rig() {
  make_testbed
  RIG_STATE=$(temporary_state openstack)
  export PORTAL_OPENSTACK_STATE=$RIG_STATE PORTAL_TEST_OPENSTACK=$RIG_STATE/credentials
  PORTAL_OPENSTACK_JOBS=$(compgen -G "$ROOT/Portal.Jobs/bin/Debug/*/Portal.Jobs.dll") # just built
  export PORTAL_OPENSTACK_JOBS
  run_script "$1" 660 "$ROOT/infra/openstack/up"
}

# An installation on the rig, and a student's way through it in a browser.
openstack_journey() {
  local code=0
  get_packages browser || { write_trx openstack chromium 1 0; return 1; }
  if start_on_rig 180 notebook; then run_project openstack 420 e2e/Portal.E2E --filter-trait Lane=openstack || code=1
  else write_trx openstack "infra/run openstack" 1 0; code=1; fi
  end_installation openstack || { code=1; write_trx openstack "infra/run reset" 1 0; }
  return $code
}

# May take hours: the long tests of container engine, disk and processes, those on a rig, the slow compute engines, and
# nearly empty machines.
lane_long() {
  local code=0
  get_packages tests fetch images browser || true
  make_testbed
  run_project long 14400 tests/Portal.IntegrationTests --filter-trait Lane=long || code=1
  if start_rig long; then run_project long 3600 tests/Portal.IntegrationTests --filter-trait Lane=openstack-long || code=1
  else code=1; fi
  end_rig || code=1
  if start_installation 120; then
    run_project long 1800 e2e/Portal.E2E --filter-trait Lane=long || code=1
    check_installation long 1200 examples beside bare firewall || code=1
  else write_trx long "infra/run" 1 0; code=1; fi
  end_installation long || code=1
  export PORTAL_STATE=$TESTBED
  run_script long 1800 "$LIB/long-bare-root" || code=1
  run_script long 1800 "$LIB/long-bare-clone" || code=1
  run_script long 1800 "$LIB/long-clone-indexes" || code=1
  return $code
}

# run_project LANE SECONDS FOLDER ARGUMENT…: interprets the test platform's exit codes, so that a lane that crashed or found
# nothing to run counts as failed whatever its result file says.
run_project() {
  local lane=$1 limit=$2 folder=$3 name code=0
  shift 3
  name=$(basename "$folder")
  [ ! -e "$RESULTS/$lane/$name.trx" ] || name+=-again
  timeout --kill-after=30 "$limit" dotnet test --project "$ROOT/$folder" --no-build --no-progress --report-trx \
    --report-trx-filename "$name.trx" --results-directory "$RESULTS/$lane" "$@" >&2 || code=$?
  case $code in
    0 | 2) ;; # 2: tests failed; the result file says which
    124 | 137) write_trx "$lane" "$name ended within $limit s" 1 "$limit" ;;
    8) write_trx "$lane" "$name has tests to run" 1 0 ;;
    *) write_trx "$lane" "$name exited normally (its exit code was $code)" 1 0 ;;
  esac
  return $code
}

# run_script LANE SECONDS SCRIPT ARGUMENT…: counts as one test.
run_script() {
  local lane=$1 limit=$2 code=0 began=$SECONDS name
  shift 2
  name="$(basename "$1")${2:+ $2}"
  timeout --kill-after=60 "$limit" "$@" >&2 || code=$?
  write_trx "$lane" "$name" "$code" $((SECONDS - began))
  return $code
}

# write_trx LANE NAME CODE SECONDS: writes one test's result in the same format as the others.
write_trx() {
  local outcome=Passed passed=1 failed=0 file=$RESULTS/$1/${2//[^A-Za-z0-9]/-}.trx
  [ "$3" -eq 0 ] || outcome=Failed passed=0 failed=1
  mkdir -p "$RESULTS/$1"
  cat > "$file" <<TRX
<?xml version="1.0" encoding="utf-8"?>
<TestRun xmlns="http://microsoft.com/schemas/VisualStudio/TeamTest/2010">
  <Results><UnitTestResult testName="$2" outcome="$outcome" duration="$(printf '%02d:%02d:%02d' $(($4 / 3600)) $(($4 / 60 % 60)) $(($4 % 60)))" /></Results>
  <ResultSummary outcome="$outcome">
    <Counters total="1" executed="1" passed="$passed" failed="$failed" error="0" timeout="0" aborted="0" notExecuted="0" />
  </ResultSummary>
</TestRun>
TRX
}
