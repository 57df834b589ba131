# shellcheck shell=bash
# The read side, the same for every web server: serve-*.t set KIND, source this, run serve_tests.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/serve/forbidden-common.sh
. "$TESTS/serve/forbidden-common.sh"

: "${KIND:?}"
have "$([ "$KIND" = apache ] && echo apache2 || echo "$KIND")" || skip_all "$KIND is not installed"
[ -x "$STILLAGE" ] || skip_all "$STILLAGE is not built"

REG=$T/reg
SECRET=not-for-readers-$RANDOM$RANDOM

# ---- what is served ----------------------------------------------------------------------------------------------

# name, fixture, its ref: one line an image
images() {
    cat <<'END'
lib/busybox busybox v1
lib/multi multi latest
lib nested all
debian debian 12
app artifact v1
app artifact art
app512 artifact512 v512
a/b-c/d.e/f__g docker2 latest
END
}

add() { "$STILLAGE" add -r "$REG" "$@" >>"$T/log/add" 2>&1 || { diag "add $*" "$(tail -n 3 "$T/log/add")"; return 1; }; }

fill_registry() {
    local name image ref flags=()
    [ "$KIND" != apache ] || flags=(--apache)
    "$STILLAGE" init "${flags[@]}" "$REG" >/dev/null
    while read -r name image ref; do
        [[ $image != artifact* ]] || continue
        add "oci:$(cached "$image"):$ref" "$name:$ref"
    done < <(images)
    # Whole, so that the referrers come along: they have no names of their own.
    add "oci:$(cached artifact)" app
    add "oci:$(cached artifact512)" app512
}

# Names that no URL may reach, inside the document root and beside it.
plant_secrets() {
    local file repo=www/v2/lib/busybox
    for file in auth/password log/access.log uploads/x/data www/.hidden www/.git/config www/_page www/v2/.hidden www/v2/_x \
        $repo/.htpasswd $repo/.git/config $repo/manifests/.x $repo/blobs/.x $repo/tags/.x $repo/tags/other $repo/other \
        $repo/_manifests/application/x/y www/sub/page.html; do
        mkdir -p "$REG/$(dirname "$file")"
        echo "$SECRET" >"$REG/$file"
    done
    printf '\n# %s\n' "$SECRET" >>"$REG/registry.yaml"
}

# start_kind: KIND serves REG. caddy and lighttpd do with stillage.cgi behind them, which then also takes pushes.
has_cgi() { [[ $KIND = caddy || $KIND = lighttpd ]]; }
start_kind() {
    has_cgi || { "start_$KIND" "$REG"; return; }
    start_responder 4
    "start_$KIND" "$REG" --push "fastcgi:$SOCKET" --cgi "$STILLAGE_CGI"
}

descriptor() { oci_ref "$(cached "$1")" "$2"; }

# ---- manifests ---------------------------------------------------------------------------------------------------

# manifest_as_it_should_be METHOD NAME REFERENCE DESCRIPTOR FILE [CURL ARGUMENT...]
manifest_as_it_should_be() {
    local method=$1 name=$2 ref=$3 desc=$4 file=$5 digest
    shift 5
    digest=$(field digest <<<"$desc")
    ask "$method" "/v2/$name/manifests/$ref" "$@"
    want_status 200
    want_header content-type "$(field mediaType <<<"$desc")"
    want_header docker-content-digest "$digest"
    want_header content-length "$(field size <<<"$desc")"
    want_header docker-distribution-api-version registry/2.0
    want_header_like etag '^"[^"]+"$'
    want_no_header content-encoding
    want_no_header transfer-encoding
    case $ref in
        sha*) want_header_like cache-control immutable ;;
        *) want_header cache-control no-cache ;;
    esac
    [ "$method" = HEAD ] || want_body "$file"
    verdict "$method $name/manifests/${ref:0:30} $*"
}

