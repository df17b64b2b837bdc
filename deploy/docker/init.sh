#!/usr/bin/env bash
# Makes what must be secret, once: there are no default passwords. Run it again: it changes nothing that is there.
set -euo pipefail
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
word() { head -c 24 /dev/urandom | base64 | tr -d '/+=\n'; }
[ -e secrets/influx_password ] || word > secrets/influx_password
[ -e secrets/influx_admin_password ] || word > secrets/influx_admin_password
[ -e secrets/grafana_password ] || word > secrets/grafana_password
if [ ! -e secrets/htpasswd ]; then
  password=$(word)
  salt=$(head -c 6 /dev/urandom | base64 | tr -d '/+=\n')
  printf 'btcdmon:%s\n' "$(openssl passwd -apr1 -salt "$salt" "$password")" > secrets/htpasswd
  echo "login for https://this-host/: btcdmon / $password  (not shown again; secrets/htpasswd has its hash)"
fi
if [ ! -e secrets/tls.crt ]; then
  openssl req -x509 -newkey rsa:2048 -nodes -days 825 -subj "/CN=$(hostname)" \
    -keyout secrets/tls.key -out secrets/tls.crt 2>/dev/null
  echo "made a self-signed certificate: put your own into secrets/tls.crt and secrets/tls.key"
fi
if [ ! -e .env ]; then
  {
    echo "# The interface that the node's packets pass, and the node's address and port."
    echo "BTCDMON_INTERFACE=any"
    echo "BTCDMON_NODE=127.0.0.1:8333"
    echo "INFLUX_PASSWORD=$(cat secrets/influx_password)"
    echo "INFLUX_ADMIN_PASSWORD=$(cat secrets/influx_admin_password)"
    echo "GRAFANA_PASSWORD=$(cat secrets/grafana_password)"
  } > .env
fi
# nginx and btcdmon read these as users of their own.
chmod 755 secrets
chmod 644 secrets/htpasswd secrets/tls.crt secrets/influx_password
