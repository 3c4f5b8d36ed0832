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

started=$AUDIT_VENV/started # what was written before it is of another run
: >"$started"
status=0
"$AUDIT_VENV/bin/audit" "$@" "--output=$output" -- "${AUDIT_CONFIG:-model.yaml}" || status=$?

verdict=none
told='
import json, os, sys
result, started, status = sys.argv[1:]
with open(result, encoding="utf-8") as file:
    verdict = json.load(file)["verdict"]
if os.path.getmtime(result) < os.path.getmtime(started) or verdict["exit_status"] != int(status):
    sys.exit(f"{result} is not of this run")
print(verdict["status"])
'
case $status in
  0 | 1 | 4) verdict=$("$AUDIT_VENV/bin/python" -c "$told" "$output/result.json" "$started" "$status") || verdict=none ;;
  3) verdict=incomplete ;;
esac
# An argument such as --help, or code that ended the program, leaves no result: that is no pass.
if [ "$status" = 0 ] && [ "$verdict" = none ]; then
  echo "There is no result of this run in $output, so that nothing was passed." >&2
  status=3
fi

if [ -n "${GITHUB_OUTPUT:-}" ]; then
  printf 'exit-status=%s\nverdict=%s\n' "$status" "$verdict" >>"$GITHUB_OUTPUT"
fi
exit "$status"
