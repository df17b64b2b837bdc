#!/usr/bin/env bash
# Runs every fuzz target (or those named) under libFuzzer:  tests/fuzz/run.sh SECONDS [TARGET…]
#
# Needs no nightly toolchain: the coverage comes from LLVM flags that the stable compiler takes. New inputs stay in
# tests/fuzz/corpus, inputs that break something in tests/fuzz/artifacts; run one again with
#   tests/fuzz/target/HOST/release/TARGET FILE
# Exit status: 0 nothing was found, 1 something was, 3 libFuzzer cannot be run here.
set -uo pipefail
cd "$(dirname "$0")" || exit

seconds=${1:-20}
shift || true
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  mapfile -t targets < <(sed -n 's/^path = "targets\/\(.*\)\.rs"$/\1/p' Cargo.toml)
fi

cannot() {
  {
    echo
    echo "############################################################"
    echo "## THE FUZZ TARGETS WERE NOT RUN: $1"
    echo "## The same entry points run on mutations in: cargo test --test fuzz_smoke (FUZZ_SECONDS=$seconds)"
    echo "############################################################"
  } >&2
  exit 3
}

host=$(rustc -vV | sed -n 's/^host: //p')
case $host in
  x86_64-*-linux-gnu | aarch64-*-linux-gnu) ;;
  *) cannot "no libFuzzer for ${host:-a machine without rustc}" ;;
esac
command -v clang++ >/dev/null || command -v g++ >/dev/null || command -v c++ >/dev/null || cannot "a C++ compiler is missing (it builds libFuzzer)"

# The inputs to start from, by the tests' own writer.
(cd ../.. && FUZZ_SECONDS=0 FUZZ_CORPUS="$PWD/tests/fuzz/corpus" cargo test --locked --quiet --test fuzz_smoke >/dev/null) \
  || { echo "fuzz_smoke fails: cargo test --test fuzz_smoke" >&2; exit 1; }

# Edge counters, the table of their places, and the operands of comparisons: what `cargo fuzz` sets too. `--target`
# keeps build scripts and procedural macros free of them.
flags="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
flags="$flags -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table"
flags="$flags -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=4"
RUSTFLAGS="$flags" cargo build --locked --release --target "$host" || cannot "they do not build with the coverage flags"

found=0
for target in "${targets[@]}"; do
  mkdir -p "corpus/$target" "artifacts/$target"
  log="artifacts/$target.log"
  "target/$host/release/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=65536 \
    -artifact_prefix="artifacts/$target/" "corpus/$target" >"$log" 2>&1
  status=$?
  grep -q 'inline 8-bit counters' "$log" || cannot "$target has no coverage counters: $(tail -n 1 "$log")"
  if [ $status -eq 0 ]; then
    echo "$target: $(tail -n 1 "$log"), $(grep -o 'cov: [0-9]*' "$log" | tail -n 1) edges"
  else
    found=1
    echo "$target: FAILED (status $status); the end of tests/fuzz/$log:"
    tail -n 40 "$log"
  fi
done
exit $found
