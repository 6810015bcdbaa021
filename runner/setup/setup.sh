#!/usr/bin/env bash
# Sets up what is missing for this checkout, and nothing else. Says what it will do first, and how to
# undo it. Safe to run again: what is there already is left alone.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$ROOT"
CACHE=${REPRO_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mali-delegate-repro}
VENV="$ROOT/.venv"
MESA="$ROOT/runner/setup/mesa.sh"

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

python=$(find_python)
[ -n "$python" ] || fail "no Python 3.11 to 3.13 found; install one (apt-get install python3 on Debian 12 or Ubuntu 24.04) or set PYTHON="
wanted=$(cat constraints.txt pyproject.toml | sha256sum | cut -d' ' -f1)
packages=()
plan=()

if [ ! -x "$VENV/bin/python" ] && ! "$python" -c 'import ensurepip' 2>/dev/null; then
  packages+=("python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv")
fi
need_mesa=$(bash "$MESA" --plan)
[ ${#packages[@]} -gt 0 ] && plan+=("apt: ${packages[*]}   (undo: apt-get remove ${packages[*]})")
[ -n "$need_mesa" ] && plan+=("$need_mesa")
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
  bash "$MESA" --planned
elif ! have_apt; then
  bash "$MESA" || true # its one line says what to install by hand
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
  say "installing the other packages (about 110; this takes a minute or a few)"
  "${pip[@]}" -e '.[convert,campaign,dev]'
  printf '%s\n' "$wanted" >"$VENV/.setup-stamp"
  say "packages installed into .venv"
fi

if [ ! -s "$CACHE/swiftshader/libvk_swiftshader.so" ] && have_apt; then
  bash "$ROOT/runner/setup/swiftshader.sh" "$CACHE/swiftshader" || say "SwiftShader is not to be had here; lavapipe alone serves, and repro doctor says so"
fi
