#!/usr/bin/env bash
# ensure-python.sh PYTHON VENV   Makes the virtual environment VENV with a Python of at least 3.11 unless it is there.
set -euo pipefail
python=$1 venv=$2
here=$(dirname "$0")
"$here/ensure-programs.sh" "$python:python3"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "$python is $("$python" --version 2>&1); ttg needs Python 3.11 or newer: make PYTHON=python3.12 …" >&2
  exit 2
}
[ -x "$venv/bin/pip" ] && exit 0
# Debian and Ubuntu split venv's pip seed (ensurepip) off into python3-venv.
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
  "$here/ensure-programs.sh" "no-such-program:python3-venv"
fi
rm -rf "$venv"
"$python" -m venv "$venv"
