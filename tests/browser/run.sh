#!/usr/bin/env bash
# The dashboard in a real headless Chromium: tests/browser/run.sh PROGRAM [TEST...]
# Screenshots of every page go to target/screenshots. .ci/install test installs what this needs.
# Exit status 3: not run here, because Node.js or Chromium is missing, or the program was built without the page.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=$(readlink -f "$1"); shift

skip() { echo "SKIPPED: the browser tests need $1" >&2; exit 3; }
command -v node >/dev/null && command -v npm >/dev/null || skip "Node.js 18 or newer, with npm"
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 18 ] || skip "Node.js 18 or newer; $(node --version) is here"
CHROMIUM=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || true)}
[ -n "$CHROMIUM" ] || skip "Chromium (Debian: apt-get install chromium)"
export CHROMIUM

lock=$(sha256sum "$here/package-lock.json" | cut -c1-16)
if [ ! -e "$here/node_modules/.made-of-$lock" ]; then
  npm ci --prefix "$here" --ignore-scripts --no-audit --no-fund --silent
  touch "$here/node_modules/.made-of-$lock"
fi
exec node "$here/main.mjs" "$program" "$@"
