# shellcheck shell=bash
# No media type, tag, name, page or blob that somebody puts into a registry decides what a web server does with it: each goes out
# as it came, whatever other modules the server has. content-nginx.t and content-apache.t set KIND, source this, and define
# start_loaded REG [FLAG...], which starts a server with all the modules that it can have.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

: "${KIND:?}"
have "$([ "$KIND" = apache ] && echo apache2 || echo "$KIND")" || skip_all "$KIND is not installed"
[ -x "$STILLAGE_CGI" ] || skip_all "$STILLAGE_CGI is not built"

REG=$T/reg

# Names of handlers and triggers of filters, in modules that Debian has.
types() {
    cat <<'END'
application/x-httpd-php
application/x-httpd-php-source
application/x-type-map
httpd/send-as-is
application/x-httpd-cgi
application/x-httpd-status
application/x-httpd-imap
application/x-httpd-suphp
application/x-lua
text/html
text/x-server-parsed-html
text/x-sub
application/xml
image/svg+xml
application/json
application/vnd.example.thing+json
END
}

# What modules look for: in a manifest, all of it at once.
bait() {
    printf '<?php echo 6*7; ?><!--#echo var="DATE_LOCAL" --><!--#exec cmd="id" -->needle <%%= 6*7 %%>'
    printf '<script>alert(1)</script><map name="m"></map><a href="http://%s/">' "${HOST:-127.0.0.1}"
}

