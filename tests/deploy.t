#!/bin/bash
# The deployments in examples/, installed by their own scripts and used as they stand: nginx with fcgiwrap, nginx with a
# FastCGI socket, Apache. Each in namespaces of its own, where what is written to /etc, /srv, /run, /usr/local and
# /var goes to a folder of this test, and port 80 is free.
. "$(dirname "$0")/lib.sh"
. "$TESTS/images.sh"

[ "$(id -u)" -eq 0 ] || skip_all 'installing a deployment takes root'
unshare -mnp --fork true 2>/dev/null || skip_all 'this machine allows no namespaces'
mkdir -p "$T/try/up" "$T/try/work" "$T/try/at"
unshare -m mount -t overlay overlay -o "lowerdir=/etc,upperdir=$T/try/up,workdir=$T/try/work" "$T/try/at" 2>/dev/null ||
    skip_all 'this machine allows no overlay file systems'

# What systemd would do with the two units: the socket, then the service as its user with the socket as standard input.
cat >"$T/run-units" <<'END'
set -eu
value() { sed -n "s/^$1=//p" "/etc/systemd/system/$2" | tail -n 1; }
exec perl -MSocket -MPOSIX -e '
    my ($path, $mode, $user, $group, $web, $environment, @command) = @ARGV;
    my $s; socket($s, AF_UNIX, SOCK_STREAM, 0) && bind($s, pack_sockaddr_un($path)) && listen($s, 128) or die "$path: $!";
    my ($uid, $gid, $web_gid) = ((getpwnam $user)[2], (getgrnam $group)[2], (getgrnam $web)[2]);
    chown $uid, $web_gid, $path; chmod oct $mode, $path;
    $ENV{$1} = $2 if $environment =~ /^(\w+)=(.*)$/;
    $( = $gid; $) = "$gid $gid $web_gid"; POSIX::setuid($uid) or die "setuid: $!";
    POSIX::dup2(fileno $s, 0); exec @command or die "@command: $!";' \
    "$(value ListenStream stillage.socket)" "$(value SocketMode stillage.socket)" "$(value User stillage.service)" \
    "$(value Group stillage.service)" "$(value SocketGroup stillage.socket)" "$(value Environment stillage.service)" \
    $(value ExecStart stillage.service)
END

# Runs inside the namespaces: installs, starts, pushes, pulls, compares. FOLDER SERVER
cat >"$T/inside" <<'END'
set -Eeuo pipefail
folder=$1 server=$2
trap 'echo "failed: line $LINENO: $BASH_COMMAND"; tail -n 5 /var/log/*/error.log "$T"/log/inside-* 2>/dev/null; exit 1' ERR
ip link set lo up
for d in etc srv usr/local var root; do
    mkdir -p "$T/$folder/$d/up" "$T/$folder/$d/work"
    mount -t overlay overlay -o "lowerdir=/$d,upperdir=$T/$folder/$d/up,workdir=$T/$folder/$d/work" "/$d"
done
mount -t tmpfs tmpfs /run
mkdir -p /run/lock /var/log/nginx /var/log/apache2 /var/lib/nginx
rm -f /etc/nginx/sites-enabled/default /etc/apache2/sites-enabled/*
make -s -C "$TOP" install >"$T/log/inside-make" 2>&1
sh "$TOP/examples/$folder/install.sh" 127.0.0.1 >"$T/log/inside-install" 2>&1
sh "$TOP/examples/$folder/install.sh" 127.0.0.1 >"$T/log/inside-again" 2>&1   # may be run again

sh "$T/run-units" >"$T/log/inside-units" 2>&1 &
case $server in
    nginx) nginx -g 'daemon off;' >"$T/log/inside-server" 2>&1 & ;;
    apache) mkdir -p /run/apache2; apachectl -DFOREGROUND >"$T/log/inside-server" 2>&1 & ;;
esac
for ((i = 0; i < 300; i++)); do
    [ -S /run/stillage.sock ] && curl -fso /dev/null http://127.0.0.1/v2/ && break
    read -rt 0.1 <> <(:) || true
done

curl -fsS http://127.0.0.1/ | grep -q '<title>'
skopeo copy -q --dest-tls-verify=false "oci:$T/image:$3" docker://127.0.0.1/team/app:1
skopeo copy -q --src-tls-verify=false docker://127.0.0.1/team/app:1 "oci:$T/$folder/pulled:$3"
diff -r "$T/image/blobs" "$T/$folder/pulled/blobs"
[ "$(curl -fsS http://127.0.0.1/v2/team/app/tags/list)" = '{"name":"team/app","tags":["1"]}' ]
curl -fsS http://127.0.0.1/v2/team/app/tags/list?n=1 | grep -q '"1"'

# The web server's account reads, and cannot write; everybody else cannot even read.
[ -z "$(find /srv/registry ! -user stillage)" ]
runuser -u www-data -- test -r /srv/registry/www/v2/_catalog
! runuser -u www-data -- sh -c ': >/srv/registry/www/v2/x' 2>/dev/null
! runuser -u nobody -- test -r /srv/registry/www/v2/_catalog
END

image_busybox "$T/image"
tag=$(jq -r '.manifests[0].annotations["org.opencontainers.image.ref.name"]' "$T/image/index.json")
export T TOP
for deployment in nginx-fcgiwrap:nginx nginx-fastcgi:nginx apache:apache; do
    folder=${deployment%:*}
    ok_run "examples/$folder installs, takes a push, and gives it back" \
        unshare -mnp --fork --kill-child --mount-proc bash "$T/inside" "$folder" "${deployment#*:}" "$tag"
done
done_testing
