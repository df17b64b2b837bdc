#!/usr/bin/env bash
# Builds the dashboard's pages into `dist`, which the program takes up when it is built. Without Node.js there are none.
set -euo pipefail
cd "$(dirname "$0")"

without() {
  # Somebody else may have built them, as the image's first stage does.
  if [ -e dist/index.html ]; then exit 0; fi
  echo "The program is built without the dashboard's pages: $1. Its HTTP API, the terminal view and all else work." >&2
  exit 0
}
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
  without "they need Node.js 18 or newer, with npm (Debian: apt-get install nodejs npm)"
fi
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 18 ] || without "they need Node.js 18 or newer, $(node --version) is here"

# Built again only when something has changed, so that the program is not built again for nothing.
of=$(find index.html package.json package-lock.json tsconfig.json vite.config.ts build.sh src public -type f -print0 |
  LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-32)
if [ -e dist/index.html ] && [ "$(cat node_modules/.dist-is-of 2>/dev/null)" = "$of" ]; then exit 0; fi
npm ci --ignore-scripts --no-audit --no-fund --silent
npm run --silent build
echo "$of" > node_modules/.dist-is-of