test_manifests() {
    local name image ref layout desc digest method
    while read -r name image ref; do
        layout=$(cached "$image")
        desc=$(oci_ref "$layout" "$ref")
        digest=$(field digest <<<"$desc")
        for method in GET HEAD; do
            manifest_as_it_should_be $method "$name" "$ref" "$desc" "$(blob_file "$layout" "$digest")"
            manifest_as_it_should_be $method "$name" "$digest" "$desc" "$(blob_file "$layout" "$digest")"
        done
        ok_run "every manifest and blob of $name:$ref, by digest" compare_served "$URL" "$name" "$layout" "$ref"
    done < <(images)

    layout=$(cached busybox)
    desc=$(oci_ref "$layout")
    digest=$(field digest <<<"$desc")
    for method in GET HEAD; do
        manifest_as_it_should_be $method lib/busybox v1 "$desc" "$(blob_file "$layout" "$digest")" -H 'Accept-Encoding: gzip, zstd, br'
        manifest_as_it_should_be $method lib/busybox v1 "$desc" "$(blob_file "$layout" "$digest")" \
            -H 'Accept: application/vnd.docker.distribution.manifest.v2+json'
        manifest_as_it_should_be $method lib/busybox "${digest/:/%3A}" "$desc" "$(blob_file "$layout" "$digest")"
        manifest_as_it_should_be $method lib/busybox v1 "$desc" "$(blob_file "$layout" "$digest")" --http1.0
        manifest_as_it_should_be $method lib/busybox 'v1?ns=docker.io' "$desc" "$(blob_file "$layout" "$digest")"
    done
}

test_conditional_manifests() {
    local digest method ref etag
    digest=$(descriptor busybox v1 | field digest)
    for ref in v1 "$digest"; do
        http HEAD "/v2/lib/busybox/manifests/$ref"
        etag=$(header etag)
        for method in GET HEAD; do
            ask $method "/v2/lib/busybox/manifests/$ref" -H "If-None-Match: $etag"
            want_status 304
            want_header etag "$etag"
            [ ! -s "$T/b" ] || PROBLEMS+=('304 with a body')
            verdict "$method manifests/${ref:0:10} with If-None-Match: 304"

            ask $method "/v2/lib/busybox/manifests/$ref" -H 'If-None-Match: "other"'
            want_status 200
            verdict "$method manifests/${ref:0:10} with another ETag: 200"
        done
    done
    http HEAD /v2/lib/multi/manifests/latest
    ask GET /v2/lib/busybox/manifests/v1 -H "If-None-Match: $(header etag)"
    want_status 200
    verdict 'the ETag of another manifest does not match'
    ask GET /v2/lib/busybox/manifests/none -H 'If-None-Match: *'
    want_error 404 MANIFEST_UNKNOWN
    verdict 'a condition does not make a missing tag appear'
}

# ---- blobs -------------------------------------------------------------------------------------------------------

# The biggest layer of debian:12: FILE, SIZE, BLOB (its address)
pick_blob() {
    local layout digest
    layout=$(cached debian)
    digest=$(oci_tree "$layout" "$(oci_ref "$layout")" | jq -rs 'max_by(.size).digest')
    FILE=$(blob_file "$layout" "$digest")
    SIZE=$(stat -c %s "$FILE")
    BLOB=/v2/debian/blobs/$digest
}

test_blobs() {
    local method etag range
    pick_blob
    for method in GET HEAD; do
        ask $method "$BLOB" -H 'Accept-Encoding: gzip, zstd, br'
        want_status 200
        want_header content-type application/octet-stream
        want_header docker-content-digest "${BLOB##*/}"
        want_header content-length "$SIZE"
        [ "$KIND" = lighttpd ] || want_header accept-ranges bytes
        want_header docker-distribution-api-version registry/2.0
        want_header_like cache-control immutable
        want_header_like etag '^"[^"]+"$'
        want_no_header content-encoding
        [ $method = HEAD ] || want_body "$FILE"
        verdict "$method of a blob of $SIZE bytes"
    done
    ask HEAD "${BLOB/:/%3A}"
    want_status 200
    want_header docker-content-digest "${BLOB##*/}"
    verdict 'a blob under its digest with an encoded colon'

    http HEAD "$BLOB"
    etag=$(header etag)
    for method in GET HEAD; do
        ask $method "$BLOB" -H "If-None-Match: $etag"
        want_status 304
        verdict "$method of a blob with If-None-Match: 304"
    done

    for range in 0-0 0-99 100-199 "$((SIZE - 10))-$((SIZE + 10))" -50 $((SIZE - 1))-; do test_range "$range" "$etag"; done
    [ "$KIND" != lighttpd ] || return 0
    ask GET "$BLOB" -H "Range: bytes=$SIZE-"
    want_status 416
    want_header content-range "bytes */$SIZE"
    verdict 'a range behind the end: 416'
    ask GET "$BLOB" -H 'Range: bytes=0-9' -H 'If-Range: "other"'
    want_status 200
    want_header content-length "$SIZE"
    verdict 'If-Range with another ETag: the whole blob'
    ok_run 'a download that was cut goes on where it was (curl -C)' resume_download
    test_many_ranges
}

