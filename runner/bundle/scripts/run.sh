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
echo "$push_mb MB go to $place on the device, and are removed again at the end"
tries=0
while :; do
  "$adb" wait-for-device || exit 3
  if ! "$adb" shell "sh $place/suite/device.sh check" </dev/null >/dev/null 2>&1; then
    "$adb" shell "mkdir -p $place" </dev/null && "$adb" push suite "$place/" >/dev/null
  fi
  "$adb" shell "sh $place/suite/device.sh ${2:-}" </dev/null
  code=$?
  case $code in
  0) break ;;
  2 | 3 | 5) exit $code ;;
  130 | 143) exit $code ;;
  esac
  tries=$((tries + 1))
  [ $tries -lt 10 ] || { echo "cut ten times: look at cable and device, then run this again; it goes on" >&2; exit 4; }
  echo "the device went away, or a file was damaged on the way: waiting for it"
  sleep 2
done
"$adb" pull "$place/results.zip" results.zip.part >/dev/null && mv -f results.zip.part results.zip || exit 5
[ -n "${2:-}" ] || "$adb" shell "rm -rf $place" </dev/null
echo "$(pwd)/results.zip is what to send back"
