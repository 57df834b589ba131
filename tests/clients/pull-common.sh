# shellcheck shell=bash
# Real clients pull, the same from every web server. pull-nginx.t and pull-apache.t set KIND, source this, and run pull_tests.
# shellcheck source=tests/serve/serve-common.sh
. "$(dirname "$0")/../serve/serve-common.sh"

test_clients() {
    local client host=$HOST
    start_clients
    for client in $(clients_for nginx); do
        check_pull "$client" "$host/lib/busybox:v1" "$(cached busybox)"
        check_pull "$client" "$host/lib/multi:latest" "$(cached multi)"
        check_pull "$client" "$host/debian:12" "$(cached debian)"
        check_pull "$client" "$host/app@$(descriptor artifact v1 | field digest)" "$(cached artifact)" v1
    done
    check_pull skopeo "$host/app:art" "$(cached artifact)" art
    is "$(skopeo_run list-tags --tls-verify=false "docker://$host/app" | jq -c .Tags)" '["art","v1"]' 'skopeo lists the tags'
    if [ -n "$(client_why docker)" ]; then
        skip 1 "$(client_why docker)" 'docker runs what it pulled'
    else
        add "oci:$(cached hello)" hello:latest
        ok_run 'docker runs what it pulled' docker_run run --rm --network none "$host/hello:latest"
    fi
}

test_tls() {
    self_signed "$T/tls"
    "start_$KIND" "$REG" --server-name localhost --tls-certificate "$T/tls/tls.crt" --tls-key "$T/tls/tls.key"
    ask GET /v2/lib/busybox/manifests/v1 --cacert "$T/tls/tls.crt"
    want_status 200
    want_header docker-content-digest "$(descriptor busybox v1 | field digest)"
    verdict 'over TLS'
    mkdir "$T/certs"
    cp "$T/tls/tls.crt" "$T/certs/ca.crt"
    ok_run 'skopeo over TLS, the certificate checked' skopeo_run copy -q --src-cert-dir "$T/certs" --preserve-digests \
        "docker://${URL#https://}/lib/busybox:v1" "dir:$T/over-tls"
    stop "$SERVER"
}

pull_tests() {
    fill_registry
    "start_$KIND" "$REG"
    test_clients
    unlike "$(server_log "$SERVER")" '\[([a-z_]+:)?(crit|alert|emerg)\]' 'nothing critical in the log'
    test_tls
}