# podman fetches the files of a zstd:chunked layer that it lacks, hundreds of ranges at a time.
test_many_ranges() {
    local ranges
    ranges=$(seq -f '%.0f' 0 20 7980 | sed 's/.*/&-&/' | paste -sd ,)
    ask GET "$BLOB" -H "Range: bytes=$ranges"
    want_status 206
    want_header_like content-type '^multipart/byteranges; ?boundary='
    [ "$(grep -aci '^content-range: bytes [0-9]*0-[0-9]*0/' "$T/b")" -eq 400 ] || PROBLEMS+=("$(grep -aci '^content-range:' "$T/b") parts")
    verdict '400 ranges in one request'
}

# stillage.cgi sends no parts, which RFC 9110 leaves to a server.
whole_blob() {
    want_status 200
    want_header content-length "$SIZE"
    want_body "$FILE"
    verdict "$1"
}

# test_range RANGE ETAG: plain, and with an If-Range that holds
test_range() {
    local first=${1%-*} last=${1#*-} args
    [ -n "$first" ] || { first=$((SIZE - last)) last=$((SIZE - 1)); }
    [ -n "$last" ] && [ "$last" -lt "$SIZE" ] || last=$((SIZE - 1))
    tail -c +$((first + 1)) "$FILE" | head -c $((last - first + 1)) >"$T/part" || true
    for args in "If-Range: $2" 'X-None: 1'; do
        ask GET "$BLOB" -H "Range: bytes=$1" -H "$args"
        if [ "$KIND" = lighttpd ] || { [ "$KIND" = caddy ] && [ "${args%%:*}" = If-Range ]; }; then
            whole_blob "range $1 ($args): all of it"
            continue
        fi
        want_status 206
        want_header content-range "bytes $first-$last/$SIZE"
        want_header content-length $((last - first + 1))
        want_header content-type application/octet-stream
        want_header docker-content-digest "${BLOB##*/}"
        want_body "$T/part"
        verdict "range $1 ($args)"
    done
}

resume_download() {
    head -c 1000000 "$FILE" >"$T/resumed"
    curl -ksSf --max-time 60 -C - -o "$T/resumed" "$URL$BLOB"
    cmp "$FILE" "$T/resumed"
}

# ---- lists -------------------------------------------------------------------------------------------------------

# What the page reads, of a registry; bundles have none.
test_details() {
    ask GET /v2/app/tags/_details
    want_status 200
    want_header content-type application/x-ndjson
    want_header cache-control no-cache
    want_json '.tag == "v1" or .tag == "art" or .referrer'
    verdict 'tags/_details describes them'
    ask GET /v2/_details
    want_status 200
    want_json '.repository and .tags >= 0'
    verdict '_details describes the repositories'
}

test_lists() {
    local method path size
    for path in /v2/ /v2/_catalog /v2/lib/busybox/tags/list /v2/app/tags/list '/v2/app/tags/list?n=1' '/v2/app/tags/list?n=1&last=art' '/v2/_catalog?n=2&last=lib'; do
        for method in GET HEAD; do
            ask $method "$path" -H 'Accept-Encoding: gzip'
            want_status 200
            want_header_like content-type '^application/json(; charset=utf-8)?$'
            want_header docker-distribution-api-version registry/2.0
            want_header_like content-length '^[0-9]+$'
            want_no_header content-encoding
            [ "$path" = /v2/ ] || want_header cache-control no-cache
            if [ $method = HEAD ]; then want_header content-length "$size"; else size=$(stat -c %s "$T/b"); fi
            # Without stillage.cgi, a query is answered with the whole list.
            case $path in *\?*) ! has_cgi || { verdict "$method $path"; continue; } ;; esac
            [ $method = HEAD ] || want_json 'if .tags and .name == "app" then .tags == ["art", "v1"] else .repositories == null or (.repositories | length) == 7 end'
            verdict "$method $path"
        done
    done
    ask GET /v2/_catalog
    want_json '.repositories == ["a/b-c/d.e/f__g", "app", "app512", "debian", "lib", "lib/busybox", "lib/multi"]'
    verdict '_catalog names every repository, in order'
    ask GET /v2/app/tags/list
    want_json '. == {name: "app", tags: ["art", "v1"]}'
    verdict 'tags/list names every tag, in order'
    ask GET /v2/lib/tags/list
    want_json '. == {name: "lib", tags: ["all"]}'
    verdict 'a repository above others has its own list'
    ask GET /v2
    want_status '200|301|308'
    verdict 'GET /v2, without the slash'
}

