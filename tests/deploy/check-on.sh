#!/bin/bash
# The README's two commands, `make quickstart` and `make check`, on a Debian with nothing installed:
#
#   check-on.sh RELEASE [full|short|deb]
#
# RELEASE is 12, 13, sid, or any name that debootstrap knows. It makes a tree of that release and runs both in there as a new
# user would, with a root, mounts and processes of their own. `short` runs of `make check` only the tests of single modules,
# the deployments of examples/, and a few in which releases differ, and installs only what these need. `deb` makes the packages of `make deb` instead, and
# installs, upgrades and purges them (tests/deploy/deb-life.sh).
#
# It takes root, and 5 GB in /var/tmp (or $TMPDIR), which are free again at the end (KEEP=1 leaves the tree there). Packages
# come from the archive that this machine's apt is set up for ($MIRROR names another one), by its proxy, and stay in
# build/check-on/ for the next time.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
name=${0##*/}

die() { echo "$name: $*" >&2; exit 1; }

# ---- inside: process 1 of the tree -----------------------------------------------------------------------------------

# Only a real root will do: in a chroot, podman could not make namespaces, and runc not change its root.
enter() { # TREE CACHE HOW
    local tree=$1 cache=$2
    mount --bind "$tree" "$tree"
    mount --rbind --make-rslave /dev "$tree/dev"
    mount --rbind --make-rslave /sys "$tree/sys"
    mount -t proc proc "$tree/proc"
    mount -t tmpfs -o mode=0755 tmpfs "$tree/run"
    mount --bind "$cache" "$tree/var/cache/apt/archives"
    cd "$tree"
    mkdir -p old
    pivot_root . old
    exec chroot . /bin/bash "/root/stillage/tests/deploy/$name" --run "$3"
}

run() { # HOW
    umount -l /old
    rmdir /old
    cd /root/stillage
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq install -y make git >/dev/null
    [ "$1" = deb ] || step make quickstart
    case $1 in
        full) step make check ;;
        deb) step make deb && step bash tests/deploy/deb-life.sh ;;
        short) step make check PACKAGE_GROUP=short \
            TEST="$(echo $(basename -as .c tests/{unit/t,fuzz/fuzz}-*.c)) deploy t-help terminal add-names hardening" ;;
    esac
}

step() {
    local start=$SECONDS
    echo "$name: $* on Debian $(cat /etc/debian_version)"
    "$@" || die "failed after $((SECONDS - start)) s: $*"
    echo "$name: passed in $((SECONDS - start)) s: $*"
}

# ---- outside ---------------------------------------------------------------------------------------------------------

# Where this machine's apt gets Debian from. Nothing, if it is no Debian: then debootstrap has its own idea.
mirror() {
    # shellcheck disable=SC2016   # apt fills these in
    apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        sed -n 's/^Debian //p' | head -n 1
}

make_tree() { # SUITE TREE CACHE
    local mirror=${MIRROR:-$(mirror)}
    # It mounts things, which in a namespace of their own go with it.
    unshare --mount debootstrap --variant=minbase --include=ca-certificates --cache-dir="$3" "$1" "$2" ${mirror:+"$mirror"} \
        >"$3/debootstrap.log" 2>&1 || die "debootstrap failed: $(tail -n 3 "$3/debootstrap.log")"
    apt-config dump 2>/dev/null | grep -E '^Acquire::(http|https|ftp)::(Proxy|.*::Proxy)' \
        >"$2/etc/apt/apt.conf.d/90proxy" || true
    # A mirror that stands still will do: signatures are checked all the same.
    printf '%s "%s";\n' APT::Keep-Downloaded-Packages true Acquire::Check-Valid-Until false Acquire::Retries 3 \
        >"$2/etc/apt/apt.conf.d/91check-on"
    echo force-unsafe-io >"$2/etc/dpkg/dpkg.cfg.d/91check-on"     # the tree need not outlive a power cut
    cp -L /etc/resolv.conf "$2/etc/resolv.conf"
    mkdir "$2/root/stillage"
    git -C "$top" ls-files -z | tar -C "$top" --null -T - -c | tar -C "$2/root/stillage" -x --no-same-owner
}

case ${1:-} in
    --enter) shift; enter "$@" ;;
    --run) run "$2"; exit ;;
    12) suite=bookworm ;;
    13) suite=trixie ;;
    [a-z]*) suite=$1 ;;
    *) echo "usage: $name 12|13|sid|NAME [full|short|deb]" >&2; exit 2 ;;
esac
how=${2:-full}
case $how in full | short | deb) ;; *) echo "usage: $name RELEASE full|short|deb" >&2; exit 2 ;; esac
[ "$(id -u)" -eq 0 ] || die 'making a tree of another release takes root'
bash "$top/tests/packages.sh" check-on
[ -e "/usr/share/debootstrap/scripts/$suite" ] || die "debootstrap knows no release '$suite'"

start=$SECONDS
cache=$top/build/check-on/$suite
mkdir -p "$cache/partial"
tree=$(mktemp -d "${TMPDIR:-/var/tmp}/stillage-$suite.XXXXXX")
chmod 0755 "$tree"
trap '[ "${KEEP:-}" ] || rm -rf --one-file-system "$tree"' EXIT
trap 'exit 130' INT TERM HUP
echo "$name: making a bare $suite in $tree"
make_tree "$suite" "$tree" "$cache"
echo "$name: made in $((SECONDS - start)) s"
env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM="${TERM:-dumb}" LANG=C.UTF-8 \
    ${AGAIN:+AGAIN="$AGAIN"} \
    ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} ${no_proxy:+no_proxy="$no_proxy"} \
    unshare --mount --pid --ipc --uts --fork --kill-child --propagation private \
    /bin/bash "$top/tests/deploy/$name" --enter "$tree" "$cache" "$how" || die "$suite ($how): failed"
echo "$name: $suite ($how): all passed in $((SECONDS - start)) s"
