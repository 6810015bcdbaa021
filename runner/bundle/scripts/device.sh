#!/bin/sh
# Runs on the device itself: `sh suite/device.sh`, started by run.sh, run.bat or a device farm. Needs sh and
# nothing else that some phone might lack: hashes and the archive are made by ./batch_runner.
#
#   sh device.sh            run what has not run yet, then write results.zip
#   sh device.sh check      only see whether everything arrived as it was sent (exit 6 where it did not)
#   sh device.sh collect    only write results.zip, of what has run so far
#
# One at a time: what still runs in this folder is ended by whoever starts it anew.
# Exit: 0 done, 2 not in its folder, 3 nothing can run here, 5 no room or not writable, 6 damaged on the way;
# 129, 130, 143 ended by a signal.
set -u
cd "$(dirname "$0")" || exit 2
. ./settings.sh || exit 2
suite=$(pwd)
work=${suite%/*}/work # beside us, so that what is sent to a device never holds what ran elsewhere
tries=3 # of one batch, which may be what ends the device
tried= # how often the batch in hand was begun before
runner=
watcher=
umask 022

forgive() { # the batch in hand is not to blame
  [ -z "$tried" ] || echo "$tried" >"$place/tries"
}

fail() {
  code=$1
  shift
  forgive
  echo "$*" >&2
  exit "$code"
}

why() { # FILE: what the runner said last, in its own words
  sed -nE 's/.*"message":"(([^"\\]|\\.)*)".*/\1/p' "$1" 2>/dev/null | tail -n 1 | cut -c 1-600
}

alone() { # a cable that is pulled ends the shell that adb started, and not always what that shell has started
  owner=$(cat "$work/owner" 2>/dev/null)
  for wait in 1 2 3 4 5 6; do
    [ -n "$owner" ] && [ "$owner" != $$ ] && grep -q device.sh "/proc/$owner/cmdline" 2>/dev/null || break
    [ "$wait" -gt 1 ] || echo "it runs in this folder already: that is ended, and goes on here"
    [ "$wait" -lt 6 ] && kill "$owner" || kill -9 "$owner"
    sleep 1
  done 2>/dev/null
}

ended() { # CODE: by a signal, for which no batch is to blame
  forgive
  kill $runner $watcher 2>/dev/null
  trap - EXIT
  echo "ended; the same command goes on with batch $batch" >&2
  exit "$1"
}

check() {
  for tool in sed xargs cmp grep find sort wc cut head tail cp; do
    command -v $tool >/dev/null || fail 3 "this device has no '$tool', which this script needs"
  done
  chmod 755 batch_runner || fail 5 "this folder is not writable: copy it to one that is"
  said=$(./batch_runner version 2>&1) || fail 3 "the runner does not start here ($said): this bundle is for $kind, \
and its folder must allow programs (/sdcard does not: use /data/local/tmp, or Termux's home)"
  sed 's/^[0-9a-f]*  //' SHA256SUMS | xargs ./batch_runner sha256 2>/dev/null | cmp -s - SHA256SUMS ||
    fail 6 "a file of the bundle is not what it was: unpack or push it again"
}

property() { # NAME VALUE
  [ -z "$2" ] || printf '[%s]: [%s]\n' "$1" "$2"
}

describe() { # by a list of names: a serial number, a user or an account is in none of them
  for name in ro.product.manufacturer ro.product.model ro.soc.model ro.board.platform ro.hardware \
    ro.soc.manufacturer ro.build.version.release ro.build.version.sdk ro.build.fingerprint \
    ro.build.version.security_patch ro.product.cpu.abi ro.kernel.loopback ro.hardware.gpu; do
    property "$name" "$(getprop $name 2>/dev/null | head -n 1)"
  done
  property bundle.gles "$(dumpsys SurfaceFlinger 2>/dev/null | sed -n 's/.*\(GLES: .*\)/\1/p' | head -n 1)"
  property bundle.system "$(uname -s) $(uname -m)"
  property bundle.date "$(date -u +%Y-%m-%d)"
}

heat() { # Android's thermal status, 0 (none) to 6 (shutdown); empty where nothing tells
  dumpsys thermalservice 2>/dev/null | sed -n 's/.*Thermal Status: *\([0-9]\).*/\1/p' | head -n 1
}

cool_down() { # at most five minutes
  waits=0
  while [ "$waits" -lt 15 ]; do
    status=$(heat)
    [ "${status:-0}" -ge 2 ] || break
    [ "$waits" -gt 0 ] || echo "the device is hot (thermal status $status): waiting for it to cool down"
    sleep 20
    waits=$((waits + 1))
  done
}

