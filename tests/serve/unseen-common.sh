# shellcheck shell=bash
# A registry whose files cannot be seen, as when its file system is gone: nothing is said to be missing, and who spreads requests
# over several servers learns of it at /v2/_health. unseen-nginx.t and unseen-apache.t set KIND and source this.
# shellcheck source=tests/serve/front-common.sh
. "$(dirname "$0")/front-common.sh"

NONE=sha256:$(printf '%064d' 0)

# all STATUS WHAT [CURL ARGUMENT...]: of all addresses below the name app, and of all others
all() {
    local status=$1 what=$2 path
    shift 2
    for path in /v2/ /v2/_catalog /v2/app/manifests/{v1,"$DIGEST"} "/v2/app/blobs/$BLOB" /v2/app/tags/list "/v2/app/referrers/$DIGEST"; do
        for method in GET HEAD; do
            ask $method "$path" "$@"
            want_status "$status"
            [ "$method $status" != 'GET 503' ] || want_error 503 'UNAVAILABLE|UNKNOWN'
            verdict "$what: $method ${path/sha256:*/a digest}"
        done
    done
}

# gone WHAT: everything is 503 while the registry is away
gone() {
    local path
    mv "$REG" "$T/away"
    all 503 "$1" "${@:2}"
    for path in /v2/app/manifests/{v2,"$NONE"} "/v2/app/blobs/$NONE" /v2/other/manifests/v1 /v2/other/tags/list "/v2/other/referrers/$NONE"; do
        ask GET "$path" "${@:2}"
        want_error 503 UNAVAILABLE
        verdict "$1: what does not exist is not said to be missing: ${path/sha256:*/a digest}"
    done
    ask GET /v2/_health
    want_error 503 UNAVAILABLE
    verdict "$1: /v2/_health tells"
    mv "$T/away" "$REG"
}

# back WHAT STATUS
back() {
    ask GET /v2/_health
    want_status 200
    verdict "$1: /v2/_health tells that it is there"
    ask GET "/v2/app/blobs/$NONE" "${@:3}"
    want_status "$2"
    verdict "$1: what does not exist is $2 again"
}

"start_$KIND" "$REG" --auth none
back 'read-only' 404
gone 'read-only'
back 'read-only, again' 404
all 200 'read-only, again'

echo alice-password | "$STILLAGE" user add --stdin alice >/dev/null
start_responder 1
"start_$KIND" "$REG" --push "fastcgi:$SOCKET"
back 'with tokens' 401
gone 'with tokens'
back 'with tokens, again' 401

[ "$(id -u)" -ne 0 ] || { chgrp www-data "$REG/auth/htpasswd" && chmod 0640 "$REG/auth/htpasswd"; }
"start_$KIND" "$REG" --auth basic
back 'with passwords' 404 -u alice:alice-password
mv "$REG/www" "$T/www" && mkdir "$REG/www"      # the passwords are there
for path in /v2/ /v2/app/manifests/v1 /v2/app/tags/list "/v2/app/referrers/$DIGEST"; do
    ask GET "$path" -u alice:alice-password
    want_error 503 UNAVAILABLE
    verdict "with passwords: ${path/sha256:*/a digest}"
done
ask GET /v2/_health
want_error 503 UNAVAILABLE
verdict 'with passwords: /v2/_health tells, without one'
rmdir "$REG/www" && mv "$T/www" "$REG/www"
back 'with passwords, again' 404 -u alice:alice-password

done_testing
