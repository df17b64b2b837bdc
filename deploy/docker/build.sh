#!/usr/bin/env bash
# What the image's first stage does: builds the program into a folder. Runs as well without docker.
# PROFILE=dev builds the same without optimisation: the tests do that, to try the steps.
set -euo pipefail
out=${1:?usage: build.sh FOLDER}
cd "$(dirname "$0")/../.."
.ci/install build
src/web/ui/build.sh
profile=${PROFILE:-release}
cargo build --profile "$profile" --locked --bin btcdmon
mkdir -p "$out"
target=${CARGO_TARGET_DIR:-target}
install -m 755 "$target/${profile/#dev/debug}/btcdmon" "$out/btcdmon"
strip "$out/btcdmon"
"$out/btcdmon" --version
