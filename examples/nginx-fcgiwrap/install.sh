#!/bin/sh
# A registry with pushes: nginx serves the files, fcgiwrap starts stillage.cgi for each write.
#
#   apt-get install nginx-light fcgiwrap && make install && sh examples/nginx-fcgiwrap/install.sh registry.example.org
#
# Run as root. It may be run again: what is there stays. With a certificate, add --tls-certificate and --tls-key, and
# --listen 443: whatever follows the name goes to `stillage config nginx`.
set -eu
cd "$(dirname "$0")"
name=${1:?usage: install.sh SERVER-NAME [OPTION of stillage config]...}
shift

# 1. The account that owns the registry. It may give files to the web server's group, which only reads.
id stillage >/dev/null 2>&1 || useradd --system --groups www-data --home-dir /srv/registry --shell /usr/sbin/nologin stillage

# 2. The registry.
if [ ! -e /srv/registry/registry.yaml ]; then
    install -d -o stillage -g www-data -m 0750 /srv/registry
    runuser -u stillage -- /usr/local/bin/stillage init --group www-data /srv/registry
fi

# 3. The program that takes the writes.
install -m 644 stillage.socket stillage.service /etc/systemd/system/

# 4. The web server.
runuser -u stillage -- /usr/local/bin/stillage config nginx -r /srv/registry --server-name "$name" \
    --push fcgiwrap:/run/stillage.sock --cgi /usr/local/libexec/stillage.cgi "$@" >/etc/nginx/conf.d/stillage.conf
nginx -t -q

if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl enable --now stillage.socket
    systemctl reload-or-restart nginx
fi
