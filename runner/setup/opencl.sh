#!/usr/bin/env bash
# Sets up what the targets over OpenCL need from apt, and nothing else: two software drivers, their loader, a C compiler.
# Says what it will do first, and how to undo it. Safe to run again: what is there already is left alone.
# Exit 3 where it is not to be had here, 1 where installing it failed.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/apt.sh"
OURS=${XDG_CACHE_HOME:-$HOME/.cache}/mali-delegate-repro
CACHE=${REPRO_CACHE:-$OURS}

packages=()
for package in ocl-icd-libopencl1 pocl-opencl-icd oclgrind; do
  [ -n "$(installed_version "$package")" ] || packages+=("$package")
done
if [ -z "${CC:-}" ] && ! command -v gcc >/dev/null && ! command -v cc >/dev/null && ! command -v clang >/dev/null; then
  packages+=(gcc libc6-dev)
fi
[ "$(uname -m)" = x86_64 ] || not_here "LiteRT-LM's Android library is loaded on x86_64 only, this machine is $(uname -m)"

cached="LiteRT-LM's Android library into the cache, about 15 MB to fetch and 75 MB kept   (undo: rm -rf '$CACHE/opencl' '$OURS/shaders/pocl')"
if [ ${#packages[@]} -eq 0 ]; then
  say "the OpenCL drivers are there already; $cached"
  exit 0
fi
install_announced "OpenCL needs Debian 12 or Ubuntu 24.04's (universe)" "$cached" "${packages[@]}"
say "OpenCL drivers: PoCL $(installed_version pocl-opencl-icd), Oclgrind $(installed_version oclgrind)"
