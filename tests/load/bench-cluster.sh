# shellcheck shell=bash
# Sourced by bench.sh: one registry in Ceph's file system through 1, 2 and 4 front ends, each on a mount of its own, and Debian's
# docker-registry with its S3 driver on the gateway of the same Ceph: `make bench-cluster`. All of it shares this machine, so rates
# say little; what a push or a pull costs each part in CPU and in requests to the metadata server says what that part can carry.
# shellcheck source=tests/ceph.sh
. "$TESTS/ceph.sh"
# shellcheck source=tests/cluster.sh
. "$TESTS/cluster.sh"

CLUSTER_IMAGES=${BENCH_IMAGES:-60}

# metadata_requests [FILTER]: how many the metadata server has answered; or what jq makes of its counters
metadata_requests() { ceph_ tell mds.0 perf dump 2>"$T/log/tell" | jq "${1:-.mds_server.handle_client_request}"; }
# Those that cost something, by their kind
BY_KIND='.mds_server | to_entries | map(select(.key | startswith("req_")) | {(.key[4:-8]): .value.avgcount}) | add'

# cpu_all SERVER...: milliseconds
cpu_all() { for s; do cpu_of "$s"; done | awk '{ t += $1 } END { printf "%.0f", 1000 * t }'; }

# snapshot FILE: what the parts have used so far
snapshot() {
    jq -n --argjson mds "$(cpu_all mds-a mds-b)" --argjson osd "$(cpu_all ceph-osd)" --argjson fuse "$(cpu_all "${MOUNTS[@]}")" \
        --argjson servers "$(cpu_all "${SERVERS[@]}")" --argjson requests "$(metadata_requests)" --argjson kinds "$(metadata_requests "$BY_KIND")" \
        '{mds: $mds, osd: $osd, fuse: $fuse, servers: $servers, requests: $requests, kinds: $kinds}' >"$1"
}

# for_each COUNT WHAT: a row of what lies between the two snapshots
for_each() {
    row "$2" "$(jq -rn --argjson n "$1" --slurpfile a "$T/before" --slurpfile b "$T/after" '$a[0] as $a | $b[0] as $b |
        def per(f): (($b | f) - ($a | f)) / $n * 100 | round / 100;
        "\(per(.requests)) metadata requests; CPU ms: metadata server \(per(.mds)), disks \(per(.osd)), mounts \(per(.fuse)), servers \(per(.servers)); "
        + ([$b.kinds | keys[] | . as $k | {k: $k, n: ((($b.kinds[$k] // 0) - ($a.kinds[$k] // 0)) / $n)} | select(.n >= 0.5)]
            | sort_by(-.n) | map("\(.k) \(.n * 10 | round / 10)") | join(", "))')"
}

# cluster_push WHAT: to URL
cluster_push() {
    "$LOAD" images "$URL" 8 4 >"$T/result"      # repositories are there, and mounts know them
    look_around m1 m2 m3 m4
    snapshot "$T/before"
    "$LOAD" images "$URL" "$CLUSTER_IMAGES" 4 >"$T/result"
    snapshot "$T/after"
    for_each "$CLUSTER_IMAGES" "push, $1"
    row '' "$(jq -r '"\(.per_second) pushes/s, the longest \(.longest) s"' "$T/result")"
}

# As clients do: docker-registry sends them to the gateway for a blob, and wants to hear that they take the manifests of OCI.
pull() { curl -sfL -H 'Accept: application/vnd.oci.image.manifest.v1+json' "$@" 2>"$T/log/curl"; }

# cluster_pull WHAT PATH: 400 times, 8 at once
cluster_pull() {
    local begin end
    pull -o "$T/b" "$URL$2"
    snapshot "$T/before"
    begin=$EPOCHREALTIME
    pull -Z --parallel-max 8 -o "$T/b" "$URL$2?n=[1-400]"
    end=$EPOCHREALTIME
    snapshot "$T/after"
    for_each 400 "GET of a $1"
    row '' "$(awk -v a="$begin" -v b="$end" 'BEGIN { printf "%.0f pulls/s", 400 / (b - a) }')"
}

# pull_both WHERE: what load/t0 has newest, by its tag, and one of its blobs
pull_both() {
    local tag
    tag=$(pull "$URL/v2/load/t0/tags/list" | jq -r '.tags[-1]')
    cluster_pull "manifest by tag, $1" "/v2/load/t0/manifests/$tag"
    cluster_pull "blob, $1" "/v2/load/t0/blobs/$(pull "$URL/v2/load/t0/manifests/$tag" | jq -r '.layers[0].digest')"
}

bench_cluster() {
    local why count mount
    heading "cluster: $CLUSTER_IMAGES small images by 4 at once, and single GETs; CPU and requests are for each of them"
    why=$(ceph_missing gateway files)
    [ -z "$why" ] || { row cluster "$why"; return; }
    start_ceph gateway files
    MOUNTS=(m1 m2 m3 m4) SERVERS=()
    for mount in "${MOUNTS[@]}"; do ceph_mount "$mount"; done
    "$STILLAGE" init -q "$T/m1/reg"
    echo 'access: [{repository: "**", pull: [anonymous], push: [anonymous]}]' >>"$T/m1/reg/registry.yaml"
    for mount in "${MOUNTS[@]}"; do
        front_end "$mount"
        SERVERS+=("${RESPONDER_OF[$mount]}" "${NGINX_OF[$mount]}")
    done
    full_store "${MOUNTS[@]}"
    for count in 1 2 4; do
        start_haproxy http "${MOUNTS[@]:0:count}"
        cluster_push "$count front ends"
        pull_both "$count front ends"
        stop "$SERVER"
    done
    HAPROXY='s/balance hash.*/balance roundrobin/; /^    hash-/d' start_haproxy http m1 m2
    cluster_push '2 front ends, each request at the next'
    stop "$SERVER"

    ceph_s3 -X PUT "$CEPH_URL/registry"
    start_registry_s3
    SERVERS=("$SERVER") MOUNTS=(radosgw)
    cluster_push "docker-registry with S3 (CPU of the gateway under mounts)"
    pull_both 'docker-registry with S3'
}

# Debian's docker-registry with its files in a bucket
start_registry_s3() {
    next_server registry
    cat >"$SERVER_DIR/config.yml" <<END
version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage:
  cache: {blobdescriptor: inmemory}
  s3: {accesskey: AK, secretkey: SK, region: us-east-1, regionendpoint: "$CEPH_URL", bucket: registry, secure: false, v4auth: true}
http: {addr: "$HOST"}
END
    # A certificate bundle for AWS, if this machine names one, is more than it can take.
    spawn "$SERVER" env -u AWS_CA_BUNDLE docker-registry serve "$SERVER_DIR/config.yml"
    wait_up "$SERVER" 15 answers "$URL"
}