test_referrers() {
    local layout subject method index=application/vnd.oci.image.index.v1+json bad path
    layout=$(cached artifact)
    subject=$(oci_ref "$layout" v1 | field digest)
    for method in GET HEAD; do
        ask $method "/v2/app/referrers/$subject"
        want_status 200
        want_header content-type $index
        want_header docker-distribution-api-version registry/2.0
        want_no_header content-encoding
        verdict "$method referrers"
    done
    ask GET "/v2/app/referrers/$subject"
    want_json ".schemaVersion == 2 and .mediaType == \"$index\" and (.manifests | length) == 3"
    want_json '[.manifests[].artifactType] | sort == ["application/vnd.example.bundle.v1", "application/vnd.example.sbom.v1", "application/vnd.example.signature.v1+json"]'
    want_json '.manifests[] | select(.artifactType == "application/vnd.example.sbom.v1") | .annotations == {"org.example.text": "{\"sbom\":true}"}'
    jq -r '.manifests[] | "\(.digest) \(.size) \(.mediaType)"' <"$T/b" >"$T/list"
    while read -r digest size type; do
        http HEAD "/v2/app/manifests/$digest"
        want_status 200
        want_header content-length "$size"
        want_header content-type "$type"
    done <"$T/list"
    verdict 'referrers: three descriptors, with type, size, artifactType and annotations'

    subject=$(descriptor artifact512 v512 | field digest)
    ask GET "/v2/app512/referrers/$subject"
    want_json '(.manifests | length) == 1 and (.manifests[0].digest | startswith("sha512:"))'
    verdict 'referrers of a sha512 subject'

    for path in "lib/busybox/referrers/$(descriptor busybox v1 | field digest)" "lib/busybox/referrers/sha256:$(printf '0%.0s' {1..64})" \
        "app/referrers/sha512:$(printf '0%.0s' {1..128})"; do
        for method in GET HEAD; do
            ask $method "/v2/$path"
            want_status 200
            want_header content-type $index
            [ $method = HEAD ] || want_json ".schemaVersion == 2 and .mediaType == \"$index\" and .manifests == []"
            verdict "$method ${path:0:40}: none, so an empty index"
        done
    done
    for bad in v1 sha256:12 "sha256:$(printf 'G%.0s' {1..64})" "sha256:$(printf 'A%.0s' {1..64})" "sha512:$(printf '0%.0s' {1..64})" md5:d41d8cd98f00b204e9800998ecf8427e sha256; do
        ask GET "/v2/app/referrers/$bad"
        want_error 400 'DIGEST_INVALID|UNSUPPORTED'
        verdict "referrers/${bad:0:20}: 400"
    done
}

# ---- errors ------------------------------------------------------------------------------------------------------

