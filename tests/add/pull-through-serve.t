#!/bin/bash
# stillage serve notices that `upstream:` in registry.yaml comes, changes and goes, without being started again.
# shellcheck source=tests/add/pull-through-common.sh
. "$(dirname "$0")/pull-through-common.sh"

small=$(cached twice)
start_upstream
there app:v1 "oci:$small"

# write_settings [LINE...]: in one step, as an editor does
write_settings() {
    printf '%s\n' 'version: 1' "$@" >"$T/settings"
    mv "$T/settings" "$REG/registry.yaml"
}
status_is() { http GET "/v2/$2/manifests/v1"; [ "$STATUS" = "$1" ]; }
says() { server_log "$SERVER" | grep -qF "$1"; }

new_registry
write_settings
next_server serve
spawn "$SERVER" "$STILLAGE" serve -r "$REG" --listen "$HOST"
wait_up "$SERVER" 15 answers "$URL"
http GET /v2/hub/app/manifests/v1
is "$STATUS" 404 'no upstream'
ok_run '... and the server has said that it is ready' wait_for 20 says 'Ctrl-C stops it.'

write_settings 'upstream:' "  - {prefix: hub, from: \"$UPSTREAM\", plain-http: true}"
ok_run 'a new upstream' wait_for 20 status_is 200 hub/app
ok_run '... which is said' says 'registry.yaml has changed'
write_settings 'upstream:' "  - {prefix: other, from: \"$UPSTREAM\", plain-http: true}"
ok_run 'another prefix' wait_for 20 status_is 200 other/app
write_settings 'upstream: ['
http GET /v2/other/app/manifests/v1
is "$STATUS" 200 'settings that are wrong change nothing'
gone() { [ ! -e "$REG/fetcher" ]; }
write_settings
ok_run 'no upstream any more' wait_for 20 gone
ok_run '... and what is not here is not there' wait_for 20 status_is 404 other/none
http GET /v2/other/app/manifests/v1
is "$STATUS" 200 '... but what has come stays'
write_settings 'upstream:' "  - {prefix: third, from: \"$UPSTREAM\", plain-http: true}"
ok_run 'an upstream again' wait_for 20 status_is 200 third/app

# Several upstreams through one host, as containerd, docker and podman ask for them.
write_settings 'upstream:' "  - {from: \"$UPSTREAM\", plain-http: true}" "  - {prefix: quay.io, from: \"$UPSTREAM/deep\", plain-http: true}"
there deep/other:v1 "oci:$small"
before=$(asked 'GET /v2/app/manifests/v1 ')
ok_run 'one for all names' wait_for 20 status_is 200 app
ok_run '... and one under its host' status_is 200 quay.io/other
is "$(asked 'GET /v2/app/manifests/v1 ') $(asked 'GET /v2/deep/other/manifests/v1 ')" "$((before + 1)) 1" '... each is asked for its own'
there second:v1 "oci:$small"
http GET '/v2/second/manifests/v1?ns=docker.io'
is "$STATUS" 200 "containerd's query does not matter"
done_testing
