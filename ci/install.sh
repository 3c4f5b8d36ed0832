#!/bin/sh
# Installs fairwitness from the checkout that this file lies in, into an environment of its own.
#
# AUDIT_VENV         where the environment is made
# AUDIT_PYTHON       the Python to make it with; python3 where not set
# AUDIT_EXTRAS       optional parts, separated by commas, such as api,energy
# AUDIT_TORCH_INDEX  a further index, of torch without the libraries for graphics cards; empty for none
set -eu

checkout=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
index=${AUDIT_TORCH_INDEX-https://download.pytorch.org/whl/cpu}
set -- -c "$checkout/constraints.txt"
[ -z "$index" ] || set -- "$@" "--extra-index-url=$index"

"${AUDIT_PYTHON:-python3}" -m venv "$AUDIT_VENV"
"$AUDIT_VENV/bin/pip" install --quiet --disable-pip-version-check "$@" "$checkout${AUDIT_EXTRAS:+[$AUDIT_EXTRAS]}"
