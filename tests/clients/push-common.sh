# shellcheck shell=bash
# Real clients push, and what they pushed is pulled again and compared. push-*.t set HOW, source this, and run push_tests.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
[ -x "$STILLAGE_CGI" ] || skip_all "$STILLAGE_CGI is not built"

REG=$T/reg

start_server() {
    case $HOW in
        nginx-fcgiwrap) start_fcgiwrap 8 && start_nginx "$REG" --push "fcgiwrap:$SOCKET" --cgi "$STILLAGE_CGI" ;;
        nginx-fastcgi) start_responder 8 && start_nginx "$REG" --push "fastcgi:$SOCKET" --cgi "$STILLAGE_CGI" ;;
        caddy | lighttpd) start_responder 8 && "start_$HOW" "$REG" --push "fastcgi:$SOCKET" ;;
        apache-fastcgi) start_responder 8 && start_apache "$REG" --push "fastcgi:$SOCKET" --cgi "$STILLAGE_CGI" ;;
        apache-cgi)
            # mod_cgid runs the program as Apache's own account.
            [ "$(id -u)" -ne 0 ] || chown -R www-data:www-data "$REG"
            use_copies
            start_apache "$REG" --push cgi --cgi "$STILLAGE_CGI"
            ;;
    esac
}

make_registry() {
    case $HOW in apache*) "$STILLAGE" init -q --apache "$REG" ;; *) "$STILLAGE" init -q "$REG" ;; esac
}

test_clients() {
    local client
    start_clients
    for client in $(clients_for nginx-fastcgi); do
        check_push "$client" "$(cached busybox)" v1 "$HOST/$client/busybox:v1"
        # Only these two push an index; the others push of one what they push of any image.
        case $client in skopeo | ctr) check_push "$client" "$(cached multi)" latest "$HOST/$client/multi:latest" ;; esac
        # The largest, and pulling it again, are for all of them with one server; test_mount wants skopeo's.
        if [ "$HOW" = nginx-fastcgi ] || [ "$client" = skopeo ]; then
            check_push "$client" "$(cached debian)" 12 "$HOST/$client/debian:12"
            check_pull "$client" "$HOST/skopeo/busybox:v1" "$(cached busybox)"
        fi
    done
    check_push skopeo "$(cached artifact)" art "$HOST/app:art"
}

# A repository that shares layers with another: the client asks to mount them, and no byte travels twice.
test_mount() {
    local before after
    ok_run 'a second repository with the same layers' skopeo_run copy -q --dest-tls-verify=false --src-tls-verify=false \
        "docker://$HOST/skopeo/debian:12" "docker://$HOST/copy/debian:12"
    before=$(du -sk "$REG/store" | cut -f 1)
    ok_run 'and one more' skopeo_run copy -q --dest-tls-verify=false --src-tls-verify=false \
        "docker://$HOST/skopeo/debian:12" "docker://$HOST/third/debian:12"
    after=$(du -sk "$REG/store" | cut -f 1)
    is "$after" "$before" 'nothing is stored twice'
    http POST "/v2/fourth/blobs/uploads/?mount=$(layer_of "$(cached debian)" 12)&from=skopeo/debian" -d ''
    is "$STATUS" 201 'a mount is a mount'
}

layer_of() { jq -r '.layers[0].digest' <"$(blob_file "$1" "$(oci_ref "$1" "$2" | field digest)")"; }

# A push that is cut in the middle goes on where it stopped.
test_resume() {
    local digest session size
    head -c 30000000 /dev/urandom >"$T/blob"
    digest=sha256:$(sha256sum <"$T/blob" | cut -d ' ' -f 1)
    http POST /v2/app/blobs/uploads/ -d ''
    session=$(header location)
    # The client is killed when the first bytes have arrived.
    curl -s --limit-rate 1M -X PATCH -H 'Content-Type: application/octet-stream' -T "$T/blob" "$URL$session" >/dev/null 2>&1 &
    local curl=$!
    wait_for 20 arrived "$session"
    kill -9 "$curl"
    wait "$curl" 2>/dev/null || true
    wait_for 20 settled "$session"
    http GET "$session"
    size=$(header range)
    size=$((${size#0-} + 1))
    [ "$size" -gt 1 ] && [ "$size" -lt 30000000 ]
    ok $? "some of it has arrived ($size bytes)"
    tail -c +$((size + 1)) "$T/blob" >"$T/rest"
    http PATCH "$session" -H "Content-Range: $size-29999999" -H 'Content-Type: application/octet-stream' --data-binary "@$T/rest"
    is "$STATUS" 202 'the rest is sent alone'
    http PUT "$session?digest=$digest" -d ''
    is "$STATUS" 201 'and the blob is whole'
    http GET "/v2/app/blobs/$digest"
    same_file "$T/blob" "$T/b" 'byte for byte'
}

# Servers have their own ideas about lengths of nothing, and about programs that refuse a body.
test_bodies() {
    [ -e "$T/blob" ] || head -c 30000000 /dev/urandom >"$T/blob"
    local digest=sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 how
    ask POST "/v2/app/blobs/uploads/?digest=$digest" -d ''
    want_status 201
    verdict 'an empty blob'
    ask HEAD "/v2/app/blobs/$digest"
    want_status 200
    want_header content-length 0
    verdict 'HEAD tells that it is empty'
    for how in "Content-Length: 30000000" 'Transfer-Encoding: chunked'; do
        ask PATCH /v2/app/blobs/uploads/00000000-0000-4000-8000-000000000000 -H "$how" -H 'Expect:' --data-binary "@$T/blob"
        want_error 404 BLOB_UPLOAD_UNKNOWN
        verdict "30 MB for no session are refused with a reason, ${how%%:*}"
        ask PUT /v2/app/manifests/large -H "$how" -H 'Expect:' --data-binary "@$T/blob"
        want_error 413 MANIFEST_INVALID
        verdict "30 MB of a manifest are refused with a reason, ${how%%:*}"
    done
}

offset() { http GET "$1"; header range; }
arrived() { [ "$(offset "$1" | cut -d - -f 2)" -gt 1000000 ]; }

# An empty PATCH is refused for as long as the cut one still writes.
settled() { http PATCH "$1" -H 'Content-Type: application/octet-stream' -d ''; [ "$STATUS" = 202 ]; }

push_tests() {
    make_registry
    start_server
    test_clients
    test_mount
    # lighttpd passes nothing on before it has all of a body.
    [ "$HOW" = lighttpd ] || test_resume
    test_bodies
    unlike "$(server_log "$SERVER")" '\[([a-z_]+:)?(crit|alert|emerg)\]' 'nothing critical in the log'
    ok_run 'the registry is as its layout says' "$STILLAGE" verify -r "$REG"
}
