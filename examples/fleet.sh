#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Two processes and a Redis of their own, on a unix socket in a folder that goes with it.
#
#   fleet.sh PYTHON [CALLS]     a Python that has dcache
#
# Where no Redis or Valkey is, it says so and is done.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
python=${1:?usage: fleet.sh PYTHON [CALLS]}

# Debian's redis-tools has the server as one with its checker, which goes by the name that it has.
program=
for name in redis-server valkey-server redis-check-rdb valkey-check-rdb; do
  program=$(command -v "$name") && break
done
if [[ -z $program ]]; then
  echo "  Two processes and a Redis: left out, there is no redis-server and no valkey-server."
  echo
  exit 0
fi

folder=$(mktemp -d)
server=
end() {
  if [[ -n $server ]]; then
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  rm -rf "$folder"
}
trap end EXIT

# In a session of its own: Ctrl-C is for the two processes, and ends it by the trap.
ln -s "$program" "$folder/redis-server"
setsid "$folder/redis-server" --port 0 --unixsocket "$folder/socket" --dir "$folder" --save "" \
  </dev/null >"$folder/log" 2>&1 &
server=$!
for ((tries = 0; tries < 200; ++tries)); do
  [[ -S $folder/socket ]] && break
  kill -0 "$server" 2>/dev/null || break
  sleep 0.05
done
if [[ ! -S $folder/socket ]]; then
  echo "  Two processes and a Redis: left out, $program does not start: $(tail -n 1 "$folder/log")"
  echo
  exit 0
fi

"$python" "$here/fleet.py" "$folder/socket" "${@:2}"
