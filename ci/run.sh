#!/usr/bin/env bash
# One CI job: check models, lint them, or gate layouts, and leave every report in a folder. What to do comes in
# variables, never in words that a shell reads again:
#   REPRO_COMMAND  check, lint or gate
#   REPRO_PATHS    models, folders of models, or layouts, one per line
#   REPRO_TARGET, REPRO_PRECISION   of check and gate; a layout's own [[target]] where REPRO_TARGET is empty
#   REPRO_OPTIONS  further options of the command, one word per line
#   REPRO_REPORTS  the folder of the reports, by default repro-reports
# Exits as the command does; of several layouts with the worst: 1 (wrong) before 2 (unreadable) before 3 (could not run).
set -euo pipefail

words() { # NAME TEXT: the lines of TEXT that are not empty, without blanks around them, into the array NAME
  mapfile -t "$1" < <(sed 's/^[[:space:]]*//; s/[[:space:]]*$//; /^$/d' <<<"$2")
}

words paths "${REPRO_PATHS:-}"
words options "${REPRO_OPTIONS:-}"
reports=${REPRO_REPORTS:-repro-reports}
if [ ${#paths[@]} -eq 0 ]; then
  echo "repro: no path was given; name models, folders of models, or layouts, one per line" >&2
  exit 2
fi
mkdir -p "$reports"
where=()
[ -n "${REPRO_TARGET:-}" ] && where+=(--target "$REPRO_TARGET")
[ -n "${REPRO_PRECISION:-}" ] && where+=(--precision "$REPRO_PRECISION")

case ${REPRO_COMMAND:-} in
  check)
    exec repro check "${where[@]}" "${options[@]}" --junit "$reports/check.xml" --sarif "$reports/check.sarif" \
      --html "$reports/check.html" -- "${paths[@]}"
    ;;
  lint)
    exec repro lint "${options[@]}" --sarif "$reports/lint.sarif" -- "${paths[@]}"
    ;;
  gate)
    worst=0
    for number in "${!paths[@]}"; do
      name="gate-$((number + 1))"
      code=0
      repro gate "${where[@]}" "${options[@]}" --junit "$reports/$name.xml" --html "$reports/$name.html" \
        -- "${paths[$number]}" || code=$?
      if [ "$code" -ne 0 ] && { [ "$worst" -eq 0 ] || [ "$code" -lt "$worst" ]; }; then worst=$code; fi
    done
    exit "$worst"
    ;;
  *)
    echo "repro: no command '${REPRO_COMMAND:-}'; give check, lint or gate" >&2
    exit 2
    ;;
esac
