# For the set-up scripts, which source this: installing packages with apt, as root or with sudo.

say() { printf '%s\n' "setup: $*"; }
fail() { printf '%s\n' "setup: $*" >&2; exit 1; }

if [ "$(id -u)" -eq 0 ]; then SUDO=(); elif command -v sudo >/dev/null; then SUDO=(sudo); else SUDO=(false); fi
have_apt() { command -v apt-get >/dev/null; }
as_root() {
  [ "${SUDO[*]:-}" = false ] && fail "needs root to run '$*'; run as root, install sudo, or run that command yourself"
  "${SUDO[@]}" env DEBIAN_FRONTEND=noninteractive "$@"
}
# Of a package that was removed dpkg still knows the version, as long as its configuration is there.
installed_version() {
  dpkg-query -W -f '${db:Status-Status} ${Version}\n' "$1" 2>/dev/null | sed -n 's/^installed \([0-9]*:\)\{0,1\}//p'
}
updated=
apt_update() { [ -n "$updated" ] || { as_root apt-get update -q >/dev/null; updated=1; }; }
not_here() { printf '%s\n' "setup: $*" >&2; exit 3; }
# install_announced NEEDS ALSO PACKAGES...: says what is installed, how much that takes, how to undo it, and ALSO, then does it.
# Exit 3 where there is no such package; NEEDS says what has them.
install_announced() {
  local needs=$1 also=$2 package plan kilobytes
  shift 2
  have_apt || not_here "needs $* and there is no apt-get; install them with your package manager and run again"
  apt_update
  for package in "$@"; do
    apt-cache show "$package" >/dev/null 2>&1 || not_here "this machine's apt sources have no package $package; $needs"
  done
  plan=$(apt-get install -s --no-install-recommends "$@" | sed -n 's/^Inst \([^ ]*\).*/\1/p')
  kilobytes=$(apt-cache show --no-all-versions $plan | awk '/^Installed-Size:/ { sum += $2 } END { print sum }')
  say "will install:"
  printf '  - apt: %s, with what they need %s packages, %s MB on disk   (undo: apt-get remove --autoremove %s)\n' \
    "$*" "$(wc -w <<<"$plan")" "$((kilobytes / 1000))" "$*"
  printf '  - %s\n' "$also"
  as_root apt-get install -y -q --no-install-recommends "$@" >/dev/null
}
