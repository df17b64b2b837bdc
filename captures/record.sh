#!/bin/bash
# Makes the recordings of this folder again: record.sh NAME... | all
# Real btcd nodes, each in a network namespace of its own, on one bridge; tcpdump beside the
# watched one. Needs root on Linux. Nothing leaves the namespaces: they have no way out.
set -euo pipefail
export PYTHONDONTWRITEBYTECODE=1

BTCD_VERSION=v0.26.0
NAMES=(btcd-v1 btcd-ipv6 btcd-v2 btcd-v2-messages)
PREFIX=btcdmon-
HERE=$(cd "$(dirname "$0")" && pwd)
declare -A HOST=([w]=2 [a]=3 [b]=4 [c]=5 [x]=9)   # the same numbers as in record.py
work=

usage() { echo "usage: $0 NAME...   names: ${NAMES[*]} or all" >&2; exit 2; }

need() {   # command, Debian package
    command -v "$1" >/dev/null && return
    echo "installing $2 for $1"
    apt-get install -y "$2" >/dev/null || { echo "need $1 (package $2)" >&2; exit 1; }
}

need_btcd() {
    command -v btcd >/dev/null && command -v btcctl >/dev/null && return
    command -v go >/dev/null || { echo "need btcd and btcctl $BTCD_VERSION, or Go to build them" >&2; exit 1; }
    GOBIN=/usr/local/bin go install "github.com/btcsuite/btcd@$BTCD_VERSION"
    GOBIN=/usr/local/bin go install "github.com/btcsuite/btcd/cmd/btcctl@$BTCD_VERSION"
}

# Ends what runs inside our namespaces and removes them; also what an earlier run left.
tear_down() {
    local name pids
    for name in "${!HOST[@]}" lan; do
        [ -e "/run/netns/$PREFIX$name" ] || continue
        for signal in TERM KILL; do
            pids=$(ip netns pids "$PREFIX$name")
            [ -n "$pids" ] || break
            echo "$pids" | xargs kill -s "$signal" 2>/dev/null || true
            for _ in {1..50}; do [ -z "$(ip netns pids "$PREFIX$name")" ] && break; sleep 0.1; done
        done
        ip netns del "$PREFIX$name"
    done
}

lan() { ip -n "${PREFIX}lan" "$@"; }

set_up() {   # recording
    local name
    ip netns add "${PREFIX}lan"
    lan link add br0 type bridge
    lan link set br0 up
    for name in "${!HOST[@]}"; do
        local there="$PREFIX$name"
        ip netns add "$there"
        ip -n "$there" link set lo up
        lan link add "to-$name" type veth peer name eth0 netns "$there"
        lan link set "to-$name" master br0 up
        ip -n "$there" address add "10.88.0.${HOST[$name]}/24" dev eth0
        ip -n "$there" address add "fd88::${HOST[$name]}/64" dev eth0 nodad
        ip -n "$there" link set eth0 up
        # As a mirror port sees it: no frame beyond the MTU, every checksum filled in.
        # btcd-ipv6 keeps the offloads: what tcpdump sees on the node's own machine.
        [ "$1" = btcd-ipv6 ] ||
            ip netns exec "$there" ethtool -K eth0 tx off tso off gso off gro off >/dev/null
    done
    # Slow links with short queues, so that segments are really lost and sent again.
    if [ "$1" = btcd-v1 ]; then
        ip netns exec "${PREFIX}lan" tc qdisc add dev to-w root tbf rate 20mbit burst 6kb limit 20kb
        ip netns exec "${PREFIX}lan" tc qdisc add dev to-b root tbf rate 8mbit burst 8kb limit 40kb
    fi
}

# The README lists the sha256 of every recorded file; keep it true.
update_manifest() {   # recording
    local sums
    sums=$(cd "$HERE" && sha256sum "$1"/*)
    awk -v name="$1" -v sums="$sums" '
        $2 ~ "^" name "/" { next }
        { print }
        $0 == "<!-- sha256 " name " -->" { getline; print; print sums }
    ' "$HERE/README.md" >"$work/README.md"
    cat "$work/README.md" >"$HERE/README.md"
}

record() {   # recording
    local out="$work/$1"
    mkdir "$out" "$work/nodes-$1"
    tear_down
    set_up "$1"
    echo "recording $1"
    python3 "$HERE/record.py" "$1" "$work/nodes-$1" "$out" &
    python=$!
    wait "$python"
    python=
    tear_down
    python3 "$HERE/check.py" "$out"
    zstd -q -19 --rm "$out/capture.pcap"
    [ "$1" != btcd-v2-messages ] ||
        python3 "$HERE/truth.py" "$work/nodes-$1/w/output" "$out/capture.pcap.zst" "10.88.0.${HOST[w]}" "$out/messages.jsonl.gz"
    mkdir -p "$HERE/$1"
    cp "$out"/* "$HERE/$1/"
    update_manifest "$1"
    ls -l "$HERE/$1"
}

leave() {
    trap - EXIT
    if [ -n "${python:-}" ]; then kill "$python" 2>/dev/null || true; wait "$python" 2>/dev/null || true; fi
    tear_down
    [ -z "$work" ] || [ -n "${KEEP:-}" ] || rm -rf "$work"
}

[ $# -gt 0 ] || usage
[ "$*" = all ] && set -- "${NAMES[@]}"
for name; do [[ " ${NAMES[*]} " = *" $name "* ]] || usage; done
[ "$(id -u)" = 0 ] || { echo "needs root for network namespaces" >&2; exit 1; }
exec 9>/run/lock/btcdmon-record
flock -n 9 || { echo "another recording is under way" >&2; exit 1; }
need ip iproute2
need tc iproute2
need ethtool ethtool
need tcpdump tcpdump
need zstd zstd
need python3 python3
need_btcd
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
work=$(mktemp -d)
for name; do record "$name"; done
