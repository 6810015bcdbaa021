#!/usr/bin/env bash
# Unpack SwiftShader's Vulkan driver from Debian's chromium-common into FOLDER, without installing the
# package. Usage: swiftshader.sh FOLDER. Exit 1 with one line when it is not to be had.
set -euo pipefail
folder=${1:?usage: swiftshader.sh FOLDER}
known=$(cd "$(dirname "$0")" && pwd)/downloads.sha256
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work" # apt's own user reads and writes here
cd "$work"
if ! apt-get download -q chromium-common >/dev/null 2>&1; then
  [ "$(id -u)" -eq 0 ] && apt-get update -q >/dev/null 2>&1
  apt-get download -q chromium-common >/dev/null 2>&1 || { echo "swiftshader: no package chromium-common in this machine's apt sources" >&2; exit 1; }
fi
package=$(echo chromium-common_*.deb)
sha256=$(sha256sum "$package" | cut -d' ' -f1)
wanted=$(awk -v name="$package" '$2 == name { print $1 }' "$known")
if [ -z "$wanted" ]; then
  echo "swiftshader: $package is not known here; its sha256 is $sha256, not checked beyond what apt does" >&2
elif [ "$sha256" != "$wanted" ]; then
  echo "swiftshader: $package came with sha256 $sha256, and $wanted is known of it: refused" >&2
  exit 1
fi
dpkg-deb --fsys-tarfile "$package" | tar -xf - --wildcards './usr/lib/chromium/*swiftshader*'
mkdir -p "$folder"
mv usr/lib/chromium/vk_swiftshader_icd.json "$folder/"
# The library last: it is what others look for, so a torn copy is never taken for a whole one.
mv usr/lib/chromium/libvk_swiftshader.so "$folder/.part"
mv "$folder/.part" "$folder/libvk_swiftshader.so"
echo "setup: SwiftShader from $(echo "$package" | sed 's/_/ /; s/_.*//') in $folder"
