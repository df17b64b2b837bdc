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

figures() { # recording: every line of state.py
  "$program" replay --quiet --node $node --store "$work/$1.db" --interval 1s "$shared/captures/$1/capture.pcap.zst" >/dev/null
  "$shared/check/state.py" "$shared/captures/$1" "$work/$1.db"
}
middle() { # recording: begun in the middle, what is told of blocks, transactions and fees is right all the same
  python3 - "$program" "$shared/captures/$1" "$work" <<'PY'
import collections, gzip, json, sqlite3, struct, subprocess, sys
program, recording, work = sys.argv[1:]
raw = subprocess.run(['zstd', '-dcq', f'{recording}/capture.pcap.zst'], stdout=subprocess.PIPE, check=True).stdout
frames, at = [], 24
while at + 16 <= len(raw):
    end = at + 16 + struct.unpack_from('<I', raw, at + 8)[0]
    frames.append(raw[at:end]); at = end
with open(f'{work}/middle.pcap', 'wb') as f: f.write(raw[:24] + b''.join(frames[len(frames) // 3:]))
subprocess.run([program, 'replay', '--quiet', '--node', '10.77.0.1,fd77::1', '--store', f'{work}/middle.db', '--interval', '1s', f'{work}/middle.pcap'], stdout=subprocess.DEVNULL, check=True)
db = sqlite3.connect(f'{work}/middle.db'); db.row_factory = sqlite3.Row
load = lambda name: json.load(gzip.open(f'{recording}/{name}.gz', 'rt'))
fees, txs, final = load('node_fees.json'), load('node_txs.json'), json.load(open(f'{recording}/node_final.json'))
wrong = collections.Counter(); seen = collections.Counter()
for r in db.execute('select txid, tx_fee from tx_fees'):
    if r['txid'] in fees: seen['fees'] += 1; wrong['fees'] += r['tx_fee'] != round(fees[r['txid']]['fee'] * 1e8)
for r in db.execute('select * from tx'):
    if r['txid'] in txs: t = txs[r['txid']]; seen['tx'] += 1; wrong['tx'] += (r['tx_size'], r['vsize'], r['weight']) != (t['size'], t['vsize'], t['weight'])
blocks = {b['hash']: b for b in final['blocks']}
for r in db.execute('select * from processed_blocks'):
    if (b := blocks.get(r['sha'])):
        seen['blocks'] += 1
        wrong['blocks'] += r['height'] != b['height'] or r['num_tx'] != b['nTx'] or (r['size'] is not None and (r['size'], r['weight']) != (b['size'], b['weight'])) or r['status'] == 'rejected'
polls = [json.loads(l) for l in gzip.open(f'{recording}/node_polls.jsonl.gz', 'rt')]
tips = [(r['time'] / 1e9, r['best_height']) for r in db.execute('select * from blocks where best_height is not null order by time')]
for t, h in tips:
    near = [p['chain']['blocks'] for p in polls if abs(p['t'] - t) < 3]
    seen['tips'] += 1; wrong['tips'] += bool(near) and not min(near) <= h <= max(near)
coverage = [r[0] for r in db.execute('select coverage from mempool where coverage is not null order by time')]
wrong['coverage'] += not coverage or coverage[0] >= 1
print('seen', dict(seen), 'wrong', dict(wrong), 'coverage from', coverage[:1], 'to', coverage[-1:])
sys.exit(1 if sum(wrong.values()) or not all(seen[k] for k in ('fees', 'tx', 'blocks', 'tips')) else 0)
PY
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
for name in core31-v1 core31-mixed core31-v2 core31-v2-busy core31-v2-quiet; do check "$name: the series against the node's own account" figures $name; done
check 'core31-v1: begun in the middle' middle core31-v1
for name in core31-v2 core31-v2-busy core31-v2-quiet core31-mixed; do
  check "$name: the messages of encrypted connections" "$shared/check/v2.py" "$shared/captures/$name" "$program"
done
for name in core31-v2 core31-v2-busy core31-v2-quiet; do check "$name: every connection is told to be encrypted" opaque $name; done

stress() { # each file: status 0, or 1 and one line; 10 s; 200 MB; the same for any number of workers
  mkdir "$work/stress"
  tar --zstd -xf "$shared/stress/tcpdump-tests.tar.zst" -C "$work/stress"
  python3 - "$program" "$work/stress" <<'PY'
import os, resource, subprocess, sys
program, root = sys.argv[1:]
files = [os.path.join(d, f) for d, _, fs in os.walk(root) for f in sorted(fs)]
limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (600 << 20, 600 << 20))
bad, status = [], {0: 0, 1: 0}
same = lambda f, workers: [subprocess.run([program, *command, '--quiet', '--workers', workers, f], stdout=subprocess.PIPE,
    stderr=subprocess.DEVNULL, timeout=10).stdout for command in (['replay', '--json'], ['messages'])]
for f in files:
    try:
        first = same(f, '0')
        bad += [(f, 'other results with workers:', w) for w in '1238' if same(f, w) != first]
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
