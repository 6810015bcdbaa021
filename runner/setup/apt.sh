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
