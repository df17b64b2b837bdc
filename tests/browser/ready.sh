#!/usr/bin/env bash
# What the browser tests need, made ready; prints the path of Chromium. Exit status 3: something is missing here.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

skip() { echo "SKIPPED: the browser tests need $1" >&2; exit 3; }
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then skip "Node.js 18 or newer, with npm"; fi
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 18 ] || skip "Node.js 18 or newer; $(node --version) is here"
chromium=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || true)}
[ -n "$chromium" ] || skip "Chromium (Debian: apt-get install chromium)"

lock=$(sha256sum "$here/package-lock.json" | cut -c1-16)
if [ ! -e "$here/node_modules/.made-of-$lock" ]; then
  npm ci --prefix "$here" --ignore-scripts --no-audit --no-fund --silent >&2
  touch "$here/node_modules/.made-of-$lock"
fi
echo "$chromium"
