#!/bin/sh
# Runs one audit and ends with its status. Everything comes from variables, so that nothing is ever read as a command.
#
# AUDIT_VENV       the environment that install.sh made
# AUDIT_CONFIG     the config; model.yaml where not set
# AUDIT_OUTPUT     the result folder; audit-result where not set
# AUDIT_SUITE, AUDIT_DATA, AUDIT_BASELINE   options of `audit run` of these names
# AUDIT_ARGUMENTS  further arguments, one a line
# GITHUB_OUTPUT    the file of a step's outputs; where it is set, exit-status and verdict are added to it
set -eu

output=${AUDIT_OUTPUT:-audit-result}
set -- run
[ -z "${AUDIT_SUITE:-}" ] || set -- "$@" "--suite=$AUDIT_SUITE"
[ -z "${AUDIT_DATA:-}" ] || set -- "$@" "--data=$AUDIT_DATA"
[ -z "${AUDIT_BASELINE:-}" ] || set -- "$@" "--baseline=$AUDIT_BASELINE"
while IFS= read -r argument; do
  [ -z "$argument" ] || set -- "$@" "$argument"
done <<ARGUMENTS
${AUDIT_ARGUMENTS:-}
ARGUMENTS

status=0
"$AUDIT_VENV/bin/audit" "$@" "--output=$output" -- "${AUDIT_CONFIG:-model.yaml}" || status=$?

if [ -n "${GITHUB_OUTPUT:-}" ]; then
  verdict=none
  case $status in
    # Only these say that the folder's result is of this run.
    0 | 1 | 4)
      told='import json, sys; print(json.load(open(sys.argv[1], encoding="utf-8"))["verdict"]["status"])'
      verdict=$("$AUDIT_VENV/bin/python" -c "$told" "$output/result.json") || verdict=none
      ;;
    3) verdict=incomplete ;;
  esac
  printf 'exit-status=%s\nverdict=%s\n' "$status" "$verdict" >>"$GITHUB_OUTPUT"
fi
exit "$status"
