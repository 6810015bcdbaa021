#!/usr/bin/env bash
# The catalogue on gpu:pocl with the Python given, then what that took: seconds, and what is kept on disk.
set -uo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/apt.sh"
OURS=${XDG_CACHE_HOME:-$HOME/.cache}/mali-delegate-repro

megabytes() { du -sm "$1" 2>/dev/null | cut -f1 | grep . || echo 0; }

"$1" -m repro run --target gpu:pocl --precision fp32
code=$?
say "that took $SECONDS s; kept are LiteRT-LM's library ($(megabytes "${REPRO_CACHE:-$OURS}/opencl") MB) and what PoCL compiled ($(megabytes "$OURS/shaders/pocl") MB)"
exit $code
