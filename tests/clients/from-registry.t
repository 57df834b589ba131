#!/bin/bash
# What `stillage add docker://` and `stillage mirror` bring from a docker-registry, real clients pull from here: byte for byte.
# shellcheck disable=SC2034   # read by serve-common.sh, clients.sh
KIND=nginx
# shellcheck source=tests/serve/serve-common.sh
. "$(dirname "$0")/../serve/serve-common.sh"
have docker-registry || skip_all 'docker-registry is not installed'

"$STILLAGE" init -q "$T/near"
"$STILLAGE" add -q -r "$T/near" "oci:$(cached busybox):v1" tools/busybox:v1
"$STILLAGE" add -q -r "$T/near" "oci:$(cached multi):latest" tools/multi:latest
start_registry2
upstream=$HOST
ok_run 'a docker-registry is filled' "$STILLAGE" push -q -r "$T/near" --plain-http 'tools/**' "docker://$upstream"

"$STILLAGE" init -q "$REG"
ok_run 'add' "$STILLAGE" add -q -r "$REG" --plain-http "docker://$upstream/tools/busybox:v1" added/busybox:v1
printf '%s\n' "$upstream/tools/multi:latest mirrored/multi" >"$T/list"
ok_run 'mirror' "$STILLAGE" mirror -q -r "$REG" --plain-http --list "$T/list"

start_nginx "$REG"
CLIENTS='skopeo podman docker'
start_clients
for client in $CLIENTS; do
    check_pull "$client" "$HOST/added/busybox:v1" "$(cached busybox)"
    check_pull "$client" "$HOST/mirrored/multi:latest" "$(cached multi)"
done
done_testing
