# shellcheck shell=bash
# Sourced by serve-common.sh: what no URL may reach, however it is written.

forbidden_paths() {
    local repo=/v2/lib/busybox up path digest
    digest=$(descriptor busybox v1 | field digest)
    for up in .. %2e%2e .%2e %2e. %252e%252e ..%2f.. %2e%2e%2f%2e%2e '..\..' ..%5c.. '..;' %c0%ae%c0%ae; do
        printf '%s\n' "/$up/registry.yaml" "/v2/$up/$up/registry.yaml" "$repo/$up/$up/$up/$up/registry.yaml" "$repo/blobs/$up/$up/$up/$up/$up/auth/password" \
            "$repo/manifests/$up/$up/$up/$up/$up/registry.yaml" "$repo/manifests/v1/$up/$up/other" "$repo/tags/$up/other"
    done
    # shellcheck disable=SC2016
    printf '%s\n' /registry.yaml /auth/password /store/ /uploads/x/data /log/access.log /.hidden /.git/config /_page /v2/.hidden /v2/_x \
        /v2/_ping /v2/_no_referrers /sub/page.html /sub/ //etc/passwd /etc/passwd //v2/.hidden /v2//.hidden \
        $repo $repo/ /v2/lib/ $repo/manifests/ $repo/manifests $repo/blobs/ $repo/tags/ $repo/referrers/ $repo/_manifests/ $repo/.htpasswd \
        $repo/.git/config $repo/manifests/.x $repo/blobs/.x $repo/tags/.x $repo/tags/other $repo/other $repo/_manifests/application/x/y \
        $repo/_refs/v1 "$repo/_manifests/application/vnd.oci.image.manifest.v1+json/$digest" "$repo/%5fmanifests/application/x/y" \
        "$repo/manifests/v1/" "$repo/manifests/v1%00" "$repo/manifests/v1%2f" "$repo/manifests/v1%0a" "$repo/manifests/v1." \
        "$repo/manifests/../_manifests/application/x/y" "$repo/manifests/%2e%2e%2f_manifests%2fapplication%2fx%2fy" \
        "/v2/lib/_manifests/../busybox/other" "$repo/blobs/sha256:../other" "/v2/lib%2fbusybox%2fother" '/v2/${uri}/manifests/v1'
}

test_nothing_else() {
    local path
    while read -r path; do
        ask GET "$path"
        want_status '4[0-9][0-9]'
        ! grep -aq -e "$SECRET" -e 'root:x:' "$T/b" || PROBLEMS+=('it got out')
        ! grep -aqi -e 'index of' -e "$T" "$T/b" || PROBLEMS+=("tells about folders: $(body | head -c 200)")
        verdict "GET $path: refused"
    done < <(forbidden_paths)
    ask GET /
    want_status '200|404'
    ! grep -aqi 'index of' "$T/b" || PROBLEMS+=('a listing')
    verdict 'GET /: the page, or nothing; no listing'
}
