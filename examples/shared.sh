#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Four processes, two languages, one result: only the first has to work for it.
#
#   shared.sh PROGRAM PYTHON     the compiled shared.cpp, and a Python that has dcache
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
cache=$(mktemp -d)
trap 'rm -rf "$cache"' EXIT

echo "  Four processes share a result through files: the most frequent words under"
echo "  /usr/include."
echo
for turn in first second; do
  "$1" "$cache/results" /usr/include
  "$2" "$here/shared.py" "$cache/results" /usr/include
done
echo
