#!/bin/bash
# Installs what stillage needs on Debian 12, 13 and sid: `packages.sh build` what building and the first steps take,
# `packages.sh all` (the default) what the tests take as well, `packages.sh short` what those of them take that check-on.sh
# runs in short, `packages.sh lint` what `make lint`, asan, fuzz and valgrind do, `packages.sh deb` what `make deb` does,
# `packages.sh bench` what `make bench` compares with as well, `packages.sh check-on` what tests/deploy/check-on.sh does.
# `packages.sh list GROUP` only prints the names. A release that lacks a package goes without it: that is said, and the tests
# that would need it say at their end that they were skipped.
#
# What Debian does not have is axe-core, which looks at the web page in the tests (group all): one file of npm's, in build/.
#
# A second run finds everything there and does nothing, so it needs neither network nor root. No service is started:
# a server that comes with its package would take port 80, and the tests run servers of their own.
set -euo pipefail

BUILD='gcc make pkg-config libc6-dev libssl-dev libjson-c-dev libyaml-dev libarchive-dev libfcgi-dev zlib1g-dev libzstd-dev
    liblzma-dev libbz2-dev liblz4-dev libcurl4-openssl-dev libcrypt-dev nginx-light busybox-static curl ca-certificates skopeo'
SHORT='libcmocka-dev mandoc perl jq openssl xz-utils zstd bzip2 lz4 git file binutils apache2 apache2-utils fcgiwrap spawn-fcgi
    time iproute2 procps bsdutils mount e2fsprogs umoci'
TEST='strace python3 wrk libapache2-mod-php caddy lighttpd lighttpd-modules-lua docker-registry rsync
    podman buildah containerd runc docker.io docker-cli uidmap
    chromium chromium-driver python3-selenium
    dpkg-dev lintian zsh fish xfsprogs btrfs-progs dosfstools mtools exfatprogs exfat-fuse ntfs-3g xorriso fuseiso
    ceph-mon ceph-osd ceph-mds ceph-fuse radosgw ceph-common haproxy slapd
    libapache2-mod-auth-gssapi krb5-kdc krb5-user krb5-admin-server'
LINT='libcmocka-dev clang clang-tidy clang-format cppcheck valgrind shellcheck'
DEB='dpkg-dev binutils git'
BENCH='rclone s3cmd'
CHECK_ON='debootstrap git tar mount util-linux'
AXE=4.14.1 AXE_SHA256=29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c

names() {
    case $1 in
        build) echo "$BUILD" ;;
        all) echo "$BUILD $SHORT $TEST" ;;
        short) echo "$BUILD $SHORT" ;;
        lint) echo "$BUILD $LINT" ;;
        deb) echo "$BUILD $DEB" ;;
        bench) echo "$BUILD $SHORT $TEST $BENCH" ;;
        check-on) echo "$CHECK_ON" ;;
        *) echo 'usage: packages.sh [list] build|all|short|lint|deb|bench|check-on' >&2; exit 2 ;;
    esac
}

group=${1:-all}
case $group in
    list) wanted=$(names "${2:-all}")
        # shellcheck disable=SC2086
        printf '%s\n' $wanted
        exit ;;
    *) wanted=$(names "$group") ;;
esac

# From the registry that npm uses here, if there is an npm. A machine without one goes on, and its tests say what they skipped.
get_axe() {
    local file=${0%/*}/../build/axe.min.js registry=https://registry.npmjs.org/
    is_axe() { echo "$AXE_SHA256  $file${1:-}" | sha256sum --check --status 2>/dev/null; }
    if is_axe; then return; fi
    ! command -v npm >/dev/null || registry=$(npm config get registry)
    echo "packages.sh: fetching axe-core $AXE from $registry"
    mkdir -p "${file%/*}"
    curl -fsSL --connect-timeout 10 --max-time 120 --retry 2 "${registry%/}/axe-core/-/axe-core-$AXE.tgz" | tar -xzO package/axe.min.js 2>/dev/null >"$file.new" || true
    if is_axe .new; then mv "$file.new" "$file"; return; fi
    rm -f "$file.new"
    echo "packages.sh: it did not come, or is another: the web page goes without what axe-core would say" >&2
}

command -v dpkg-query >/dev/null || { echo "packages.sh: this is not Debian: install the equivalents of: ${wanted//$'\n'/ }" >&2; exit 1; }

# Those of the arguments that are not installed. nginx-light is one of several packages that bring an nginx; docker's client is
# in docker.io or, from Debian 13 on, in a package of its own.
missing() {
    local package
    for package; do
        case $package in nginx-light) [ ! -x /usr/sbin/nginx ] || continue ;; docker-cli) [ ! -x /usr/bin/docker ] || continue ;; esac
        case $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) in ii* | hi*) ;; *) echo "$package" ;; esac
    done
}

# shellcheck disable=SC2086
mapfile -t todo < <(missing $wanted)
finish() { [ "$group" != all ] || get_axe; }
[ ${#todo[@]} -gt 0 ] || { finish; exit; }

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

# mod_php is there to be loaded by a test alone: its package would switch this machine's own Apache over to it, and to another MPM,
# unless it counts as switched off by an administrator.
case " ${todo[*]} " in
    *' libapache2-mod-php '*)
        php=$(apt-cache depends libapache2-mod-php | sed -n 's/.*Depends: libapache2-mod-\(php[0-9.]*\)$/\1/p')
        "${sudo[@]}" mkdir -p /var/lib/apache2/module/disabled_by_admin
        "${sudo[@]}" touch "/var/lib/apache2/module/disabled_by_admin/$php" ;;
esac

# What this release does not have. apt would install nothing at all then.
available=()
for package in "${todo[@]}"; do
    if apt-cache show --no-all-versions "$package" >/dev/null 2>&1; then available+=("$package"); continue; fi
    echo "packages.sh: this release has no package $package" >&2
done
[ ${#available[@]} -eq 0 ] || "${apt[@]}" install -y --no-install-recommends "${available[@]}"
finish
