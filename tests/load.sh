#!/usr/bin/env bash
# How fast may packets come before one is lost? Transaction relay by tcpreplay through a veth pair at rising rates, the
# sensor and `tcpdump -w /dev/null` on the same interface: tests/load.sh PROGRAM [SECONDS [LOOKERS]]
# With LOOKERS so many streams of events are open, an eighth as many of messages, and statements that read everything run
# all the time.
# Fails when the sensor loses packets at a rate at which tcpdump loses none, or reads other messages in them than a replay.
# Root; about two minutes, and some GB of memory. LOAD_RATES: other rates; LOAD_CAPTURE, LOAD_NODE: another
# capture, and its node; TRAFFIC: the built benchmark `traffic`.
set -euo pipefail
program=$(readlink -f "$1") seconds=${2:-8} lookers=${3:-0}
[ "$(id -u)" = 0 ] || { echo "SKIPPED: needs root (network namespaces)" >&2; exit 3; }
cd "$(dirname "$0")/.."
work=$(mktemp -d); chmod 755 "$work"
# shellcheck disable=SC2317 # the trap calls it
leave() {
  for ns in load-a load-b; do ip netns pids "btcdmon-$ns" 2>/dev/null | xargs -r kill -9 2>/dev/null || true; ip netns del "btcdmon-$ns" 2>/dev/null || true; done
  rm -rf "$work"
}
trap leave EXIT
rates=${LOAD_RATES:-100 200 400 800 1600 3200 top} node=${LOAD_NODE:-192.0.2.7,2001:db8::7}
# No packet is sent twice: what has been seen is a retransmission, and costs less than what is new. So the capture lasts as
# long as packets are sent at the highest rate, or the time is shorter there: it lies in memory meanwhile.
most=1300 mb=0
for rate in $rates; do
  [ "$rate" = top ] && need=$most || need=$((rate * seconds * 11 / 80 + 1))
  mb=$((need > mb ? need : mb))
done
mb=$((mb < most ? mb : most))
capture=${LOAD_CAPTURE:-target/tmp/load-relay-$mb.pcap}
traffic() { if [ -n "${TRAFFIC:-}" ]; then "$TRAFFIC" --bench "$@"; else cargo bench --locked --quiet --bench traffic -- "$@"; fi; }
if [ ! -e "$capture" ]; then
  mkdir -p target/tmp
  traffic --mb "$mb" "$PWD/$capture.part" && mv "$capture.part" "$capture"
fi
for ns in a b; do ip netns add "btcdmon-load-$ns"; done
ip -n btcdmon-load-a link add e0 type veth peer name e0 netns btcdmon-load-b
for ns in a b; do ip -n "btcdmon-load-$ns" link set e0 up; done
a=(ip netns exec btcdmon-load-a) b=(ip netns exec btcdmon-load-b)
ip -n btcdmon-load-b link set lo up
mkdir "$work/store"; chown nobody "$work/store"

web=http://127.0.0.1:8399/api/v1
# Statements that no time limit but their own ends, two at a time, as long as the sensor runs.
ask() { while "${b[@]}" curl -sfG -o /dev/null "$web/config"; do
  "${b[@]}" curl -sG -o "$work/answer" "$web/query" --data-urlencode 'sql=SELECT count(*) FROM tx a, tx b, tx c WHERE a.vsize + b.vsize < c.vsize'
done; }
# Frames dropped and seen, and messages read, of a report.
counts() { python3 -c 'import json, sys; r = json.load(sys.stdin); c = r["capture"]; print(c["dropped"], c["frames"], sum(m["recv"] + m["sent"] for n in r["nodes"] for m in n["messages"].values()))'; }
look() {
  [ "$lookers" -gt 0 ] || return 0
  for _ in $(seq "$lookers"); do "${b[@]}" curl -sN -o /dev/null "$web/events" & done
  # One of eight has the page of messages open: some 64 streams are all that there are.
  for _ in $(seq $((lookers / 8))); do "${b[@]}" curl -sN -o /dev/null "$web/messages?fields=true" & done
  ask & ask &
  sleep 1
}

echo "$(nproc) cores, kernel $(uname -r), $(tcpreplay --version 2>&1 | sed -n 's/^tcpreplay version: \([^ ]*\).*/tcpreplay \1/p'); rings of 64 MiB; store with intervals of 10 s"
printf '%12s %12s %12s %12s %12s %14s %14s %10s\n' "asked Mbit/s" "sent Mbit/s" "packets/s" packets messages "tcpdump lost" "sensor lost" "sensor CPU"
status=0
for rate in $rates; do
  [ "$rate" = top ] && speed=--topspeed || speed=--mbps=$rate
  "${b[@]}" "$program" live -i e0 --json --quiet --node "$node" --store "$work/store/x.db" >"$work/sensor" 2>"$work/sensor.err" & sensor=$!
  "${b[@]}" tcpdump -i e0 -n -s 0 -B 65536 -w /dev/null tcp >/dev/null 2>"$work/tcpdump" & tcpdump=$!
  sleep 2
  look
  "${a[@]}" tcpreplay -q -K -i e0 "$speed" --duration "$seconds" "$capture" >"$work/tcpreplay" 2>&1 || { cat "$work/tcpreplay"; exit 1; }
  sleep 1
  lasted=$(awk '/^Actual:/ { print $(NF - 1) }' "$work/tcpreplay")
  used=$(awk '{ print ($14 + $15) / 100 }' "/proc/$sensor/stat")
  kill -INT "$sensor" "$tcpdump"; wait "$sensor" || { cat "$work/sensor.err"; exit 1; }; wait "$tcpdump" || true
  read -r packets mbits pps < <(awk '/^Actual:/ { n = $2 } /^Rated:/ { m = $4; p = $6 } END { print n, m, p }' "$work/tcpreplay")
  theirs=$(awk '/dropped by kernel/ { print $1 }' "$work/tcpdump")
  read -r ours seen messages < <(counts <"$work/sensor")
  printf '%12s %12s %12s %12s %12s %14s %14s %9s%%\n' "$rate" "$mbits" "$pps" "$packets" "$messages" "$theirs" "$ours" "$(python3 -c "print(round(100 * $used / ($lasted + 3)))")"
  [ "$((ours + seen))" = "$packets" ] || { echo "FAILED: $packets sent, $seen captured, $ours lost"; status=1; }
  # A sensor that loses nothing because it reads nothing is no good.
  if [ "$ours" = 0 ]; then
    read -r _ _ there < <(tcpdump -Z root -r "$capture" -c "$packets" -w - 2>"$work/tcpdump" | "$program" replay --quiet --json --node "$node" - | counts)
    [ "$messages" = "$there" ] || { echo "FAILED: $messages messages read, of $there that are in these packets"; status=1; }
  fi
  [ "$messages" -gt 0 ] || { echo "FAILED: no message read"; status=1; }
  [ "$theirs" != 0 ] || [ "$ours" = 0 ] || { echo "FAILED: the sensor lost $ours packets where tcpdump lost none"; status=1; }
done
exit $status
