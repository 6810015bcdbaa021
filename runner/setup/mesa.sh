#!/usr/bin/env bash
# Sets up Mesa's Vulkan driver for software (lavapipe), and nothing else. Says what it will do first, and how to undo it.
# Safe to run again: what is there already is left alone. `mesa.sh --plan` only prints what it would do, if anything.
# Exit 1 where it cannot be installed, 3 where there is no apt.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/apt.sh"
MINIMUM=24 # Mesa 25.0 is accepted by Dawn, 22.3 is not; see `repro doctor`.
BACKPORTS=/etc/apt/sources.list.d/mali-delegate-repro-backports.list

mesa=$(installed_version mesa-vulkan-drivers || true)
[ -n "$mesa" ] && [ "${mesa%%.*}" -ge "$MINIMUM" ] && exit 0
if ! have_apt; then
  [ "${1:-}" = --plan ] && exit 0
  printf '%s\n' "setup: no apt-get: install Mesa's Vulkan drivers (lavapipe), version $MINIMUM or newer, yourself" >&2
  exit 3
fi
distribution=$(. /etc/os-release 2>/dev/null && printf '%s %s' "${ID:-unknown}" "${VERSION_CODENAME:-}") || distribution=unknown
if [ "$distribution" = "debian bookworm" ]; then
  plan="apt: mesa-vulkan-drivers and libvulkan1 from bookworm-backports, adding that source if it is not there   (undo: apt-get remove mesa-vulkan-drivers; rm $BACKPORTS)"
else
  plan="apt: mesa-vulkan-drivers and libvulkan1   (undo: apt-get remove mesa-vulkan-drivers)"
fi
if [ "${1:-}" = --plan ]; then
  printf '%s\n' "$plan"
  exit 0
fi
[ "${1:-}" = --planned ] || say "will install: $plan"
apt_update
if [ "$distribution" = "debian bookworm" ]; then
  if ! apt-cache policy | grep -q 'bookworm-backports'; then
    # The mirror is the one that this machine already uses for bookworm.
    site=$(apt-get indextargets --format '$(SITE)' 'Codename: bookworm' | head -n 1)
    [ -n "$site" ] || fail "no apt source for bookworm found; add bookworm-backports by hand and run again"
    printf 'deb %s bookworm-backports main\n' "$site" | as_root tee "$BACKPORTS" >/dev/null
    updated=
    apt_update
  fi
  as_root apt-get install -y -q --no-install-recommends -t bookworm-backports mesa-vulkan-drivers libvulkan1 >/dev/null
else
  as_root apt-get install -y -q --no-install-recommends mesa-vulkan-drivers libvulkan1 >/dev/null
fi
say "Mesa $(installed_version mesa-vulkan-drivers || echo 'not installed by apt')"
