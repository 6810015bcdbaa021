#!/bin/sh
# Runs the bundle, from a computer with a phone on its cable (adb), or on the device itself (Termux, Linux).
#
#   sh run.sh               here if this is such a device, else over adb
#   sh run.sh here          here
#   sh run.sh adb           on the device that adb knows ($ANDROID_SERIAL where there are several; $ADB names adb)
#   sh run.sh adb collect   fetch what has run so far, without running more
set -u
cd "$(dirname "$0")" || exit 2
. suite/settings.sh || exit 2
adb=${ADB:-adb}
place=/data/local/tmp/mali-delegate-repro/bundle-$id

case "$(uname -s)-$(uname -o 2>/dev/null)-$(uname -m)" in
*-Android-aarch64) this=android-arm64 ;;
*-Android-x86_64) this=android-x86_64 ;;
Linux-*-aarch64) this=linux-aarch64 ;;
Linux-*-x86_64) this=linux-x86_64 ;;
*) this=another ;;
esac
where=${1:-}
[ -n "$where" ] || { [ "$this" = "$kind" ] && where=here || where=adb; }
[ "$where" != here ] || exec sh suite/device.sh
[ "$where" = adb ] || { echo "usage: sh run.sh [here | adb [collect]]" >&2; exit 2; }

command -v "$adb" >/dev/null || { echo "no adb here: install it (Android's platform-tools), or name it in \$ADB" >&2; exit 2; }
true 2>/dev/null >results.zip.part && rm results.zip.part || { echo "this folder is not writable: unpack the bundle in one that is" >&2; exit 5; }
echo "$push_mb MB go to $place on the device, and are removed again at the end"
fetch() { # whole, or not at all
  "$adb" pull "$place/results.zip" results.zip.part >/dev/null 2>&1 && mv -f results.zip.part results.zip &&
    echo "$(pwd)/results.zip is what to send back"
}

tries=0
while :; do
  state=$("$adb" get-state 2>&1)
  case $state in
  device) ;;
  *more\ than\ one*) echo "several devices are here: name one in ANDROID_SERIAL (adb devices lists them)" >&2; exit 3 ;;
  *) echo "waiting for the device; adb says: $state" ;;
  esac
  "$adb" wait-for-device || exit 3
  if ! "$adb" shell "sh $place/suite/device.sh check" </dev/null >/dev/null 2>&1; then
    "$adb" shell "mkdir -p $place" </dev/null && "$adb" push suite "$place/" >/dev/null || [ "$("$adb" get-state 2>&1)" != device ] || {
      echo "the bundle cannot be copied onto the device (adb says why above): free $((push_mb + room_mb)) MB there" >&2
      exit 5
    }
  fi
  "$adb" shell "exec sh $place/suite/device.sh ${2:-}" </dev/null # exec: a cable that is pulled then ends it
  code=$?
  case $code in
  0) break ;;
  3) fetch; exit 3 ;;
  2 | 5 | 130 | 143) exit $code ;;
  esac
  tries=$((tries + 1))
  [ $tries -lt 10 ] || { echo "cut ten times: look at cable and device, then run this again; it goes on" >&2; exit 4; }
  echo "the device went away, or a file was damaged on the way: waiting for it"
  sleep 2
done
fetch || { echo "results.zip cannot be fetched from the device: run 'sh run.sh adb collect'" >&2; exit 5; }
[ -n "${2:-}" ] || "$adb" shell "rm -rf $place; rmdir ${place%/*} 2>/dev/null" </dev/null
