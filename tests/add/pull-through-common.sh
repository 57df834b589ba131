# shellcheck shell=bash
# What the tests of pull-through share: an upstream, which is Debian's docker-registry behind an nginx that counts, and
# that lies; and a registry here with `upstream:`.
# shellcheck source=tests/add/add-common.sh
. "$(dirname "$0")/add-common.sh"
have docker-registry || skip_all 'docker-registry is not installed'
have nginx || skip_all 'nginx is not installed'
no_logins
FETCHERS=0

# start_upstream: UPSTREAM, the address of an nginx before a registry2, BEHIND. Lines for its server block in $T/upstream.d/*.conf
# count after restart_upstream.
start_upstream() {
    start_registry2
    BEHIND=$HOST
    next_server upstream
    UPSTREAM=$HOST UPSTREAM_NAME=$SERVER UPSTREAM_DIR=$SERVER_DIR
    mkdir -p "$T/upstream.d"
    cat >"$UPSTREAM_DIR/nginx.conf" <<END
daemon off; pid "$UPSTREAM_DIR/pid"; error_log "$UPSTREAM_DIR/error.log";
events {}
http {
    log_format short '\$request_method \$uri \$status \$http_range';
    access_log "$UPSTREAM_DIR/asked" short;
    client_body_temp_path "$UPSTREAM_DIR/b"; proxy_temp_path "$UPSTREAM_DIR/p"; fastcgi_temp_path "$UPSTREAM_DIR/f";
    scgi_temp_path "$UPSTREAM_DIR/s"; uwsgi_temp_path "$UPSTREAM_DIR/u";
    server {
        listen $UPSTREAM;
        client_max_body_size 0;
        proxy_set_header Host \$http_host;
        proxy_max_temp_file_size 0;
        include "$T/upstream.d/*.conf";
        location /mark/ { return 204; }
        location / { proxy_pass http://$BEHIND; }
    }
}
END
    restart_upstream
}

stop_upstream() { stop "$UPSTREAM_NAME"; }

restart_upstream() {
    stop_upstream
    : >"$UPSTREAM_DIR/asked"
    spawn "$UPSTREAM_NAME" nginx -p "$UPSTREAM_DIR" -e "$UPSTREAM_DIR/error.log" -c "$UPSTREAM_DIR/nginx.conf"
    wait_up "$UPSTREAM_NAME" 15 answers "http://$UPSTREAM"
}

# start_gate LAYOUT DIGEST NAME: the upstream's blob of that repository comes from gate.py, and waits in the middle for open_gate
start_gate() {
    local gate_port
    free_port gate_port
    GATE=$T/gate
    open_gate rest
    spawn gate python3 "$TESTS/add/gate.py" "$(blob_file "$1" "$2")" "$GATE" "$gate_port"
    wait_up gate 15 answers "http://127.0.0.1:$gate_port"
    echo "location = /v2/$3/blobs/$2 { proxy_pass http://127.0.0.1:$gate_port; proxy_buffering off; }" >"$T/upstream.d/gate.conf"
}
# open_gate rest|lie|cut; close_gate. asked_from: where the requests to the gate began, in one line
open_gate() { echo "$1" >"$GATE.new" && mv "$GATE.new" "$GATE"; }
close_gate() { rm -f "$GATE"; }
asked_from() { paste -sd' ' "$GATE.log"; }

# asked REGEX: how often the upstream was asked for what matches. nginx logs a request some time after its answer, but one after
# the other: what was answered so far is in the log with a request of our own.
asked() {
    local mark=/mark/$EPOCHREALTIME
    if curl -s -o /dev/null "http://$UPSTREAM$mark"; then wait_for 10 grep -qF "$mark" "$UPSTREAM_DIR/asked"; fi
    grep -v ' /mark/' "$UPSTREAM_DIR/asked" | grep -cE "$1" || true
}

# there NAME:TAG LAYOUT...: puts an image into the upstream
there() {
    local name=$1
    shift
    [ -e "$T/near" ] || "$STILLAGE" init -q "$T/near"
    "$STILLAGE" add -q -r "$T/near" "$@" "$name"
    "$STILLAGE" push -q -r "$T/near" --plain-http "$name" "docker://$BEHIND"
}

# big_layout DIR [DESCRIPTOR...]: an image with a layer of 3 MB that does not compress, and with these
big_layout() {
    local config layer
    oci_init "$1"
    layer=$(head -c 3000000 /dev/urandom | oci_blob "$1" "$OCI_TYPE.layer.v1.tar")
    config=$(empty_blob "$1")
    oci_name "$1" "$(oci_manifest "$1" "$config" "$layer" "${@:2}")" v1
    BIG=$(field digest <<<"$layer")
}

# registry_with_upstream [LINE OF registry.yaml...]: makes the registry new; hub/ in it comes from the upstream
registry_with_upstream() {
    new_registry
    printf '%s\n' 'apache: true' 'upstream:' "  - {prefix: hub, from: \"$UPSTREAM\", plain-http: true, fresh-for: ${FRESH_FOR:-1h}}" "$@" >>"$REG/registry.yaml"
    sed -i '0,/^#apache/s/^#apache.*//' "$REG/registry.yaml"
}

# They leave URL and SERVER as they are.
start_fetcher() {
    FETCHER=fetcher$((FETCHERS += 1))
    spawn "$FETCHER" env ${AUTHFILE:+REGISTRY_AUTH_FILE="$AUTHFILE"} "$STILLAGE" pull-through -r "$REG"
    wait_up "$FETCHER" 15 test -S "$REG/fetcher"
}

# ---- each server, and each way to run stillage.cgi ---------------------------------------------------------------

set_up_ways() {
    multi=$(cached multi) small=$(cached twice)
    big_layout "$T/big"
    start_upstream
    there app:v1 "oci:$multi"
    there open/app:v1 "oci:$small"
    there large:v1 "oci:$T/big"
    start_gate "$T/big" "$BIG" large
    restart_upstream
    RESPONDER=''
}

start_way() {
    case $1 in
        nginx-fcgiwrap) start_fcgiwrap 8 && RESPONDER=$SERVER && start_nginx "$REG" --push "fcgiwrap:$SOCKET" --cgi "$STILLAGE_CGI" ;;
        apache-cgi)     # as Apache's own account
            [ "$(id -u)" -ne 0 ] || chown -R www-data: "$REG"
            use_copies
            start_apache "$REG" --push cgi --cgi "$STILLAGE_CGI" ;;
        *-fastcgi) start_with_responder "${1%-fastcgi}" 2 ;;
        serve)
            next_server serve
            spawn "$SERVER" "$STILLAGE" serve -r "$REG" --listen "$HOST"
            wait_up "$SERVER" 15 answers "$URL" ;;
    esac
}

