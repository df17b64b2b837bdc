#!/usr/bin/env bash
# The sensor beside real nodes, in network namespaces: tests/e2e/run.sh PROGRAM [TEST...]
# Needs root on Linux; .ci/install test installs the rest. Nothing leaves the namespaces: they have no way out.
# Exit status 3: not run here, because this is no root or no Linux.
set -euo pipefail
export PYTHONDONTWRITEBYTECODE=1
here=$(cd "$(dirname "$0")" && pwd)
program=$(readlink -f "$1"); shift
if [ "$(id -u)" != 0 ] || [ "$(uname)" != Linux ]; then
  echo "SKIPPED: the end-to-end tests need root on Linux (network namespaces, packet capture)" >&2
  exit 3
fi
exec 9>/run/lock/btcdmon-e2e
flock -n 9 || { echo "the end-to-end tests are under way already" >&2; exit 1; }
export PATH="$PATH:/usr/local/bin"
exec python3 "$here/main.py" "$program" "$@"
