#!/bin/bash
# Importing into a registry that is being used: while images are pulled and pushed, and tags move, nobody sees anything
# that is not whole.
. "$(dirname "$0")/bundle-common.sh"
have nginx || skip_all 'nginx is not installed'
have spawn-fcgi || skip_all 'spawn-fcgi is not installed'

new_registry "$NEAR"
many_images "$NEAR" 24 300000
near export -q --all --volume-size 4MiB -o "$T/v.tar"
new_registry "$FAR"
add_images "$FAR" multi:here/multi busybox:here/busybox
REG=$FAR start_responder 2
start_nginx "$FAR" --push "fastcgi:$SOCKET"

# Everything that a manifest of lib/ leads to is there as soon as its tag is.
whole_image() {   # NAME
    local digest
    curl -sf -o "$T/watch.json" "$URL/v2/$1/manifests/v1" || return 0
    jq -r '.config.digest, .layers[].digest' "$T/watch.json" >"$T/watch.list"
    while read -r digest; do
        curl -sf "$URL/v2/$1/blobs/$digest" | sha256sum | grep -q "^${digest#*:} " || { echo "$1 $digest" >>"$T/not-whole"; return 1; }
    done <"$T/watch.list"
    echo "$1" >>"$T/seen"
}
watch() { local i; until [ -e "$T/enough" ]; do for ((i = 0; i < 24; i++)); do whole_image "lib/app$i" || true; done; done; }
pull() {
    until [ -e "$T/enough" ]; do
        compare_served "$URL" here/multi "$(cached multi)" || echo failed >>"$T/pulls-failed"
        echo pulled >>"$T/pulls"
    done
}
push() {
    local i=0
    until [ -e "$T/enough" ] && [ $i -ge 3 ]; do
        i=$((i + 1))
        skopeo_run copy -q --preserve-digests --dest-tls-verify=false "oci:$(cached twice)" "docker://$HOST/pushed/app:v$i" || echo "$i" >>"$T/pushes-failed"
        echo "v$i" >>"$T/pushes"
    done
}
collect() { until [ -e "$T/enough" ]; do far gc -q --grace 1h || echo failed >>"$T/gc-failed"; done; }
watch >"$T/watch.out" 2>&1 & workers=($!)
pull >"$T/pull.out" 2>&1 & workers+=($!)
push >"$T/push.out" 2>&1 & workers+=($!)
collect >"$T/gc.out" 2>&1 & workers+=($!)
started() { [ -s "$T/pulls" ] && [ -s "$T/pushes" ]; }
ok_run 'images are pulled and pushed' wait_for 60 started

import_all() { local v; for v in "$T"/v.*.tar; do far_import -q "$v"; done; }
ok_run 'meanwhile, volumes are imported one by one' import_all
all_seen() { [ "$(sort -u "$T/seen" 2>/dev/null | wc -l)" -eq 24 ]; }
ok_run 'every image is seen' wait_for 120 all_seen
: >"$T/enough"
wait "${workers[@]}"
ok "$([ ! -e "$T/not-whole" ]; echo $?)" 'and none before it was whole'
ok "$([ ! -e "$T/pulls-failed" ]; echo $?)" "no pull has failed ($(wc -l <"$T/pulls"))"
ok "$([ ! -e "$T/pushes-failed" ]; echo $?)" "no push has failed ($(wc -l <"$T/pushes"))"
ok "$([ ! -e "$T/gc-failed" ]; echo $?)" 'no garbage collection has failed'
is "$(far inventory | jq -c '.repositories[] | select(.name == "pushed/app") | .tags | keys')" "$(sort "$T/pushes" | jq -Rsc 'split("\n")[:-1]')" \
    'all that was pushed is there'
ok_run 'all that was imported is there' far import -q "$T"/v.*.tar
stop "$SERVER"
check_whole "$FAR" 'and the registry is in order'
done_testing
