#!/bin/bash
# stillage site: flat copies, served by real servers in their stock configuration, and by the documented rules of hosts that are
# other people's.
# shellcheck disable=SC2034   # serve-common.sh wants to know
KIND=nginx
# shellcheck source=tests/serve/serve-common.sh
. "$(dirname "$0")/serve-common.sh"

# The same images as in the last copy.
make_site() { CHOSEN=("${@:2}"); ok_run "a copy for $1" "$STILLAGE" site -r "$REG" -o "$T/$1" --host "$1" "${@:2}"; }

# What each name should lead to, found out once.
declare -A DESCRIPTORS=() DIGESTS=()
look_up_images() {
    local name image ref
    while read -r name image ref; do
        DESCRIPTORS[$image:$ref]=$(descriptor "$image" "$ref" | jq -c '{mediaType, digest, size}')
        DIGESTS[$image:$ref]=$(field digest <<<"${DESCRIPTORS[$image:$ref]}")
    done < <(images)
}

# answers_as_it_should NAME REF DESCRIPTOR HOST: by GET and HEAD
answers_as_it_should() {
    local method media_type digest size
    split_descriptor "$3"
    for method in GET HEAD; do
        ask $method "/v2/$1/manifests/$2"
        want_status 200
        want_header content-type "$media_type"
        want_header content-length "$size"
        want_no_header content-encoding
        case $4:$2 in nginx:sha* | apache:sha* | caddy:sha* | lighttpd:* | netlify:* | cloudflare-pages:* | firebase:*)
            want_header docker-content-digest "$digest" ;;
        *) want_no_header docker-content-digest ;; esac
        want_header_like content-security-policy "(^|, )default-src 'none'; frame-ancestors 'none'; sandbox\$"
        want_header x-content-type-options nosniff
        verdict "$4: $method of $1/manifests/${2:0:20}"
    done
}

# Whether it is a server of one's own, whose configuration says more than the type of a file.
is_server() { case $1 in nginx | apache | caddy | lighttpd) ;; *) false ;; esac; }

test_host() {
    local host=$1 name image ref desc
    start_site "$host" "$T/$host"
    ask GET /v2/
    want_status 200
    want_json '. == {}'
    verdict "$host: GET /v2/"
    while read -r name image ref; do
        [ -e "$T/$host/v2/$name/tags/list" ] || continue
        desc=${DESCRIPTORS[$image:$ref]}
        answers_as_it_should "$name" "$ref" "$desc" "$host"
        answers_as_it_should "$name" "${DIGESTS[$image:$ref]}" "$desc" "$host"
        # --check compares all; these two, once more by the tests' own means.
        case $host:$image in nginx:nested | apache:nested | caddy:nested | lighttpd:nested | netlify:artifact512)
            ok_run "$host: every byte of $name:$ref" compare_served "$URL" "$name" "$(cached "$image")" "$ref" ;;
        esac
    done < <(images)
    ask GET '/v2/app/tags/list?n=1'
    want_status 200
    want_json '.name == "app" and .tags == ["art", "v1"]'
    verdict "$host: a list of tags, whole"
    ask GET /v2/_catalog
    want_json '.repositories | index("app") != null and index("secret") == null'
    verdict "$host: the catalog"
    ask GET "/v2/app/referrers/${DIGESTS[artifact:v1]}?artifactType=x"
    want_status 200
    want_header content-type application/vnd.oci.image.index.v1+json
    want_json '.manifests | length == 3'
    verdict "$host: referrers, all of them"
    ask GET "/v2/app/referrers/${DIGESTS[artifact:art]}"
    want_status 200
    want_header content-type application/vnd.oci.image.index.v1+json
    want_json '.manifests == []'
    verdict "$host: no referrers"
    for name in app/manifests/none "app/blobs/sha256:$(printf '%064d' 0)" none/tags/list secret/manifests/v1; do
        ask GET "/v2/$name"
        want_status 404
        verdict "$host: there is no ${name:0:30}"
    done
    ask GET /
    want_status 200
    want_header_like content-type '^text/html'
    want_header_like content-security-policy "frame-ancestors 'none'"
    ! is_server "$host" || want_header x-frame-options DENY
    verdict "$host: the page"
    ok_run "$host: --check finds nothing wrong" "$STILLAGE" site -r "$REG" --check "$URL" "${CHOSEN[@]}"
    ask GET /.stillage/made
    want_status 404
    verdict "$host: the list of files is nobody's business"
    # shellcheck disable=SC2153
    case $host in netlify | firebase) ;; *) check_pull skopeo "$HOST/lib/multi:latest" "$(cached multi)" ;; esac
}