test_errors() {
    local zero path code status
    zero=sha256:$(printf '0%.0s' {1..64})
    while read -r status code path; do
        path=${path//ZERO/$zero}
        ask GET "$path"
        want_error "$status" "$code"
        want_header docker-distribution-api-version registry/2.0
        want_no_header docker-content-digest
        [[ $(header cache-control) != *immutable* ]] || PROBLEMS+=('an error that may be cached for ever')
        http HEAD "$path"
        want_status "$status"
        verdict "$path: $status $code"
    done <<END
404 MANIFEST_UNKNOWN /v2/lib/busybox/manifests/none
404 MANIFEST_UNKNOWN /v2/lib/busybox/manifests/ZERO
404 MANIFEST_UNKNOWN /v2/app/manifests/$(descriptor busybox v1 | field digest)
404|400 MANIFEST_UNKNOWN|DIGEST_INVALID|MANIFEST_INVALID /v2/lib/busybox/manifests/sha256:12
404|400 MANIFEST_UNKNOWN|DIGEST_INVALID|TAG_INVALID|MANIFEST_INVALID /v2/lib/busybox/manifests/-x
404 BLOB_UNKNOWN /v2/lib/busybox/blobs/ZERO
404 BLOB_UNKNOWN /v2/app/blobs/${ELSEWHERE:-$(blob_of busybox)}
404|400 BLOB_UNKNOWN|DIGEST_INVALID /v2/lib/busybox/blobs/sha256:12
404|400 BLOB_UNKNOWN|DIGEST_INVALID /v2/lib/busybox/blobs/latest
404 NAME_UNKNOWN /v2/no/such/manifests/latest
404 NAME_UNKNOWN /v2/no/such/blobs/ZERO
404 NAME_UNKNOWN /v2/no/such/tags/list
404|400 NAME_INVALID|NAME_UNKNOWN /v2/Upper/manifests/latest
404|400 NAME_INVALID|NAME_UNKNOWN /v2/a..b/tags/list
404 [A-Z_]+ /v2/nothing
404 [A-Z_]+ /v2/lib/busybox/nothing/x
404|400 [A-Z_]+ /v2/lib/busybox/tags/none
END
}

blob_of() { jq -r '.layers[0].digest' "$(blob_file "$(cached "$1")" "$(oci_ref "$(cached "$1")" | field digest)")"; }

test_writes() {
    local method path digest
    digest=$(descriptor busybox v1 | field digest)
    head -c 3000000 /dev/zero >"$T/zeros"
    for path in /v2/lib/busybox/manifests/v1 "/v2/lib/busybox/manifests/$digest" "/v2/lib/busybox/blobs/$(blob_of busybox)" \
        /v2/lib/busybox/blobs/uploads/ "/v2/lib/busybox/blobs/uploads/?digest=$digest" /v2/new/blobs/uploads/ \
        /v2/new/blobs/uploads/0b5c1a52-8ef6-4c2b-9d1c-000000000000 /v2/ /v2/_catalog /v2/lib/busybox/tags/list; do
        for method in POST PUT PATCH DELETE; do
            ask $method "$path" --data-binary "@$T/zeros" -H 'Content-Type: application/octet-stream' -H Expect:
            want_error 405 UNSUPPORTED
            [[ ${HEADERS[allow]-} == *'GET, HEAD'* ]] || PROBLEMS+=('no Allow')    # Apache adds an empty one to it
            verdict "$method ${path:0:50}: 405"
        done
    done
    case $KIND in nginx | apache) ;; *) return 0 ;; esac
    ask POST / -d x
    want_status 405
    [[ ${HEADERS[allow]-} == *'GET, HEAD'* ]] || PROBLEMS+=('no Allow')
    verdict 'POST to the page: 405, too'
}

# ---- no reload ---------------------------------------------------------------------------------------------------

# want_tag NAME TAG DIGEST, with the ETag of what was there before
want_tag() {
    ask GET "/v2/$1/manifests/$2" -H "If-None-Match: ${OLD_ETAG:-\"none\"}"
    want_status 200
    want_header docker-content-digest "$3"
    OLD_ETAG=$(header etag)
}

