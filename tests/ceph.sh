# shellcheck shell=bash
# Sourced after lib.sh: Ceph's S3 gateway on a free port of 127.0.0.1, with one monitor and one store in memory.
# Debian: ceph-mon, ceph-osd, radosgw, ceph-common.
#
#   start_ceph          sets CEPH_URL; keys AK, SK. Status 1 if it does not come up: $T/log/ceph says why
#   ceph_bucket NAME    makes a bucket that everybody may read

CEPH_PROGRAMS='ceph-mon ceph-osd radosgw radosgw-admin ceph monmaptool ceph-authtool'

# Why it cannot be run here: prints the reason, or nothing.
ceph_missing() {
    local program
    for program in $CEPH_PROGRAMS; do have "$program" || { echo "$program is not installed"; return; }; done
    [ "$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)" -ge 2000 ] || echo 'less than 2 GB of memory are free'
}

ceph_() { timeout 120 ceph -c "$CEPH/ceph.conf" "$@"; }

# What each daemon is and may do.
ceph_key() { ceph-authtool "$CEPH/keyring" --gen-key -n "$@"; }

start_ceph() {
    local monitor gateway id osd
    CEPH=$T/ceph
    mkdir "$CEPH" "$CEPH"/{mon,osd,rgw,run}
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
memstore device bytes = 3221225472
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail crit = 1
mon data avail warn = 2
mon data = $CEPH/mon
osd data = $CEPH/osd
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
END
    ceph_up "$id" "$osd" "$monitor" >>"$T/log/ceph" 2>&1
}

# Each step only if the one before it has succeeded: this may be called where set -e is off.
ceph_up() {
    ceph-authtool --create-keyring "$CEPH/keyring" --gen-key -n mon. --cap mon 'allow *' &&
        ceph_key client.admin --cap mon 'allow *' --cap osd 'allow *' &&
        ceph_key client.rgw.a --cap mon 'allow rw' --cap osd 'allow rwx' &&
        ceph_key osd.0 --cap mon 'allow profile osd' --cap osd 'allow *' &&
        monmaptool --create --fsid "$1" --addv a "[v2:127.0.0.1:$3]" "$CEPH/monmap" &&
        ceph-mon --mkfs -i a --monmap "$CEPH/monmap" --keyring "$CEPH/keyring" -c "$CEPH/ceph.conf" || return
    spawn ceph-mon ceph-mon -f -i a -c "$CEPH/ceph.conf"
    wait_up ceph-mon 30 ceph_ --connect-timeout 5 auth import -i "$CEPH/keyring" &&
        ceph_ osd new "$2" &&
        ceph-osd -i 0 -c "$CEPH/ceph.conf" --mkfs --osd-uuid "$2" || return
    spawn ceph-osd ceph-osd -f -i 0 -c "$CEPH/ceph.conf"
    spawn radosgw radosgw -f -c "$CEPH/ceph.conf" -n client.rgw.a
    timeout 300 radosgw-admin -c "$CEPH/ceph.conf" user create --uid=u --display-name=u --access-key=AK --secret-key=SK &&
        wait_up radosgw 60 curl -sf -o "$T/.ceph" "$CEPH_URL/"
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
    stop radosgw
    stop ceph-osd
    stop ceph-mon
    rm -rf "$CEPH"
}
