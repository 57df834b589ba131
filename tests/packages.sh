#!/bin/bash
# Installs what stillage needs on Debian 12: `packages.sh build` what building and the first steps take, `packages.sh all`
# (the default) what the tests take as well. `packages.sh list build|all` only prints the names.
#
# A second run finds everything there and does nothing, so it needs neither network nor root. No service is started:
# a server that comes with its package would take port 80, and the tests run servers of their own.
set -euo pipefail

BUILD='gcc make pkg-config libc6-dev libssl-dev libjson-c-dev libyaml-dev libarchive-dev libfcgi-dev zlib1g-dev libzstd-dev
    libcurl4-openssl-dev libcrypt-dev nginx-light busybox-static curl ca-certificates skopeo'
TEST='clang clang-tidy clang-format libcmocka-dev valgrind strace shellcheck mandoc perl jq openssl wrk xz-utils zstd git
    apache2 apache2-utils fcgiwrap spawn-fcgi docker-registry time iproute2 procps rsync
    podman buildah containerd runc docker.io umoci uidmap
    dosfstools mtools exfatprogs exfat-fuse ntfs-3g xorriso fuseiso'

case ${1:-all} in
    build) wanted=$BUILD ;;
    all) wanted="$BUILD $TEST" ;;
    list) case ${2:-all} in build) wanted=$BUILD ;; *) wanted="$BUILD $TEST" ;; esac
        # shellcheck disable=SC2086
        printf '%s\n' $wanted
        exit ;;
    *) echo "usage: packages.sh [list] build|all" >&2; exit 2 ;;
esac

command -v dpkg-query >/dev/null || { echo "packages.sh: this is not Debian: install the equivalents of: ${wanted//$'\n'/ }" >&2; exit 1; }

# Those of the arguments that are not installed. nginx-light is one of several packages that bring an nginx.
missing() {
    local package
    for package; do
        case $package in nginx-light) [ ! -x /usr/sbin/nginx ] || continue ;; esac
        case $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) in ii* | hi*) ;; *) echo "$package" ;; esac
    done
}

# shellcheck disable=SC2086
mapfile -t todo < <(missing $wanted)
[ ${#todo[@]} -gt 0 ] || exit 0

sudo=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "packages.sh: as root, run: apt-get install ${todo[*]}" >&2; exit 1; }
    sudo=(sudo)
fi

# invoke-rc.d and deb-systemd-invoke ask this program, and 101 means no. One that is there already stays what it is.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap '"${sudo[@]}" rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee $policy >/dev/null
    "${sudo[@]}" chmod 0755 $policy
fi

echo "packages.sh: installing ${todo[*]}"
apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300)
"${apt[@]}" update
"${apt[@]}" install -y --no-install-recommends "${todo[@]}"
