# shellcheck shell=bash
# Sourced after lib.sh: Ceph with one monitor and one store in memory, on free ports of 127.0.0.1, and what is asked for of its S3
# gateway and its file system. Debian: ceph-mon, ceph-osd, ceph-common; radosgw; ceph-mds, ceph-fuse.
#
#   start_ceph [gateway] [files]  status 1 if it does not come up: $T/log/ceph says why
#       gateway: sets CEPH_URL; keys AK, SK.  files: the metadata server a, and b which stands by
#   ceph_bucket NAME              makes a bucket that everybody may read
#   ceph_mount NAME               mounts the file system at $T/NAME, by a process of that name, as on a machine of its own
#   ceph_fail_over                the metadata server that works is gone, and the other one takes over
#   ceph_evict NAME               the file system gives up that mount
#   ceph_gives_up SECONDS         from now on it gives up who does not answer; 0: never
#   ceph_round_trips              prints how many requests mounts have made to metadata servers

CEPH_PROGRAMS='ceph-mon ceph-osd ceph monmaptool ceph-authtool'
declare -A CEPH_PARTS=([gateway]='radosgw radosgw-admin' [files]='ceph-mds ceph-fuse')

# ceph_missing [gateway] [files]: why it cannot be run here: prints the reason, or nothing.
ceph_missing() {
    local part program
    for part; do
        for program in $CEPH_PROGRAMS ${CEPH_PARTS[$part]}; do have "$program" || { echo "$program is not installed"; return; }; done
    done
    [ "$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)" -ge 2000 ] || { echo 'less than 2 GB of memory are free'; return; }
    case " $* " in *' files '*) [ "$(id -u)" -eq 0 ] && [ -r /dev/fuse ] || echo 'FUSE cannot be mounted here' ;; esac
}

ceph_() { timeout 120 ceph -c "$CEPH/ceph.conf" "$@"; }

# What each daemon is and may do.
ceph_key() { ceph-authtool "$CEPH/keyring" --gen-key -n "$@"; }

