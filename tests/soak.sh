#!/usr/bin/env bash
# Does the sensor's memory stay flat? 20,000 packets/s of transactions and blocks with 50 connections replaced a second:
# tests/soak.sh PROGRAM [MINUTES]. Prints a line a minute; fails when memory grows by more than 5 % (and 8 MiB) after
# the first ten minutes, or when fewer packets or connections came than that. Root; an hour unless told otherwise: of half
# an hour or less the first third counts, and what fills in ten minutes fails. TRAFFIC: the built benchmark `traffic`;
# PACE: other options for it.
set -euo pipefail
program=$(readlink -f "$1") minutes=${2:-60}
[ "$(id -u)" = 0 ] || { echo "SKIPPED: needs root (network namespaces)" >&2; exit 3; }
cd "$(dirname "$0")/.."
work=$(mktemp -d); chmod 755 "$work"
spaces_away() {
  for ns in soak-a soak-b; do ip netns pids "btcdmon-$ns" 2>/dev/null | xargs -r kill -9 2>/dev/null || true; ip netns del "btcdmon-$ns" 2>/dev/null || true; done
}
leave() { spaces_away; [ -n "${KEEP:-}" ] || rm -rf "$work"; }
trap leave EXIT
spaces_away # of a run that was killed
PPS=20000
# Ten times the main network's transactions, half as many in a block as there. At this rate the capture's time passes twelve
# times as fast, so that 50 connections and 800 transactions come in a second. What is remembered longest of
# transactions has its memory after five minutes then (230,000 ids, 460,000 spent outputs), and outputs that are spent leave a hundred
# blocks later, after four.
PACE=${PACE:---transactions 70 --block 32 --churn 0.21}
for ns in a b; do ip netns add "btcdmon-soak-$ns"; done
ip -n btcdmon-soak-a link add e0 type veth peer name e0 netns btcdmon-soak-b
for ns in a b; do ip -n "btcdmon-soak-$ns" link set e0 up; done
mkdir "$work/store"; chown nobody "$work/store"
[ -n "${TRAFFIC:-}" ] || cargo bench --locked --quiet --no-run --bench traffic
traffic() { if [ -n "${TRAFFIC:-}" ]; then "$TRAFFIC" --bench "$@"; else cargo bench --locked --quiet --bench traffic -- "$@"; fi; }
ip netns exec btcdmon-soak-b "$program" live -i e0 --json --quiet --node 192.0.2.7,2001:db8::7 --store "$work/store/x.db" >"$work/sensor" 2>"$work/errors" & sensor=$!
sleep 2
# Twenty packets each millisecond, asleep between them.
# shellcheck disable=SC2086 # several options
traffic $PACE /dev/stdout |
  ip netns exec btcdmon-soak-a tcpreplay -q -i e0 --pps=$PPS --pps-multi=20 --timer=nano --duration $((minutes * 60)) - >"$work/tcpreplay" 2>&1 & sending=$!
# The most since it was asked for last: within ten seconds the points of an interval come and go.
rss() { awk '/^VmHWM/ { print $2 }' "/proc/$sensor/status"; echo 5 >"/proc/$sensor/clear_refs"; }
anonymous() { awk '/^RssAnon/ { print $2 }' "/proc/$sensor/status"; }
used() { awk '{ print ($14 + $15) / 100 }' "/proc/$1/stat"; }
packets() { ip netns exec btcdmon-soak-b cat /sys/class/net/e0/statistics/rx_packets; }
printf '%7s %12s %14s %12s %14s %12s\n' minute "memory MiB" "anonymous MiB" packets/s "sensor CPU s" "sender CPU s"
came=$(packets)
first=$((minutes > 30 ? 10 : (minutes + 2) / 3)) settled=0 most=0
for minute in $(seq "$minutes"); do
  sleep 60
  kill -0 "$sensor" || { echo "FAILED: the sensor ended"; cat "$work/errors"; exit 1; }
  now=$(rss)
  before=$came came=$(packets)
  printf '%7s %12s %14s %12s %14s %12s\n' "$minute" "$((now / 1024))" "$(($(anonymous) / 1024))" $(((came - before) / 60)) "$(used "$sensor")" "$(used "$sending")"
  [ "$minute" = "$first" ] && settled=$now
  [ "$minute" -gt "$first" ] && [ "$now" -gt "$most" ] && most=$now
done
wait "$sending" || true
kill -INT "$sensor"; wait "$sensor"
python3 - "$work/sensor" "$minutes" <<'PY'
import json, sys
PPS = 20_000
c = json.load(open(sys.argv[1])); n = c["nodes"][0]; seconds = 60 * int(sys.argv[2])
seen = sum(t["connections"] for t in n["transports"].values())
print(f'{c["capture"]["frames"]} packets ({c["capture"]["frames"] / seconds:.0f}/s), {c["capture"]["dropped"]} lost, '
      f'{seen} connections ({seen / seconds:.0f}/s), {n["mempool"]["transactions"]} transactions, '
      f'{sum(n["chain"]["status"].values())} blocks, coverage {n["mempool"]["coverage"]}')
if c["capture"]["frames"] < 0.98 * PPS * seconds or seen < 50 * seconds:
    sys.exit("FAILED: too little came")
PY
ls -l "$work/store"
grown=$((most - settled))
echo "memory after minute $first: $((settled / 1024)) MiB, most after that: $((most / 1024)) MiB"
if [ "$grown" -gt $((settled / 20)) ] && [ "$grown" -gt 8192 ]; then echo "FAILED: memory grows"; exit 1; fi
