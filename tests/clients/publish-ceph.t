#!/bin/bash
# stillage publish, with a real store: Ceph's gateway, and what pulls from it.
# shellcheck source=tests/cli/publish-common.sh
. "$(dirname "$0")/../cli/publish-common.sh"
# shellcheck source=tests/ceph.sh
. "$TESTS/ceph.sh"

why=$(ceph_missing gateway)
[ -z "$why" ] || skip_all "$why"
start_ceph gateway || skip_all "Ceph does not start here: $(tail -n 1 "$T/log/ceph" | tr -dc '[:print:]' | cut -c1-200)"
ceph_bucket images
export AWS_ACCESS_KEY_ID=AK AWS_SECRET_ACCESS_KEY=SK AWS_REGION=us-east-1
publish() { stillage publish s3://images/some/where --endpoint "$CEPH_URL" "$@"; }
keys() { ceph_s3 "$CEPH_URL/images?list-type=2&prefix=some%2Fwhere%2F" | grep -o '<Key>[^<]*' | sed 's|<Key>some/where/||'; }

# Clients ask for /v2/ at the root of a host: a server in front adds the bucket, as a CDN does.
next_server nginx
cat >"$SERVER_DIR/nginx.conf" <<END
daemon off;
pid $SERVER_DIR/pid;
error_log stderr;
events { }
http {
    access_log off;
    client_body_temp_path $SERVER_DIR/body;
    proxy_temp_path $SERVER_DIR/proxy;
    fastcgi_temp_path $SERVER_DIR/fastcgi;
    scgi_temp_path $SERVER_DIR/scgi;
    uwsgi_temp_path $SERVER_DIR/uwsgi;
    server { listen $HOST; location / { proxy_pass $CEPH_URL/images/some/where/; } }
}
END
spawn "$SERVER" nginx -e stderr -c "$SERVER_DIR/nginx.conf"
wait_up "$SERVER" 15 answers "$URL"

image "$T/one" base one
image "$T/two" base two
make_registry 'trash: {keep: 0s}'
"$STILLAGE" add -q -r "$REG" "oci:$(cached multi):latest" multi:latest
"$STILLAGE" add -q -r "$REG" "oci:$(cached busybox):v1" lib/busybox:v1
"$STILLAGE" add -q -r "$REG" "oci:$(cached artifact):v1" app:v1
push lib/app v1 "$T/one"

ok_run 'a first run' publish --json
written=$(json .written)
ok_run 'the store serves it right' "$STILLAGE" site -r "$REG" --check "$URL"
ok_run 'again' publish --json
is "$(json '[.written, .unchanged, .requests] | tostring')" "[0,$written,2]" 'costs the state and the list'
push lib/app v1 "$T/two"
ok_run 'a tag has moved' publish --json
is "$(json .written)" 6 'six objects are written: blob, manifest, referrers, tag, and what the page shows of it and of all'
start_clients
for client in skopeo ctr; do check_pull "$client" "$HOST/multi:latest" "$(cached multi)"; done
for client in podman docker; do check_pull "$client" "$HOST/lib/busybox:v1" "$(cached busybox)"; done

"$STILLAGE" rm -q -r "$REG" multi
push lib/app v1 "$T/one"
before=$(keys | wc -l)
ok_run 'with --delete' publish --delete --json
is "$(json '.removed > 10')" true 'what is gone goes'
is "$(keys | wc -l)" "$((before - $(json .removed)))" 'and nothing else'
is "$(keys | grep -c multi || true)" 0 'nothing is left of it'
ok_run 'the rest is there' "$STILLAGE" site -r "$REG" --check "$URL"

large big
# As a run that was cut leaves it: an upload with one good part.
key=v2/big/blobs/$(digest "$T/big.1" | sed 's/:/%3A/')
id=$(ceph_s3 -X POST "$CEPH_URL/images/some/where/$key?uploads=" -H 'x-amz-acl: private' | sed -n 's|.*<UploadId>\([^<]*\)</UploadId>.*|\1|p')
head -c $((64 << 20)) "$T/big.1" >"$T/part"
ceph_s3 -X PUT "$CEPH_URL/images/some/where/$key?partNumber=1&uploadId=$id" --data-binary "@$T/part"
ok_run 'a large blob, of which the store has a part' publish --json
ok_run 'again' publish --json
is "$(json .written)" 0 'it is known'
ok_run 'it is whole' "$STILLAGE" site -r "$REG" --check "$URL"
ask GET "/${key/\%3A/:}"
is "$(digest "$T/b")" "$(digest "$T/big.1")" 'every byte of it'
is "$(ceph_s3 "$CEPH_URL/images?uploads=" | grep -c '<Upload>' || true)" 0 'no upload is left'
done_testing