start_ceph() {
    local monitor gateway id osd part
    CEPH=$T/ceph
    mkdir "$CEPH" "$CEPH"/{mon,osd,rgw,mds-a,mds-b,run}
    free_port monitor
    free_port gateway
    id=$(cat /proc/sys/kernel/random/uuid) osd=$(cat /proc/sys/kernel/random/uuid)
    CEPH_URL=http://127.0.0.1:$gateway
    cat >"$CEPH/ceph.conf" <<END
[global]
fsid = $id
mon host = v2:127.0.0.1:$monitor
public addr = 127.0.0.1
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd objectstore = memstore
# Debian 13's path for these is relative, and to what, is not said.
osd class dir = $(echo /usr/lib/*/rados-classes)
memstore device bytes = 3221225472
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail crit = 1
mon data avail warn = 2
mon data = $CEPH/mon
osd data = $CEPH/osd
mds data = $CEPH/mds-\$id
# A machine that is busy is not a dead one: who is given up, the tests say.
mds beacon grace = 600
# As examples/cluster/ says: who waits for the journal waits until this comes round.
mds tick interval = 0.5
rgw data = $CEPH/rgw
rgw frontends = beast endpoint=127.0.0.1:$gateway
rgw enable usage log = false
rgw enable gc threads = false
rgw enable lc threads = false
run dir = $CEPH/run
admin socket =
log file =
log to stderr = false
keyring = $CEPH/keyring
[mds]
admin socket = $CEPH/run/\$name.asok
[client]
admin socket = $CEPH/run/\$id.\$pid.asok
END
    { ceph_up "$id" "$osd" "$monitor" && for part; do "ceph_up_$part" || return; done; } >>"$T/log/ceph" 2>&1
}

# Each step only if the one before it has succeeded: these may be called where set -e is off.
ceph_up() {
    local mds
    ceph-authtool --create-keyring "$CEPH/keyring" --gen-key -n mon. --cap mon 'allow *' &&
        ceph_key client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mds 'allow *' &&
        ceph_key client.rgw.a --cap mon 'allow rw' --cap osd 'allow rwx' &&
        ceph_key osd.0 --cap mon 'allow profile osd' --cap osd 'allow *' || return
    for mds in a b; do ceph_key "mds.$mds" --cap mon 'allow profile mds' --cap osd 'allow *' --cap mds 'allow *' || return; done
    monmaptool --create --fsid "$1" --addv a "[v2:127.0.0.1:$3]" "$CEPH/monmap" &&
        ceph-mon --mkfs -i a --monmap "$CEPH/monmap" --keyring "$CEPH/keyring" -c "$CEPH/ceph.conf" || return
    spawn ceph-mon ceph-mon -f -i a -c "$CEPH/ceph.conf"
    wait_up ceph-mon 30 ceph_ --connect-timeout 5 auth import -i "$CEPH/keyring" &&
        ceph_ osd new "$2" &&
        ceph-osd -i 0 -c "$CEPH/ceph.conf" --mkfs --osd-uuid "$2" || return
    spawn ceph-osd ceph-osd -f -i 0 -c "$CEPH/ceph.conf"
}

ceph_up_gateway() {
    spawn radosgw radosgw -f -c "$CEPH/ceph.conf" -n client.rgw.a
    timeout 300 radosgw-admin -c "$CEPH/ceph.conf" user create --uid=u --display-name=u --access-key=AK --secret-key=SK &&
        wait_up radosgw 60 curl -sf -o "$T/.ceph" "$CEPH_URL/"
}

ceph_up_files() {
    spawn mds-a ceph-mds -f -i a -c "$CEPH/ceph.conf"
    spawn mds-b ceph-mds -f -i b -c "$CEPH/ceph.conf"
    # One process for all of it: each takes a second to start.
    ceph_ <<'END' || return
osd pool create metadata
osd pool create data
fs new files metadata data
fs set files session_timeout 600
fs set files session_autoclose 900
END
    wait_for 60 ceph_files_stand_by
}

# One metadata server works, and another one could at once.
ceph_files_stand_by() { ceph_ mds stat | grep -q 'up:active}.* 1 up:standby'; }

ceph_mount() {
    mkdir -p "$T/$1"
    # On SIGTERM it would wait for a file system that may be gone before it.
    # shellcheck disable=SC2016
    spawn "$1" sh -c '"$@" & trap "kill -KILL $!" TERM; wait' sh \
        ceph-fuse -f -c "$CEPH/ceph.conf" -n client.admin --client_mountpoint=/ "$T/$1"
    wait_up "$1" 60 mountpoint -q "$T/$1"
}

ceph_fail_over() { ceph_ mds fail 0; }

ceph_evict() { ceph_ tell mds.0 client evict "client_metadata.mount_point=$T/$1"; }

ceph_gives_up() { ceph_ config set mds mds_cap_revoke_eviction_timeout "$1"; }

ceph_round_trips() {
    local socket
    for socket in "$CEPH"/run/admin.*.asok; do ceph_ --admin-daemon "$socket" perf dump client; done |
        jq -s 'map(.client.reply.avgcount) | add'
}

# A request that is signed.
ceph_s3() { curl -sf --aws-sigv4 aws:amz:us-east-1:s3 -u AK:SK -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "$@"; }

ceph_bucket() {
    local policy
    policy=$(jq -nc --arg bucket "arn:aws:s3:::$1" '{Version: "2012-10-17", Statement: [{Effect: "Allow", Principal: "*",
        Action: ["s3:GetObject", "s3:ListBucket"], Resource: [$bucket, $bucket + "/*"]}]}')
    ceph_s3 -X PUT "$CEPH_URL/$1" && ceph_s3 -X PUT "$CEPH_URL/$1?policy=" --data-binary "$policy"
}

stop_ceph() {
    local part
    for part in radosgw mds-a mds-b ceph-osd ceph-mon; do stop "$part"; done
    rm -rf "$CEPH"
}
