#!/bin/bash
# The packages of `make deb` from their first day to their last, on a system of their own: `make check-on RELEASE=13 HOW=deb`
# runs it there. It installs and purges packages, so nowhere else.
. "$(dirname "$0")/../lib.sh"
[ -e /etc/apt/apt.conf.d/91check-on ] || { echo "${0##*/}: only for a system that check-on.sh has made" >&2; exit 2; }
cd "$TOP"

apt() { DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@"; }
state() { systemctl is-enabled "$1" 2>/dev/null || true; }
# Whatever has the name of the program, but for the registry and this test.
leftovers() {
    find / -xdev \( -path /root -o -path /proc -o -path /sys -o -path /tmp -o -path /var/cache/apt -o -path /var/lib/stillage \
        -o -path /var/log \) -prune -o -name '*stillage*' -print
}

ok_run 'the packages install' apt install -y --no-install-recommends ./build/deb/stillage_*.deb ./build/deb/stillage-cgi_*.deb
is "$(dpkg --verify stillage stillage-cgi)" '' 'what is installed is what was packed'
is "$(stat -c '%U:%G %a' /var/lib/stillage)" 'stillage:www-data 750' 'there is a folder for the registry, and an account that owns it'
is "$(id -nG stillage | tr ' ' '\n' | sort | tr '\n' ' ')" 'stillage www-data ' 'the account can give files to the web server'
is "$(state stillage.socket) $(state stillage-gc.timer)" 'enabled enabled' 'the units are switched on'
like "$(/usr/bin/stillage --version)" '^stillage [0-9.]+$' 'the program runs'
like "$(/usr/libexec/stillage.cgi --help)" '^stillage.cgi ' 'and so does stillage.cgi'
ok_run 'systemd finds nothing wrong with the units' systemd-analyze verify /usr/lib/systemd/system/stillage{.socket,-gc.timer}

ok_run 'the deployment that the package brings' sh /usr/share/doc/stillage/examples/nginx-fastcgi/install.sh localhost --open
is "$(find /etc/systemd/system -type f -name 'stillage*')" '' 'it uses the units of the package'
like "$(</etc/nginx/conf.d/stillage.conf)" 'root "/var/lib/stillage/www"' 'and the registry of the package'
sh examples/images/make-hello.sh "$T/hello" >/dev/null
ok_run 'an image is added' /usr/bin/stillage add -q -r /var/lib/stillage "oci:$T/hello"
before=$(find /var/lib/stillage -type f -path '*/store/*' -exec sha256sum {} + | sort)

systemctl -q disable stillage-gc.timer
cp -a build/deb "$T/newer"
find "$T/newer" -name main.o -delete
make -s debs BUILD="$T/newer" VERSION=99.0.0 CGI_STATIC= STATIC_ARCHIVE= >/dev/null
ok_run 'an upgrade' apt install -y --no-install-recommends "$T"/newer/stillage_99*.deb "$T"/newer/stillage-cgi_99*.deb
is "$(/usr/bin/stillage --version)" 'stillage 99.0.0' 'brings the new program'
is "$(state stillage.socket) $(state stillage-gc.timer)" 'enabled disabled' 'what was switched off stays off'
is "$(find /var/lib/stillage -type f -path '*/store/*' -exec sha256sum {} + | sort)" "$before" 'the images stay'
ok_run 'in order' /usr/bin/stillage verify -q -r /var/lib/stillage

ok_run 'the site is removed' sh /usr/share/doc/stillage/examples/uninstall.sh
ok_run 'the packages are removed' apt remove -y stillage-cgi stillage
ok_run 'installed again' apt install -y --no-install-recommends "$T"/newer/stillage_99*.deb "$T"/newer/stillage-cgi_99*.deb
ok_run 'and purged' apt purge -y stillage-cgi stillage
is "$(leftovers)" '' 'nothing is left'
is "$(find /var/lib/stillage -type f -path '*/store/*' -exec sha256sum {} + | sort)" "$before" 'but the images'
done_testing