fill_registry
look_up_images
add "oci:$(cached busybox):v1" secret:v1
printf '%s\n' 'access:' "  - {repository: '**', pull: [anonymous]}" '  - {repository: secret, pull: [alice]}' >>"$REG/registry.yaml"

for host in ${HOSTS:-nginx apache caddy lighttpd}; do
    program=$host
    [ "$host" != apache ] || program=apache2
    make_site "$host" '!debian'
    is "$(find "$T/$host" -type l -o -name '*secret*' -o -type f -exec grep -l secret {} + || true)" '' "$host: no links, and nothing of what is not public"
    if ! have "$program"; then skip 1 "$program is not installed" "$host serves it"; continue; fi
    if [ "$host" = lighttpd ] && [ ! -e /usr/lib/lighttpd/mod_magnet.so ]; then
        skip 1 'lighttpd-modules-lua is not installed' 'lighttpd serves it'
        continue
    fi
    test_host "$host"
    [ "$host" != apache ] || check_pull podman "$HOST/lib/busybox:v1" "$(cached busybox)"
    stop "$SERVER"
done

make_site netlify '!debian'
test_host netlify
start_clients
check_pull docker "$HOST/lib/busybox:v1" "$(cached busybox)"
make_site firebase '!debian'
test_host firebase
# What fits into a hundred rules.
make_site cloudflare-pages app app512 'lib/**'
test_host cloudflare-pages


# ---- a host that is wrong ----------------------------------------------------------------------------------------

ok_run 'a copy without headers' "$STILLAGE" site -q -r "$REG" -o "$T/plain" --host plain lib/busybox
printf '/v2/lib/busybox/tags/list\n  Docker-Content-Digest: x\n/v2/lib/busybox/manifests/v1\n  Docker-Content-Digest: sha256:0\n' >"$T/plain/_headers"
rm "$T/plain/v2/lib/busybox/blobs/$(field digest <<<"$(oci_tree "$(cached busybox)" "$(descriptor busybox v1)" | sed -n 3p)")"
start_site netlify "$T/plain"
capture "$STILLAGE" site -r "$REG" --check "$URL/" lib/busybox
is "$RC" 1 '--check fails'
like "$(<"$T/.out")" "/v2/lib/busybox/manifests/v1 has Content-Type application/octet-stream instead of $OCI_TYPE.manifest" 'names wrong types'
like "$(<"$T/.out")" '/v2/lib/busybox/manifests/v1 has Docker-Content-Digest sha256:0 instead of' 'wrong digests'
like "$(<"$T/.out")" '/v2/lib/busybox/blobs/sha256:[0-9a-f]+ is answered with status 404' 'what is missing'
add "oci:$(cached hello)" lib/busybox:v1
capture "$STILLAGE" site -r "$REG" --check "$URL" --json lib/busybox
is "$(jq -r '[.problems[] | select(.path == "v2/lib/busybox/manifests/v1") | .problem | select(startswith("is not up to date: it leads to sha256"))] | length' "$T/.out")" 1 \
    'and tags that have moved'
fails_with 1 'GET http://127.0.0.1:1/|HEAD http://127.0.0.1:1/' "$STILLAGE" site -r "$REG" --check http://127.0.0.1:1 lib/busybox
fails_with 2 'exclude each other' "$STILLAGE" site -r "$REG" --check "$URL" -o "$T/plain"

done_testing
