# shellcheck shell=bash
# Sourced by bench.sh: publish, beside rclone and s3cmd with the flat copy of the same registry, each into an empty Ceph gateway:
# 1,000 small images and 1 GiB of blobs; again, unchanged; and after one image has changed. Requests are counted by an nginx in
# front, which passes them on as they come.
# shellcheck source=tests/ceph.sh
. "$TESTS/ceph.sh"

PUBLISH_BYTES=${BENCH_BYTES:-1073741824}
PUBLISH_IMAGES=${BENCH_IMAGES:-1000}

start_counter() {
    next_server nginx
    cat >"$SERVER_DIR/nginx.conf" <<END
daemon off;
pid $SERVER_DIR/pid;
events { }
http {
    log_format method '\$request_method';
    access_log $SERVER_DIR/requests method;
    client_max_body_size 0;
    client_body_temp_path $SERVER_DIR/body;
    proxy_temp_path $SERVER_DIR/proxy;
    fastcgi_temp_path $SERVER_DIR/fastcgi;
    scgi_temp_path $SERVER_DIR/scgi;
    uwsgi_temp_path $SERVER_DIR/uwsgi;
    upstream store { server ${CEPH_URL#http://}; keepalive 32; }
    server {
        listen $HOST;
        location / {
            proxy_pass http://store;
            proxy_set_header Host \$http_host;
            proxy_set_header Connection '';
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_buffering off;
        }
    }
}
END
    spawn "$SERVER" nginx -e stderr -c "$SERVER_DIR/nginx.conf"
    wait_up "$SERVER" 15 answers "$URL"
    REQUESTS=$SERVER_DIR/requests
}

with_publish() { "$STILLAGE" publish -q -r "$T/reg" s3://images --endpoint "$URL" --delete; }
with_rclone() {
    env -u AWS_CA_BUNDLE rclone sync -q --config /dev/null --checksum --fast-list --transfers 8 --delete-after --s3-provider Ceph --s3-access-key-id AK \
        --s3-secret-access-key SK --s3-endpoint "$URL" --s3-no-check-bucket "$T/site" :s3:images
}
with_s3cmd() {
    s3cmd -q -c /dev/null --no-ssl --access_key=AK --secret_key=SK --host="$HOST" --host-bucket="$HOST" --no-mime-magic \
        --delete-removed --delete-after sync "$T/site/" s3://images/
}

# publish_row TOOL WHAT: the tool runs in a shell of its own, which /usr/bin/time can start
publish_row() {
    sync
    : >"$REQUESTS"
    export -f "with_$1"
    timed bash -c "with_$1"
    wait_for 5 test -s "$REQUESTS"
    row "$1, $2" "$WALL s, $CPU s CPU, $(wc -l <"$REQUESTS") requests, $PEAK KiB"
}

change_one() {
    "$STILLAGE" add -q -r "$T/reg" "oci:$T/other:x" "many/r1:v$1"
    "$STILLAGE" site -q -r "$T/reg" -o "$T/site" --host plain
}

bench_publish() {
    local tool why i dir=$T/large changes=0
    heading "publish: $PUBLISH_IMAGES small images and $((PUBLISH_BYTES >> 20)) MiB of blobs, into Ceph's gateway"
    why=$(ceph_missing gateway)
    [ -z "$why" ] || { row publish "$why"; return; }
    export AWS_ACCESS_KEY_ID=AK AWS_SECRET_ACCESS_KEY=SK AWS_REGION=us-east-1 URL HOST T STILLAGE
    "$STILLAGE" init -q "$T/reg"
    grow "$T/reg" 0 "$PUBLISH_IMAGES"
    oci_init "$dir"
    local layers=()
    for ((i = 0; i < 10; i++)); do layers+=("$(random_blob "$dir" $((PUBLISH_BYTES / 10)))"); done
    oci_name "$dir" "$(oci_manifest "$dir" "$(printf '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}' |
        oci_blob "$dir" "$OCI_TYPE.config.v1+json")" "${layers[@]}")" x
    "$STILLAGE" add -q -r "$T/reg" "oci:$dir:x" large:x
    for tool in publish rclone s3cmd; do
        have "$tool" || [ "$tool" = publish ] || { row "$tool" 'is not installed'; continue; }
        start_ceph gateway
        ceph_bucket images
        start_counter
        "$STILLAGE" site -q -r "$T/reg" -o "$T/site" --host plain
        publish_row "$tool" first
        publish_row "$tool" unchanged
        changes=$((changes + 1))
        rm -rf "$T/other"
        oci_init "$T/other"
        oci_name "$T/other" "$(oci_manifest "$T/other" "$(printf '{"n":%d}' $changes | oci_blob "$T/other" "$OCI_TYPE.config.v1+json")" \
            "$(random_blob "$T/other" 8192)")" x
        change_one "$changes"
        publish_row "$tool" 'one image changed'
        stop "$SERVER"
        stop_ceph
    done
}
