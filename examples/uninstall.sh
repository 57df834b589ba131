#!/bin/sh
# Removes what the install.sh of a deployment has set up: units and the web server's site. The registry stays, and so do
# the account that owns it, the programs (make uninstall) and the web server.
#
#   sh examples/uninstall.sh
set -eu

if [ -d /run/systemd/system ]; then
    systemctl disable -q --now stillage.socket stillage-gc.timer || true
    [ ! -e /etc/systemd/system/stillage-oidc.timer ] || systemctl disable -q --now stillage-oidc.timer || true
    systemctl stop stillage.service || true
fi
for unit in stillage.socket stillage.service stillage-gc.service stillage-gc.timer stillage-oidc.service stillage-oidc.timer; do
    rm -f "/etc/systemd/system/$unit"
done
rm -f /etc/nginx/conf.d/stillage.conf /etc/apache2/sites-enabled/stillage.conf /etc/apache2/sites-available/stillage.conf
rm -f /etc/nginx/modules-enabled/90-stillage.conf /etc/apache2/conf-enabled/stillage.conf /etc/apache2/conf-available/stillage.conf
rm -rf /etc/stillage
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    for server in nginx apache2; do systemctl try-reload-or-restart "$server" || true; done
fi
echo 'The registry is no longer served. It is still there, and the account stillage owns it. To delete both:'
echo '  rm -r /srv/registry && userdel stillage'
