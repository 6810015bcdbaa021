#!/usr/bin/env bash
# Installs the tool from this checkout into the Python that is first on PATH, with the versions that it was tested with,
# and a software Vulkan driver from apt. Give extras as words: `install.sh convert` brings torch and the converter too.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
pip=(python3 -m pip --disable-pip-version-check install -q -c "$root/constraints.txt")
what=$root
if [ $# -gt 0 ]; then what="${root}[$(IFS=,; echo "$*")]"; fi
"${pip[@]}" "$what"
repro doctor --install
