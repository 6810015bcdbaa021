#!/usr/bin/env bash
# What the Dockerfile runs, and what a chroot of Debian 12 may run as well: Python, the tool in /opt/venv, a software
# Vulkan driver. Run as root. Anyone may run the tool afterwards and write to /cache.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export DEBIAN_FRONTEND=noninteractive
apt-get update -q >/dev/null
apt-get install -y -q --no-install-recommends python3 python3-venv ca-certificates >/dev/null
python3 -m venv /opt/venv
PATH=/opt/venv/bin:$PATH
mkdir -p /cache /work
chmod 1777 /cache
REPRO_CACHE=/cache bash "$root/ci/install.sh" "$@"
chmod -R a+rwX /cache
rm -rf /var/lib/apt/lists/* ~/.cache