test_no_reload() {
    local busybox twice digest
    busybox=$(descriptor busybox v1 | field digest)
    twice=$(descriptor twice v1 | field digest)
    OLD_ETAG=
    add "oci:$(cached busybox):v1" late/comer:1
    want_tag late/comer 1 "$busybox"
    verdict 'an image added while the server runs is there at once'
    ask GET /v2/_catalog
    want_json '.repositories | index("late/comer")'
    verdict '... and in the catalog'
    add "oci:$(cached twice):v1" late/comer:2
    ok_run 'a tag is moved' "$STILLAGE" tag -r "$REG" late/comer:2 1
    want_tag late/comer 1 "$twice"
    verdict '... and served at once, the old ETag notwithstanding'
    ok_run 'and back' "$STILLAGE" tag -r "$REG" "late/comer@$busybox" 1
    want_tag late/comer 1 "$busybox"
    verdict '... at once'
    ok_run 'a tag is removed' "$STILLAGE" rm -r "$REG" late/comer:1
    ask GET /v2/late/comer/manifests/1
    want_error 404 MANIFEST_UNKNOWN
    http GET /v2/late/comer/manifests/2
    want_status 200
    http GET "/v2/late/comer/manifests/$busybox"
    want_status 200
    verdict '... and gone at once; its sibling and the manifest are not'
    ok_run 'a repository is removed' "$STILLAGE" rm -r "$REG" late/comer
    for digest in 2 "$busybox" "$twice"; do
        ask GET "/v2/late/comer/manifests/$digest"
        want_error 404 'NAME_UNKNOWN|MANIFEST_UNKNOWN'
        verdict "... and gone at once: ${digest:0:12}"
    done
    ask GET /v2/_catalog
    want_json '.repositories | index("late/comer") | not'
    verdict '... from the catalog, too'
}

# A tag that moves to and fro, between two media types, under readers: each answer is one manifest or the other, with
# the type, the digest and the length of just that one.
test_moving_tag() {
    local a b type answers=400
    add "oci:$(cached busybox):v1" moving:a
    add "oci:$(cached multi):latest" moving:b
    add "oci:$(cached busybox):v1" moving:it
    a=$(descriptor busybox v1 | jq -r '"\(.mediaType) \(.digest) \(.size)"')
    b=$(descriptor multi latest | jq -r '"\(.mediaType) \(.digest) \(.size)"')
    mkdir "$T/moving"
    # shellcheck disable=SC2016
    spawn mover sh -c 'while :; do "$0" tag -r "$1" moving:b it; "$0" tag -r "$1" moving:a it; done' "$STILLAGE" "$REG"
    curl -ksS --max-time 120 -o "$T/moving/#1" -w '200 %{http_code} %{content_type} %header{docker-content-digest} %{size_download}\n' \
        "$URL/v2/moving/manifests/it?i=[1-$answers]" >"$T/moving.log" || true
    stop mover
    while read -r type; do grep -qxF "200 200 $type" "$T/moving.log" || diag "never seen: $type"; done <<<"$a"$'\n'"$b"
    is "$(grep -cxF -e "200 200 $a" -e "200 200 $b" "$T/moving.log")" "$answers" "a tag that moves: $answers answers, none torn"
    is "$(cd "$T/moving" && seq "$answers" | xargs sha256sum | sed 's/^\([0-9a-f]*\).*/sha256:\1/')" \
        "$(cut -d' ' -f4 "$T/moving.log")" '... and each body has the digest that its header says'
}

# ---- all of it ---------------------------------------------------------------------------------------------------

serve_tests() {
    local before
    fill_registry
    plant_secrets
    start_kind
    before=$(fingerprint "$REG")
    test_manifests
    test_conditional_manifests
    test_blobs
    test_lists
    test_details
    test_referrers
    test_errors
    has_cgi || test_writes
    test_nothing_else
    is "$(fingerprint "$REG")" "$before" 'no request has changed a byte of the registry'
    test_no_reload
    test_moving_tag
    unlike "$(server_log "$SERVER")" '\[([a-z_]+:)?(crit|alert|emerg)\]' 'nothing critical in the log'
}
