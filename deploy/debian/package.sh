#!/usr/bin/env bash
# Makes the Debian package of a program that was built, and looks at what is in it: package.sh PROGRAM FOLDER
# cargo-deb is installed under target/tools when it is missing: some minutes, once.
set -euo pipefail
program=$(readlink -f "${1:?usage: package.sh PROGRAM FOLDER}") out=$(readlink -m "${2:?usage: package.sh PROGRAM FOLDER}")
cd "$(dirname "$0")/../.."
export PATH="$PWD/target/tools/bin:$PATH"
command -v cargo-deb >/dev/null || cargo install cargo-deb --locked --root target/tools
mkdir -p target/release "$out"
[ "$program" = "$PWD/target/release/btcdmon" ] || install -m 755 "$program" target/release/btcdmon
cargo deb --no-build --strip --locked --output "$out/"
deb=$(find "$out" -name 'btcdmon_*.deb' -printf '%T@ %p\n' | sort -n | tail -1 | cut -d' ' -f2-)

# What it promises.
dpkg-deb --field "$deb" Package Version Architecture Depends
dpkg-deb --field "$deb" Depends | grep -q 'libpcap0.8' || { echo "$deb does not depend on libpcap" >&2; exit 1; }
files=$(dpkg-deb --contents "$deb" | awk '{ print $6 }')
for wanted in usr/bin/btcdmon usr/lib/systemd/system/btcdmon.service usr/lib/systemd/system/btcdmon.service.d/usr-bin.conf \
    usr/share/btcdmon/prometheus/alerts.yml usr/share/btcdmon/prometheus/recording.yml \
    usr/share/btcdmon/influxdb/continuous-queries.iql usr/share/btcdmon/nginx/btcdmon.conf \
    usr/share/btcdmon/grafana/influxdb/overview-influxdb.json usr/share/btcdmon/grafana/prometheus/overview-prometheus.json \
    usr/share/btcdmon/grafana/provisioning/alerting/btcdmon.yaml usr/share/doc/btcdmon/copyright; do
  grep -qx "./$wanted" <<<"$files" || { echo "$deb lacks $wanted" >&2; exit 1; }
done
unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
dpkg-deb --extract "$deb" "$unpacked"
"$unpacked/usr/bin/btcdmon" --version
echo "$deb"
