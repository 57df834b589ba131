#!/bin/bash
# The deployments in examples/, installed by their own scripts and used as they stand, one after the other on one machine:
# nginx with fcgiwrap, nginx with a FastCGI socket, Apache. In namespaces of its own, where what is written to /etc, /srv, /run,
# /usr/local and /var goes to a folder of this test, and port 80 is free.
. "$(dirname "$0")/../lib.sh"
. "$TESTS/images.sh"

[ -z "${SANITIZED:-}" ] || skip_all 'what is installed is built for it, without sanitizers'
[ "$(id -u)" -eq 0 ] || skip_all 'installing a deployment takes root'
unshare -mnp --fork true 2>/dev/null || skip_all 'this machine allows no namespaces'
if [ $# -eq 0 ]; then
    mkdir -p "$T/try/up" "$T/try/work" "$T/try/at"
    unshare -m mount -t overlay overlay -o "lowerdir=/etc,upperdir=$T/try/up,workdir=$T/try/work" "$T/try/at" 2>/dev/null ||
        skip_all 'this machine allows no overlay file systems'
    unshare -mnp --fork --kill-child --mount-proc bash "$0" inside || exit 1
    exit 0
fi

# ---- a machine of our own ----------------------------------------------------------------------------------------------

ip link set lo up
for d in etc srv usr/local var root; do
    mkdir -p "$T/machine/$d/up" "$T/machine/$d/work"
    mount -t overlay overlay -o "lowerdir=/$d,upperdir=$T/machine/$d/up,workdir=$T/machine/$d/work" "/$d"
done
mount -t tmpfs tmpfs /run
mkdir -p /run/lock /run/systemd/system /var/log/nginx /var/log/apache2 /var/lib/nginx /usr/local/bin /etc/systemd/system
rm -f /etc/nginx/sites-enabled/default /etc/apache2/sites-enabled/*
install -m 755 "$TESTS/deploy/deploy-systemctl.sh" /usr/local/bin/systemctl
PATH=/usr/local/bin:$PATH
HOST=127.0.0.1

install_programs() { make -s -C "$TOP" install BUILD="$(dirname "$STILLAGE")" "$@" >"$T/log/make" 2>&1; }

# install FOLDER ARGUMENT...: without a terminal; what it says goes to $T/said
install_as() { sh "$TOP/examples/$1/install.sh" "${@:2}" >"$T/said" 2>&1 </dev/null; }

is_up() { [ -S /run/stillage.sock ] && curl -so /dev/null "http://$HOST/v2/"; }

# pushes_and_pulls TAG [USER:PASSWORD]
pushes_and_pulls() {
    local from=(--src-tls-verify=false) to=(--dest-tls-verify=false)
    if [ $# -gt 1 ]; then from+=(--src-creds "$2") to+=(--dest-creds "$2"); fi
    skopeo copy -q "${to[@]}" "oci:$T/image:$tag" "docker://$HOST/team/app:$1"
    rm -rf "$T/pulled"
    skopeo copy -q "${from[@]}" "docker://$HOST/team/app:$1" "oci:$T/pulled:$tag"
    diff -r "$T/image/blobs" "$T/pulled/blobs"
}

refuses_strangers() { ! skopeo copy -q --dest-tls-verify=false "oci:$T/image:$tag" "docker://$HOST/team/app:strange"; }

# The processes that take pushes are of the program that is installed now.
takes_pushes() {
    local pid
    for pid in $(pgrep -f '^/usr/(local/libexec/stillage.cgi|sbin/fcgiwrap)' || true); do readlink "/proc/$pid/exe"; done | sort -u
}

# The web server's account reads, and cannot write; everybody else cannot even read.
is_protected() {
    [ -z "$(find /srv/registry ! -user stillage)" ]
    runuser -u www-data -- test -r /srv/registry/www/v2/_catalog
    if runuser -u www-data -- sh -c ': >/srv/registry/www/v2/x' 2>/dev/null; then return 1; fi
    if runuser -u nobody -- test -r /srv/registry/www/v2/_catalog; then return 1; fi
}

value() { sed -n "s/^$1=//p" "/etc/systemd/system/$2"; }

image_busybox "$T/image"
tag=$(jq -r '.manifests[0].annotations["org.opencontainers.image.ref.name"]' "$T/image/index.json")
install_programs

# ---- nginx and fcgiwrap, on a machine that has nothing -----------------------------------------------------------------

fails_with 1 'install.sh: usage: install.sh NAME' sh "$TOP/examples/nginx-fcgiwrap/install.sh"
fails_with 1 'make install PREFIX=/nowhere' sh "$TOP/examples/nginx-fcgiwrap/install.sh" x --prefix /nowhere
ok_run 'examples/nginx-fcgiwrap installs' install_as nginx-fcgiwrap "$HOST"
said=$(<"$T/said")
like "$said" "/srv/registry is served at http://$HOST/ by nginx" 'it ends with the address'
like "$said" "docker login $HOST" 'and how to log in'
like "$said" 'Without TLS' 'and what it means to have no TLS'
password=$(sed -n 's/^  user admin, password \([^ ]*\) .*/\1/p' "$T/said")
like "$password" '^[A-Za-z0-9_-]{20}$' 'a first user is made, with a password that is shown'
wait_for 20 is_up
ok_run 'it takes a push, and gives it back' pushes_and_pulls 1 "admin:$password"
ok_run 'nobody else may push' refuses_strangers
ok_run "the web server's account cannot write" is_protected
is "$(takes_pushes)" /usr/sbin/fcgiwrap 'fcgiwrap runs'

# Whoever has the web server's account reaches the socket. It starts stillage.cgi for its registry, as it is, or nothing.
cat >"$T/attack" <<'END'
use IO::Socket::UNIX;
my %p = (GATEWAY_INTERFACE => 'CGI/1.1', SERVER_PROTOCOL => 'HTTP/1.1', REQUEST_METHOD => 'POST', CONTENT_LENGTH => 0, map { split /=/, $_, 2 } @ARGV);
my $params = join '', map { pack('CC', length $_, length $p{$_}) . $_ . $p{$_} } keys %p;
my $s = IO::Socket::UNIX->new('/run/stillage.sock') or die "connect: $!";
sub record { print $s pack('CCnnCx', 1, $_[0], 1, length $_[1], 0), $_[1] }
record(1, pack('nCx5', 1, 0)); record(4, $params); record(4, ''); record(5, ''); $s->flush; $s->shutdown(1); local $/; print <$s>;
END
attack() { setpriv --reuid www-data --regid www-data --clear-groups -- perl "$T/attack" "$@" >"$T/answer" 2>&1 || true; }
CGI=SCRIPT_FILENAME=/usr/local/libexec/stillage.cgi
printf '#!/bin/sh\nid >/srv/registry/log/owned\n' >"$T/evil" && chmod 755 "$T/evil"
for program in /bin/sh "$T/evil" /usr/bin/id /usr/local/libexec/../../../bin/sh; do
    attack "SCRIPT_FILENAME=$program"
    like "$(tr -d '\0' <"$T/answer")" '403|Permission|Cannot|not' "fcgiwrap does not start $program"
done
attack "DOCUMENT_ROOT=/bin" "SCRIPT_NAME=/sh"
mkdir "$T/other" && chown www-data "$T/other" && runuser -u www-data -- "$STILLAGE" init -q "$T/other"
printf 'hooks:\n  before-manifest: %s\n' "$T/evil" >>"$T/other/registry.yaml"
attack $CGI "STILLAGE_REGISTRY=$T/other" REQUEST_URI=/v2/x/blobs/uploads/ HTTP_HOST=x
unlike "$(tr -d '\0' <"$T/answer")" 'Status: 202' 'stillage.cgi opens no registry of another account'
is "$(find "$T/other" -user stillage; ls /srv/registry/log/owned 2>/dev/null || true)" '' 'nothing was written, and nothing was run'
attack $CGI REQUEST_URI=/v2/ REQUEST_METHOD=GET HTTP_HOST=x
like "$(tr -d '\0' <"$T/answer")" 'Status: 401' 'while the web server itself gets its answers'

# ---- nginx and a FastCGI socket: takes its place -----------------------------------------------------------------------

ok_run 'examples/nginx-fastcgi installs over it, as it was told' install_as nginx-fastcgi
unlike "$(<"$T/said")" 'user admin' 'without another user'
wait_for 20 is_up
is "$(takes_pushes)" /usr/local/libexec/stillage.cgi 'fcgiwrap does not run any more, stillage.cgi does'
ok_run 'it takes a push, and gives it back' pushes_and_pulls 2 "admin:$password"
if [ -d /etc/nginx/modules-enabled ]; then
    is "$(nginx -T 2>/dev/null | grep -c '^pcre_jit on;')" 1 'nginx compiles its patterns, once told so'
else
    skip 1 'this nginx has no folder for it' 'pcre_jit'
fi

# An upgrade.
before=$(pgrep -o -f '^/usr/local/libexec/stillage.cgi')
echo '# by hand' >>/etc/nginx/conf.d/stillage.conf
sed -i 's/^# Edition [^ ]*/# Edition nginx-00000000/' /etc/nginx/conf.d/stillage.conf
capture "$STILLAGE" upgrade -r /srv/registry
like "$(<"$T/.out")" '/etc/nginx/conf.d/stillage.conf: edition nginx-00000000, not that of this stillage' 'stillage upgrade names an older site'
echo older >/srv/registry/www/page.js
install_programs
ok_run 'installing again upgrades' install_as nginx-fastcgi
wait_for 20 is_up
is "$(takes_pushes)" /usr/local/libexec/stillage.cgi 'no process of the old program is left'
isnt "$(pgrep -o -f '^/usr/local/libexec/stillage.cgi')" "$before" 'the responder is another process'
is "$(tail -n 1 /etc/nginx/conf.d/stillage.conf.old)" '# by hand' 'the site of before is kept beside the new one'
same_file /srv/registry/www/page.js "$TOP/templates/page/page.js" 'the registry has been upgraded'
capture "$STILLAGE" upgrade -r /srv/registry
like "$(<"$T/.out")" '/etc/nginx/conf.d/stillage.conf: edition nginx-[0-9a-f]{8}, as' 'and the site is of this stillage'
cp /etc/nginx/conf.d/stillage.conf "$T/site"
capture install_as nginx-fastcgi "$HOST" --tls-certificate /nowhere --tls-key /nowhere
like "$RC $(tail -n 1 "$T/said")" '^1 .*nginx does not accept /etc/nginx/conf.d/stillage.conf' 'nginx does not take a site without a certificate'
same_file /etc/nginx/conf.d/stillage.conf "$T/site" 'the one of before stays in its place'
ok_run 'it serves' curl -so /dev/null "http://$HOST/v2/"

# The timer, as its own account.
ok_run 'gc runs from its timer' runuser -u stillage -- sh -c "$(value ExecStart stillage-gc.service)"
like "$(</run/units/calls)" 'enable .*stillage-gc.timer' 'which is switched on'
if have systemd-analyze; then
    capture systemd-analyze verify /etc/systemd/system/stillage{.socket,.service,-gc.service,-gc.timer}
    is "$(grep stillage "$T/.err" || true)" '' 'systemd finds nothing wrong with the units'
fi

# An issuer of ID tokens: from the next time on, its keys are fetched.
is "$(ls /etc/systemd/system/stillage-oidc.* 2>/dev/null || true)" '' 'nothing fetches keys of issuers, as there are none'
printf 'auth:\n  oidc:\n    - issuer: https://issuer.example.org\n      audience: x\n      rules: [{claims: {a: b}, pull: ["**"]}]\n' >>/srv/registry/registry.yaml
ok_run 'installing again, with an issuer' install_as nginx-fastcgi
wait_for 20 is_up
like "$(tail -n 20 /run/units/calls)" 'enable .*stillage-gc.timer stillage-oidc.timer' '... switches on the timer that fetches keys'
is "$(value ExecStart stillage-oidc.service)" '/usr/local/bin/stillage oidc refresh -q -r /srv/registry' '... for this registry'
sed -i '/^auth:$/,$d' /srv/registry/registry.yaml
wait_for 20 is_up

# ---- Apache: takes its place -------------------------------------------------------------------------------------------

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$HOST" -addext "subjectAltName=IP:$HOST" \
    -keyout "$T/tls.key" -out "$T/tls.crt" -days 2 2>/dev/null
https() { curl -fsS --cacert "$T/tls.crt" "$@"; }
ok_run 'examples/apache installs over it, with TLS' install_as apache "$HOST" --tls-certificate "$T/tls.crt" --tls-key "$T/tls.key"
like "$(<"$T/said")" "is served at https://$HOST/ by apache2" 'the address is that of HTTPS'
unlike "$(<"$T/said")" 'Without TLS' 'and nothing is to be said'
wait_for 20 https -o /dev/null "https://$HOST/"
ok_run 'nginx serves it no more' test ! -e /etc/nginx/conf.d/stillage.conf
redirected() { curl -s -o /dev/null -w '%{http_code} %{redirect_url}' "http://$HOST/v2/_catalog?n=1"; }
is "$(redirected)" "308 https://$HOST/v2/_catalog?n=1" 'port 80 sends to HTTPS'
mkdir -p /var/www/html/.well-known/acme-challenge && echo proof >/var/www/html/.well-known/acme-challenge/x
is "$(curl -s "http://$HOST/.well-known/acme-challenge/x")" proof 'but for what proves to a certificate authority who we are'
mkdir -p "/etc/docker/certs.d/$HOST" && cp "$T/tls.crt" "/etc/docker/certs.d/$HOST/ca.crt"
skopeo_tls() { skopeo copy -q --dest-creds "admin:$password" "oci:$T/image:$tag" "docker://$HOST/team/app:3"; }
ok_run 'it takes a push, with the certificate where clients look for it' skopeo_tls

ok_run 'nginx takes over again, with the same certificate' install_as nginx-fastcgi
wait_for 20 https -o /dev/null "https://$HOST/"
is "$(redirected)" "308 https://$HOST/v2/_catalog?n=1" 'port 80 of nginx sends to HTTPS, too'
is "$(curl -s "http://$HOST/.well-known/acme-challenge/x")" proof 'but for what proves who we are'
ok_run 'it takes a push' skopeo_tls

# ---- users, and none ---------------------------------------------------------------------------------------------------

ok_run 'uninstall.sh takes it away' sh "$TOP/examples/uninstall.sh"
is "$(find /etc/systemd/system /etc/nginx /etc/apache2 /etc/stillage -name 'stillage*.*' ! -name '*.old' 2>/dev/null || true)" '' 'units and sites are gone'
is "$(takes_pushes)" '' 'and no process is left'
ok_run 'the registry stays' "$STILLAGE" verify -q --quick -r /srv/registry

rm -r /srv/registry
ok_run 'a user can be named, with a password on standard input' \
    sh -c "echo geheim | sh '$TOP/examples/nginx-fastcgi/install.sh' $HOST --user alice --password-stdin"
unlike "$(<"$T/.out")" 'geheim' 'which is not shown'
wait_for 20 is_up
ok_run 'who may push' pushes_and_pulls 1 alice:geheim

rm -r /srv/registry
install_programs PREFIX=/srv/programs
rm -r /usr/local/bin/stillage /usr/local/libexec/stillage.cgi
ok_run 'an open registry is a choice, and a prefix, too' install_as nginx-fcgiwrap "$HOST" --open --prefix /srv/programs --registry /srv/images
like "$(<"$T/said")" 'EVERYBODY who can reach it may pull, push and delete' 'which is said'
wait_for 20 is_up
ok_run 'everybody may push' pushes_and_pulls 1
is "$(value ReadWritePaths stillage-gc.service)" /srv/images 'the units are for that folder'
install_as nginx-fastcgi
like "$(<"$T/said")" 'EVERYBODY' 'it stays a choice'
fails_with 1 'everybody may push to the registry in /srv/images: say --open .*, or --user NAME' \
    sh "$TOP/examples/nginx-fastcgi/install.sh" "$HOST" --prefix /srv/programs --registry /srv/images
ok_run 'it can be given up' install_as nginx-fastcgi "$HOST" --prefix /srv/programs --registry /srv/images --user bob
wait_for 20 is_up
ok_run 'then nobody else may push' refuses_strangers
done_testing
