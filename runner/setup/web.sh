#!/usr/bin/env bash
# Sets up what the target in a browser needs from apt, and nothing else: Chromium, and npm, which fetches LiteRT.js.
# Says what it will do first, and how to undo it. Safe to run again: what is there already is left alone.
# Exit 3 where it is not to be had here, 1 where installing it failed.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/apt.sh"
CACHE=${REPRO_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mali-delegate-repro}

browser=
for name in chromium chromium-browser google-chrome google-chrome-stable; do
  [ -n "$browser" ] || browser=$(command -v "$name" || true)
done
packages=()
[ -n "$browser" ] || packages+=(chromium)
command -v npm >/dev/null || packages+=(npm)

cached="LiteRT.js into the cache, about 12 MB to fetch and 10 MB kept   (undo: rm -rf '$CACHE/web')"
if [ ${#packages[@]} -eq 0 ]; then
  say "a browser ($browser) and npm are there already; $cached"
  exit 0
fi
install_announced "Debian 12 has it" "$cached" "${packages[@]}"
say "a browser and npm are installed"
