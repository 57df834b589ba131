# shellcheck shell=bash
# shellcheck disable=SC2034,SC2094,SC2120   # what tests use; files that are only read; most tests give no settings
# stillage.cgi by environment and standard input alone: no web server. Sourced by tests/cgi-*.t.
#
#   cgi GET /v2/app/tags/list?n=2                          no body; more variables may follow: HTTP_IF_MATCH='*'
#   send FILE PUT /v2/app/manifests/v1 CONTENT_TYPE=…      a body with CONTENT_LENGTH
#   stream FILE PATCH "$session"                           a body of unknown length
#   want_status 202; want_header range 0-9; verdict 'what this shows'
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

[ -x "$STILLAGE_CGI" ] || skip_all "$STILLAGE_CGI is not built"

REG=$T/reg
IMAGE=application/vnd.oci.image.manifest.v1+json
INDEX=application/vnd.oci.image.index.v1+json
EMPTY=sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
: >"$T/curl.err" # want_status quotes it

# make_registry [PUSH SETTING...]: REG, with lines of registry.yaml below "push:"
make_registry() {
    rm -rf "$REG"
    "$STILLAGE" init "$REG" >/dev/null
    [ $# -eq 0 ] || configure "$@"
}

configure() { printf '%s\n' 'version: 1' 'push:' "${@/#/  }" >"$REG/registry.yaml"; }

# cgi METHOD URI [NAME=VALUE...] [<BODY]: sets STATUS; headers in $T/h, body in $T/b, standard error in $T/cgi.err.
# CONTENT_LENGTH=@ is the size of the file that is the body.
cgi() {
    local stays=''
    PROBLEMS=()
    may_stay && stays=yes
    if [ -n "$stays" ]; then ask_gateway "$@"; else run_cgi "$T" "$@"; fi
    HEADERS=()
    read_headers
    STATUS=${HEADERS[status]-}
    STATUS=${STATUS%% *}
    [ -n "$stays" ] || find_error_code
}

cgi_environment() {
    ENVIRONMENT=(STILLAGE_REGISTRY="$REG" GATEWAY_INTERFACE=CGI/1.1 REQUEST_METHOD="$1" REQUEST_URI="$2"
        QUERY_STRING="${2#*\?}" "${@:3}")
}

# Whether tests/support/gateway.c can run it, which spares three processes. It answers the test itself alone, none of its
# subshells, and takes files only.
may_stay() { [ "$BASHPID" = "$$" ] && [ ${#RUN_UNDER[@]} -eq 0 ] && { [ -f /dev/stdin ] || [ -c /dev/stdin ]; }; }
GATEWAY_TO='' GATEWAY_FROM=''

ask_gateway() {
    local input=/proc/$$/fd/0
    [ ! -c /dev/stdin ] || input=/dev/null
    cgi_environment "$@"
    if [ -z "$GATEWAY_TO" ]; then
        mkfifo "$T/gateway.to" "$T/gateway.from"
        exec {GATEWAY_TO}<>"$T/gateway.to" {GATEWAY_FROM}<>"$T/gateway.from"
        # shellcheck disable=SC2016
        spawn gateway sh -c 'exec "$1/build/gateway" <"$2/gateway.to" >"$2/gateway.from"' sh "$TOP" "$T"
        disown "${PID_OF[gateway]}"     # a test waits for the requests that it has begun, not for this
    fi
    printf '%s\0' $((${#ENVIRONMENT[@]} + 3)) "$STILLAGE_CGI" "$input" "$T" "${ENVIRONMENT[@]}" >&"$GATEWAY_TO"
    read -r -t 90 -u "$GATEWAY_FROM" ERROR_CODE   # standard input stays what it is
}

# run_cgi DIR METHOD URI [NAME=VALUE...]: the same, into a folder of its own, for use in the background
run_cgi() {
    local dir=$1 rc=0 line input=0
    [ -t 0 ] && exec {input}</dev/null
    cgi_environment "${@:2}"
    [[ " ${ENVIRONMENT[*]} " != *' CONTENT_LENGTH=@ '* ]] || ENVIRONMENT+=(CONTENT_LENGTH="$(stat -Lc %s "/proc/self/fd/$input")")
    env -i "${ENVIRONMENT[@]}" "${RUN_UNDER[@]}" "$STILLAGE_CGI" >"$dir/raw" 2>"$dir/cgi.err" <&"$input" || rc=$?
    {
        while IFS= read -r line && [ "$line" != $'\r' ]; do printf '%s\n' "${line%$'\r'}"; done >"$dir/h"
        cat >"$dir/b"
    } <"$dir/raw"
    [ "$rc" -eq 0 ] || printf 'exit status %d\n' "$rc" >"$dir/h"
}
RUN_UNDER=()

send() {
    local file=$1
    shift
    cgi "$@" CONTENT_LENGTH=@ <"$file"
}

stream() {
    local file=$1
    shift
    cgi "$@" CONTENT_LENGTH= <"$file"
}

location() { header location; }

# new_session NAME [PARAMETERS]: sets SESSION to its path
new_session() {
    cgi POST "/v2/$1/blobs/uploads/${2:-}" </dev/null
    SESSION=$(location)
    [[ $SESSION == /v2/$1/blobs/uploads/* ]]
}

# push_blob NAME FILE [sha512]: sets DIGEST
push_blob() {
    DIGEST=$(digest "$2" "${3:-sha256}")
    send "$2" POST "/v2/$1/blobs/uploads/?digest=$DIGEST"
    [ "$STATUS" = 201 ] || { diag "push_blob: $STATUS $(body)"; return 1; }
}

descriptor() { printf '{"mediaType":"%s","digest":"%s","size":%d}' "$1" "$(digest "$2" "${3:-sha256}")" "$(stat -c %s "$2")"; }

# make_image NAME CONTENT [EXTRA MEMBERS]: pushes config and a layer of that content; the manifest is $T/image
make_image() {
    printf '{"architecture":"amd64","os":"linux","n":"%s"}' "$2" >"$T/config"
    printf 'layer %s' "$2" >"$T/layer"
    push_blob "$1" "$T/config"
    push_blob "$1" "$T/layer"
    printf '{"schemaVersion":2,"mediaType":"%s","config":%s,"layers":[%s]%s}' "$IMAGE" \
        "$(descriptor application/vnd.oci.image.config.v1+json "$T/config")" \
        "$(descriptor application/vnd.oci.image.layer.v1.tar "$T/layer")" "${3:+,$3}" >"$T/image"
}

# push_image NAME TAG CONTENT [EXTRA]: sets DIGEST to the manifest's
push_image() {
    make_image "$1" "$3" "${4:-}"
    put_manifest "$T/image" "$1" "$2"
    DIGEST=$(digest "$T/image")
    [ "$STATUS" = 201 ] || { diag "push_image: $STATUS $(body)"; return 1; }
}

# put_manifest FILE NAME REFERENCE [NAME=VALUE...]
put_manifest() {
    local file=$1 name=$2 ref=$3
    shift 3
    send "$file" PUT "/v2/$name/manifests/$ref" CONTENT_TYPE="$IMAGE" "$@"
}

store_file() { printf '%s/store/%s/%s/%s' "$REG" "${1%%:*}" "$(printf %.2s "${1#*:}")" "${1#*:}"; }

# session_file PATH: where the bytes of a session lie; its hash is in a file of that name with .hash
session_file() {
    local id=${1##*/}
    printf '%s/uploads/%08x/%s' "$REG" $((16#${id:37:8} / 3600)) "${id:0:36}"
}

# old_session NAME SECONDS: sets SESSION to the path of one that began so long ago. Its keyed hash is openssl's.
old_session() {
    local id mac
    new_session "$1"
    id=${SESSION##*/}
    id=${id:0:37}$(printf %08x $(($(date +%s) - $2)))${id:45:1}
    mac=$(printf %s "$id$1" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$(od -An -v -tx1 "$REG/auth/upload-key" | tr -d ' \n')")
    mac=${mac##* }
    SESSION=${SESSION%/*}/$id${mac:0:24}
}

tags() { cgi GET "/v2/$1/tags/list"; jq -r '.tags | join(" ")' <"$T/b"; }

# What is left of uploads and of files being written, but for the marks of sessions that have ended
leftovers() { find "$REG/tmp" "$REG/uploads" -mindepth 1 ! -type d ! -name '*ended'; }
