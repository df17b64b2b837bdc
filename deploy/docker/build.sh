#!/usr/bin/env bash
# What the image's first stage does: builds the program into a folder. Runs as well without docker.
set -euo pipefail
out=${1:?usage: build.sh FOLDER}
cd "$(dirname "$0")/../.."
.ci/install build
src/web/ui/build.sh
cargo build --release --locked --bin btcdmon
mkdir -p "$out"
target=${CARGO_TARGET_DIR:-target}
install -m 755 "$target/release/btcdmon" "$out/btcdmon"
strip "$out/btcdmon"
"$out/btcdmon" --version
