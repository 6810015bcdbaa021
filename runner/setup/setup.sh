#!/usr/bin/env bash
# Sets up what is missing for this checkout, and nothing else. Says what it will do first, and how to
# undo it. Safe to run again: what is there already is left alone.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$ROOT"
CACHE=${REPRO_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mali-delegate-repro}
VENV="$ROOT/.venv"
MESA_MINIMUM=24 # Mesa 25.0 is accepted by Dawn, 22.3 is not; see `repro doctor`.

. "$ROOT/runner/setup/apt.sh"

# --- what is missing -----------------------------------------------------------------------------

find_python() {
  local name
  for name in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
    if "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
      command -v "$name"
      return
    fi
  done
}

distribution=$(. /etc/os-release 2>/dev/null && printf '%s %s' "${ID:-unknown}" "${VERSION_CODENAME:-}") || distribution=unknown
python=$(find_python)
[ -n "$python" ] || fail "no Python 3.11 to 3.13 found; install one (apt-get install python3 on Debian 12 or Ubuntu 24.04) or set PYTHON="
wanted=$(cat constraints.txt pyproject.toml | sha256sum | cut -d' ' -f1)
packages=()
plan=()

if [ ! -x "$VENV/bin/python" ] && ! "$python" -c 'import ensurepip' 2>/dev/null; then
  packages+=("python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv")
fi
mesa=$(installed_version mesa-vulkan-drivers || true)
need_mesa=
if [ -z "$mesa" ] || [ "${mesa%%.*}" -lt "$MESA_MINIMUM" ]; then need_mesa=1; fi
[ ${#packages[@]} -gt 0 ] && plan+=("apt: ${packages[*]}   (undo: apt-get remove ${packages[*]})")
if [ -n "$need_mesa" ] && have_apt; then
  if [ "$distribution" = "debian bookworm" ]; then
    plan+=("apt: mesa-vulkan-drivers and libvulkan1 from bookworm-backports, adding that source if it is not there   (undo: apt-get remove mesa-vulkan-drivers; rm /etc/apt/sources.list.d/mali-delegate-repro-backports.list)")
  else
    plan+=("apt: mesa-vulkan-drivers and libvulkan1   (undo: apt-get remove mesa-vulkan-drivers)")
  fi
fi
need_pip=
if [ "$(cat "$VENV/.setup-stamp" 2>/dev/null || true)" != "$wanted" ]; then
  need_pip=1
  plan+=("pip: the packages pinned in constraints.txt into .venv, with $python   (undo: rm -rf .venv)")
fi
if [ ! -s "$CACHE/swiftshader/libvk_swiftshader.so" ] && have_apt; then
  plan+=("SwiftShader, a second Vulkan driver, unpacked from Debian's chromium-common into the cache, if it is to be had   (undo: rm -rf '$CACHE/swiftshader')")
fi

if [ ${#plan[@]} -eq 0 ]; then
  say "everything is there already"
else
  say "will install:"
  printf '  - %s\n' "${plan[@]}"
fi

# --- do it -----------------------------------------------------------------------------------------

if [ ${#packages[@]} -gt 0 ]; then
  have_apt || fail "needs ${packages[*]} and there is no apt-get; install it with your package manager"
  apt_update
  as_root apt-get install -y -q "${packages[@]}" >/dev/null
fi

if [ -n "$need_mesa" ]; then
  if ! have_apt; then
    say "no apt-get: install Mesa's Vulkan drivers (lavapipe), version $MESA_MINIMUM or newer, yourself"
  elif [ "$distribution" = "debian bookworm" ]; then
    apt_update
    if ! apt-cache policy | grep -q 'bookworm-backports'; then
      # The mirror is the one that this machine already uses for bookworm.
      site=$(apt-get indextargets --format '$(SITE)' 'Codename: bookworm' | head -n 1)
      [ -n "$site" ] || fail "no apt source for bookworm found; add bookworm-backports by hand and run again"
      printf 'deb %s bookworm-backports main\n' "$site" | as_root tee /etc/apt/sources.list.d/mali-delegate-repro-backports.list >/dev/null
      updated=
      apt_update
    fi
    as_root apt-get install -y -q -t bookworm-backports mesa-vulkan-drivers libvulkan1 >/dev/null
  else
    apt_update
    as_root apt-get install -y -q mesa-vulkan-drivers libvulkan1 >/dev/null
  fi
  say "Mesa $(installed_version mesa-vulkan-drivers || echo 'not installed by apt')"
fi

if [ -n "$need_pip" ]; then
  [ -x "$VENV/bin/python" ] || "$python" -m venv "$VENV"
  pip=("$VENV/bin/python" -m pip --disable-pip-version-check install -q -c constraints.txt)
  torch=$(sed -n 's/^torch==//p' constraints.txt)
  if ! "$VENV/bin/python" -c 'import torch' 2>/dev/null; then
    # torch first: whatever depends on it would otherwise choose a build for us. The "+cpu" build
    # exists where pip is configured to find it; it saves several GB of CUDA packages.
    if "$VENV/bin/python" -m pip --disable-pip-version-check install -q "torch==$torch+cpu" 2>/dev/null; then
      say "torch $torch, CPU build"
    else
      say "no CPU build of torch $torch where pip looks; installing the default build, which may bring CUDA packages of several GB (to avoid: point PIP_EXTRA_INDEX_URL at PyTorch's CPU index and run again)"
      "${pip[@]}" "torch==$torch"
    fi
  fi
  say "installing the other packages (about 90; this takes a minute or a few)"
  "${pip[@]}" -e '.[convert,dev]'
  printf '%s\n' "$wanted" >"$VENV/.setup-stamp"
  say "packages installed into .venv"
fi

if [ ! -s "$CACHE/swiftshader/libvk_swiftshader.so" ] && have_apt; then
  bash "$ROOT/runner/setup/swiftshader.sh" "$CACHE/swiftshader" || say "SwiftShader is not to be had here; lavapipe alone serves, and repro doctor says so"
fi