stop_way() {
    stop "$FETCHER"
    stop "$SERVER"
    [ -z "$RESPONDER" ] || stop "$RESPONDER"
    RESPONDER=''
}

half_is_here() { [ "$(stat -c %s "$T/got")" -ge 1400000 ]; }

try_way() {
    ok_run "$1: an image" skopeo_run copy -q --all --src-tls-verify=false "docker://$HOST/hub/app:v1" "dir:$T/image-$1"
    is "$(digest "$T/image-$1/manifest.json")" "$(oci_ref "$multi" latest | field digest)" '... byte for byte'
    image_is '... which is here now' "$multi" "$(oci_ref "$multi" latest)" hub/app:v1
    ask GET /v2/hub/app/manifests/none
    want_error 404 MANIFEST_UNKNOWN
    verdict '... but nothing that is not there'
    http GET /v2/hub/large/manifests/v1
    close_gate
    curl -sS -o "$T/got" "$URL/v2/hub/large/blobs/$BIG" 2>"$T/got.err" &
    # lighttpd sends nothing before it has all, which is its business.
    [ "$1" = lighttpd-fastcgi ] || ok_run '... a blob comes while it arrives' wait_for 20 half_is_here
    open_gate lie
    wait "$!" && ended=0 || ended=$?
    isnt "$ended $(stat -c %s "$T/got")" '0 3000000' '... and none that lies comes whole'
    is "$(find "$REG/www/v2/hub" -name "$BIG")" '' '... or is kept'
    ok_run '... a registry in order' "$STILLAGE" verify
}

# try_ways WAY...
try_ways() {
    local way
    for way; do
        have "$(program_of "$way")" || { skip 1 "$(program_of "$way") is not installed" "$way"; continue; }
        registry_with_upstream
        start_way "$way"
        FETCHER=none
        [ "$way" = serve ] || start_fetcher
        : >"$T/got"
        try_way "$way"
        stop_way
    done
}
program_of() { case $1 in apache*) echo apache2 ;; serve) echo nginx ;; *) echo "${1%-*}" ;; esac; }

# try_access WAY: where not everybody may pull, the repository need not be there for those who may.
try_access() {
    local before
    registry_with_upstream 'access:' '  - {repository: "hub/**", pull: [alice]}' '  - {repository: "hub/open/**", pull: [anonymous]}'
    echo alice-password | "$STILLAGE" user add -q --stdin alice
    start_way "$1"
    start_fetcher
    before=$(asked .)
    http GET /v2/hub/app/manifests/v1
    is "$STATUS $(asked .)" "401 $before" "$1: who may not pull asks nobody"
    http GET '/v2/_token?service=stillage&scope=repository:hub/app:pull' -u alice:alice-password
    http GET /v2/hub/app/manifests/v1 -H "Authorization: Bearer $(jq -r .token "$T/b")"
    is "$STATUS" 200 '... who may gets it'
    http GET /v2/hub/app/manifests/v1
    is "$STATUS" 401 '... and still nobody else'
    http GET /v2/hub/open/app/manifests/v1
    is "$STATUS" 200 '... what is for everybody comes for everybody'
    stop_way
}