answered() {
  echo $(($(cat "$work"/batches/*/results 2>/dev/null | wc -l)))
}

progress() { # ends with the one who started it; a sleep holds no end of our pipes, or adb would wait for it
  ticks=0
  while kill -0 $$ 2>/dev/null; do
    sleep 1 </dev/null >/dev/null 2>&1
    ticks=$((ticks + 1))
    [ $((ticks % 5)) = 0 ] || continue
    n=$(answered)
    left=
    [ "$n" -le "$before" ] || left=", about $((ticks * (runs - n) / (n - before) / 60 + 1)) min left"
    echo "$n of $runs runs$left"
  done
}

collect() {
  (
    cd "$work" || exit 5
    find bundle.json device batches -type f | grep -E '/(results|thermal|out/[0-9]+)$|^(bundle.json|device)$' |
      sort | xargs "$suite/batch_runner" sha256 >SHA256SUMS && "$suite/batch_runner" zip ../results.zip SHA256SUMS
  ) || fail 5 "results.zip cannot be written: free some room and run again (what has run is kept)"
  echo "results.zip is written: $(answered) of $runs runs. Send it back."
}

works() { # the first batch is one sum, which every device can do
  grep -q '"id":0,"status":"ok"' "$work/batches/0000/results" 2>/dev/null
}

stop_if_refused() {
  works && return
  collect
  fail 3 "the $accelerator of this device does not add two numbers with this LiteRT, so nothing else is tried: \
$(why "$work/batches/0000/results")"
}

run_batch() {
  place=$work/batches/$batch
  while [ ! -f "$place/done" ]; do
    tried=$(cat "$place/tries" 2>/dev/null)
    tried=${tried:-0}
    [ "$tried" -lt $tries ] || { echo "batch $batch was cut $tries times: going on without the rest of it"; return; }
    rm -rf "$place/results" "$place/out" "$work/objects"
    mkdir -p "$place" "$work/objects" || fail 5 "this folder is not writable, or full: $work"
    echo $((tried + 1)) >"$place/tries"
    cp "batches/$batch/manifest" "batches/$batch/pack" "$place/" || fail 5 "no room: free $room_mb MB and run again"
    sync # the number of tries must outlive a device that goes down
    cool_down
    heat >"$place/thermal"
    # Beside us, as a signal is heard at once only while we wait. A relative path: an absolute one may hold a colon.
    LD_LIBRARY_PATH=lib ./batch_runner run "$place" "$work/objects" lib >"$place/said" </dev/null &
    runner=$!
    wait $runner
    code=$?
    runner=
    rm -rf "$work/objects" "$place/pack" "$place/log"
    case $code in
    0 | 4) true >"$place/done" || fail 5 "no room: free $room_mb MB and run again" ;; # 4: its time is over; what it has is kept
    3) fail 3 "LiteRT does not start here: $(why "$place/said")" ;;
    5 | 6) # 6: not even for the lines of the runner
      said=$(why "$place/said")
      fail 5 "no room: free $room_mb MB and run again${said:+ ($said)}"
      ;;
    2) fail 5 "batch $batch cannot run: $(why "$place/said")" ;;
    *) echo "batch $batch was ended from outside (exit code $code), perhaps for its memory: trying it again" ;;
    esac
    tried=
  done
}

check
[ "${1:-}" != check ] || exit 0
alone
cmp -s bundle.json "$work/bundle.json" || rm -rf "$work" # of another bundle, which was here before
mkdir -p "$work/batches" && echo $$ >"$work/owner" || fail 5 "this folder is not writable, or full: $work"
cp bundle.json "$work/bundle.json" || fail 5 "no room: free $room_mb MB and run again"
describe >"$work/device"
if [ "${1:-}" != collect ]; then
  set -- $(df -kP . 2>/dev/null | tail -n 1)
  case "${4:-}" in
  '' | *[!0-9]*) free=unknown ;;
  *)
    free="$(($4 / 1024)) MB"
    [ $(($4 / 1024)) -ge "$room_mb" ] || free="$free, which may be too little: then it stops, and goes on where there is more"
    ;;
  esac
  echo "room: $room_mb MB beside the bundle itself; free here: $free"
  echo "time: $runs runs, $minutes on a phone (an estimate); heat: the $accelerator works all that time, so plug it in"
  echo "a hot device is given time to cool; interrupt as you like, the same command goes on where it was"
  works || rm -rf "$work/batches/0000"
  before=$(answered)
  batch=0000
  progress &
  watcher=$!
  trap 'kill $watcher 2>/dev/null' EXIT # where a batch cannot run
  trap 'ended 129' HUP
  trap 'ended 130' INT
  trap 'ended 143' TERM
  run_batch
  stop_if_refused
  for batch in $(ls batches); do
    run_batch
  done
  kill $watcher
fi
collect