# What blobs can look like: name, and its bytes
make_blobs() {
    local dir=$T/blobs
    mkdir "$dir"
    bait >"$dir/html"
    printf '#!/bin/sh\nprintf "Content-Type: text/plain\\n\\nrun"\n' >"$dir/script"
    printf 'Status: 403 No\nContent-Type: text/html\nX-Bait: yes\n\n%s' "$(bait)" >"$dir/asis"
    printf 'URI: other\n\nURI: other.html\nContent-type: text/html\nContent-language: de\n' >"$dir/type-map"
    bait | gzip -9 >"$dir/gzip"
    head -c 200000 /dev/zero | tr '\0' 'a' >"$dir/text"
    : >"$dir/empty"
    chmod 755 "$dir"/*
}

# push METHOD ADDRESS TYPE FILE: straight into the registry
# shellcheck disable=SC2094   # FILE is only read
push() {
    env -i STILLAGE_REGISTRY="$REG" GATEWAY_INTERFACE=CGI/1.1 REQUEST_METHOD="$1" REQUEST_URI="$2" CONTENT_TYPE="$3" \
        CONTENT_LENGTH="$(stat -c %s "$4")" "$STILLAGE_CGI" <"$4" >"$T/pushed" 2>&1
    grep -q '^Status: 201' "$T/pushed" || { diag "push $2: $(<"$T/pushed")"; return 1; }
}

# Tags that look like file names.
tags() { printf '%s\n' x.php x.phar x.cgi x.shtml x.asis x.var x.map x.gz x.html.de x.lua index.html; }

fill() {
    local type tag n=0 file
    if [ "$KIND" = apache ]; then "$STILLAGE" init -q --apache "$REG"; else "$STILLAGE" init -q "$REG"; fi
    make_blobs
    for file in "$T"/blobs/*; do push POST "/v2/bait.php/blobs/uploads/?digest=$(digest "$file")" application/octet-stream "$file"; done
    for type in $(types); do
        n=$((n + 1))
        jq -cnj --arg t "$type" --arg b "$(bait)" '{schemaVersion: 2, mediaType: $t, annotations: {b: $b}}' >"$T/manifest-$n"
        push PUT "/v2/bait.php/manifests/type-$n" "$type" "$T/manifest-$n"
    done
    for tag in $(tags); do push PUT "/v2/bait.php/manifests/$tag" text/html "$T/manifest-10"; done
}

# as_it_is METHOD ADDRESS TYPE FILE [CURL ARGUMENT...]
as_it_is() {
    local method=$1 address=$2 type=$3 file=$4
    shift 4
    ask "$method" "$address" -H 'Accept-Encoding: gzip, deflate, br' -H 'Accept-Language: de' "$@"
    want_status 200
    want_header content-type "$type"
    [ "$file" = - ] || want_header content-length "$(stat -c %s "$file")"
    want_header content-security-policy "default-src 'none'; frame-ancestors 'none'; sandbox"
    want_header x-content-type-options nosniff
    want_no_header content-encoding
    want_no_header content-language
    want_no_header x-bait
    [ "$method" = HEAD ] || [ "$file" = - ] || want_body "$file"
    verdict "$method $address, $type: as it is"
}

# test_content REPOSITORY
test_content() {
    local type tag n=0 file method
    for method in GET HEAD; do
        n=0
        for type in $(types); do
            n=$((n + 1))
            as_it_is $method "/v2/$1/manifests/type-$n" "$type" "$T/manifest-$n"
            [ $method = HEAD ] || as_it_is GET "/v2/$1/manifests/$(digest "$T/manifest-$n")" "$type" "$T/manifest-$n"
        done
        for tag in $(tags); do as_it_is $method "/v2/$1/manifests/$tag" text/html "$T/manifest-10"; done
        for file in "$T"/blobs/*; do as_it_is $method "/v2/$1/blobs/$(digest "$file")" application/octet-stream "$file"; done
    done
}

# Types that a server may have a shorter way to: the same bytes, under each of them.
test_usual_types() {
    local type method digest kind
    for kind in oci.image.manifest.v1 docker.distribution.manifest.v2 oci.image.index.v1 docker.distribution.manifest.list.v2; do
        type=application/vnd.$kind+json
        jq -cnj --arg k "$kind" --arg d "$(digest "$T/blobs/html")" --argjson s "$(stat -c %s "$T/blobs/html")" '
            {schemaVersion: 2, annotations: {kind: $k}} + if $k | test("index|list") then {manifests: []}
            else {config: {mediaType: "application/x", digest: $d, size: $s}, layers: []} end' >"$T/usual"
        digest=$(digest "$T/usual")
        push PUT "/v2/bait.php/manifests/usual" "$type" "$T/usual"
        for method in GET HEAD; do
            as_it_is $method "/v2/bait.php/manifests/usual" "$type" "$T/usual"
            as_it_is $method "/v2/bait.php/manifests/$digest" "$type" "$T/usual"
            is "$(header docker-content-digest) $(header etag)" "$digest \"$digest\"" 'and what it is'
        done
        ask GET "/v2/bait.php/manifests/$digest" -H "If-None-Match: \"$digest\""
        want_status 304
        verdict 'which the client has'
        ask GET "/v2/bait.php/manifests/$digest" -H 'If-Match: "other"'
        want_error 412
        verdict 'or has not'
    done
}

# Files that somebody has put beside the page. None of them is a program.
test_pages() {
    local name
    for name in x.php x.phar x.cgi x.shtml x.asis x.var x.lua; do
        cp "$T/blobs/script" "$REG/www/$name"
        bait >>"$REG/www/$name"
        ask GET "/$name"
        want_status 200
        want_body "$REG/www/$name"
        verdict "/$name is a file"
    done
    printf 'SetHandler server-info\nOptions +Indexes +ExecCGI +Includes\n' >"$REG/www/.htaccess"
    ask GET /x.php
    want_status 200
    want_body "$REG/www/x.php"
    verdict 'no .htaccess is read'
}

content_tests() {
    fill
    start_loaded "$REG"
    test_content bait.php
    test_usual_types
    test_pages
    unlike "$(server_log "$SERVER")" '\[([a-z_]+:)?(crit|alert|emerg)\]' 'nothing critical in the log'
    stop "$SERVER"
}

# The same behind stillage.cgi, which sends manifests to who comes with a password.
test_sent_by_cgi() {
    echo alice-password | "$STILLAGE" user add -q -r "$REG" --stdin alice
    printf '%s\n' 'access:' '  - {repository: "**", pull: [alice]}' >>"$REG/registry.yaml"
    "$STILLAGE" access apply -q -r "$REG"
    "$@"
    local type n=0
    for type in $(types); do
        n=$((n + 1))
        as_it_is GET "/v2/bait.php/manifests/type-$n" "$type" "$T/manifest-$n" -u alice:alice-password
    done
    stop "$SERVER"
}

test_bundle() {
    local bundle=$T/bundle
    "$STILLAGE" export -q -r "$REG" --all --unpacked "$bundle"
    start_loaded "$bundle"
    local type n=0
    for type in $(types); do
        n=$((n + 1))
        as_it_is GET "/v2/bait.php/manifests/type-$n" "$type" "$T/manifest-$n"
    done
    stop "$SERVER"
    forge_bundle "$bundle"
}
