#!/usr/bin/env bash
# The dashboard in a real headless Chromium: tests/browser/run.sh PROGRAM [TEST...]
# Screenshots of every page go to target/screenshots. .ci/install test installs what this needs.
# Exit status 3: not run here, because Node.js or Chromium is missing, or the program was built without the page.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=$(readlink -f "$1"); shift
CHROMIUM=$("$here/ready.sh")
export CHROMIUM
exec node "$here/main.mjs" "$program" "$@"
