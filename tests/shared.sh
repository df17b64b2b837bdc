#!/usr/bin/env bash
# Holds the program against recordings of nodes and what those nodes logged: tests/shared.sh FOLDER PROGRAM
# FOLDER has captures/, check/ and stress/; it is not part of the repository.
set -euo pipefail
shared=$1 program=$(readlink -f "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
check() { # name, command...
  local name=$1; shift
  if "$@" >"$work/out" 2>&1; then passed=$((passed + 1)); echo "ok      $name"
  else failed=$((failed + 1)); echo "FAILED  $name"; sed 's/^/        /' "$work/out" | head -40; fi
}
node=10.77.0.1,fd77::1

for name in core31-v1 core31-mixed; do
  check "$name: every readable message, byte for byte" "$shared/check/compare.py" "$shared/captures/$name" "$program"
done

figures() { # recording: the lines of state.py about series that are there
  "$program" replay --quiet --node $node --store "$work/$1.db" --interval 1s "$shared/captures/$1/capture.pcap.zst" >/dev/null
  "$shared/check/state.py" "$shared/captures/$1" "$work/$1.db" >"$work/state" || true
  grep -E '^(bandwidth|peers)\.' "$work/state"
  [ "$(grep -cE '^(bandwidth|peers)\..* ok$' "$work/state")" -eq 4 ]
}
opaque() { # recording: every connection is v2 and none undecided
  "$program" replay --quiet --json --node $node "$shared/captures/$1/capture.pcap.zst" >"$work/json"
  python3 - "$work/json" <<'PY'
import json, sys
t = json.load(open(sys.argv[1]))['nodes'][0]['transports']
print({k: v['connections'] for k, v in t.items()})
sys.exit(0 if t['v2']['connections'] > 0 and all(t[k]['connections'] == 0 for k in ('v1', 'unknown', 'not_bitcoin')) else 1)
PY
}
for name in core31-v1 core31-mixed core31-v2 core31-v2-busy core31-v2-quiet; do check "$name: bandwidth and peers against the node's own" figures $name; done
for name in core31-v2 core31-v2-busy core31-v2-quiet; do check "$name: every connection is told to be encrypted" opaque $name; done

stress() { # each file: status 0, or 1 and one line; 10 s; 200 MB
  mkdir "$work/stress"
  tar --zstd -xf "$shared/stress/tcpdump-tests.tar.zst" -C "$work/stress"
  python3 - "$program" "$work/stress" <<'PY'
import os, resource, subprocess, sys
program, root = sys.argv[1:]
files = [os.path.join(d, f) for d, _, fs in os.walk(root) for f in sorted(fs)]
limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (600 << 20, 600 << 20))
bad, status = [], {0: 0, 1: 0}
for f in files:
    try:
        r = subprocess.run([program, 'replay', '--quiet', f], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=10, preexec_fn=limit)
        lines = r.stderr.decode(errors='replace').splitlines()
        status[r.returncode] = status.get(r.returncode, 0) + 1
        if not (r.returncode == 0 and not lines or r.returncode == 1 and len(lines) == 1):
            bad.append((f, r.returncode, lines[:3]))
    except subprocess.TimeoutExpired:
        bad.append((f, 'more than 10 s', []))
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
print(len(files), 'files,', status, 'largest process', peak, 'MB')
for b in bad: print(*b)
sys.exit(1 if bad or peak > 200 or len(files) < 800 else 0)
PY
}
check 'odd and hostile captures' stress
tail -1 "$work/out"

echo
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
