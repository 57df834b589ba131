# shellcheck shell=bash
# A registry that everybody could pull from gets its first user, while its web server runs on with the configuration from
# before. close-nginx.t and close-apache.t set KIND and source this.
# shellcheck source=tests/serve/front-common.sh
. "$(dirname "$0")/front-common.sh"

"$STILLAGE" inventory --publish >/dev/null
start_responder 1
PUSH=(--push "fastcgi:$SOCKET")

everything() {
    echo /v2/ /v2/_catalog "/v2/_catalog?n=1" /v2/app/manifests/v1 "/v2/app/manifests/$DIGEST" "/v2/app/blobs/$BLOB" /v2/app/tags/list \
        "/v2/app/tags/list?n=1" "/v2/app/referrers/$DIGEST" / /index.html /inventory.json
}

# all STATUS WHAT
all() {
    local path method
    for path in $(everything); do
        for method in GET HEAD; do
            ask $method "$path"
            want_status "$1"
            verdict "$2: $method ${path/sha256:*/a digest}"
        done
    done
}

is_closed() {
    all 403 "$1"
    ask GET /v2/app/manifests/v1
    want_error 403 DENIED
    verdict '... in the words of the specification'
    like "$(<"$T/b")" 'stillage config' '... and it says what to do'
    ask GET /v2/nothing/manifests/v1
    want_status 403
    verdict '... also of what does not exist'
}

"start_$KIND" "$REG" "${PUSH[@]}"
before=$URL
"start_$KIND" "$REG" --auth none
ignorant=$URL
"start_$KIND" "$REG"
readonly=$URL

all 200 'without users all is open'

echo alice-password | "$STILLAGE" user add --stdin alice >/dev/null 2>"$T/warned"
like "$(<"$T/warned")" "'stillage config'" 'adding the first user says that the web server must know'
is_closed 'with the first user, read-only'
URL=$before
is_closed 'with the first user, with pushes'
ask POST /v2/app/blobs/uploads/
want_status 401
verdict '... what stillage.cgi answers, it decides about itself'
URL=$ignorant
ask GET /v2/app/manifests/v1
want_status 200
verdict 'with --auth none nothing is closed'
ok_run 'verify is content' "$STILLAGE" verify -q

"start_$KIND" "$REG" "${PUSH[@]}"
ask GET /v2/app/manifests/v1
want_status 401
verdict 'the configuration that is printed now asks for a token'

URL=$readonly
"$STILLAGE" user rm -q alice
ask GET /v2/app/manifests/v1
want_status 403
verdict 'when the last user goes it stays closed'
rm "$REG/auth/htpasswd"
"$STILLAGE" access apply >/dev/null
all 200 'it opens when it is said so'

printf 'access:\n  - {repository: app, pull: [anonymous]}\n' >>"$REG/registry.yaml"
"$STILLAGE" access apply >/dev/null
ask GET /v2/app/manifests/v1
want_status 403
verdict 'the first rule closes it, too'

done_testing
