#!/bin/bash
# stillage upgrade: a registry that the first version wrote (commit 455220b, with --apache; version-1.tar.xz) works as it is, and
# becomes one of today.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
have xz || skip_all 'xz is not installed'
REG=$T/reg
export STILLAGE_REGISTRY=$REG
mkdir "$REG"
tar -xJf "$TESTS/cli/version-1.tar.xz" --no-same-owner -C "$REG"
V2=$(readlink "$REG/www/v2/team/app/manifests/v2")
TYPE=application/vnd.oci.image.manifest.v1+json

# served KIND: what clients get, from the tree as it is
served() {
    "start_$1" "$REG"
    for ref in v2 "$V2"; do
        ask GET "/v2/team/app/manifests/$ref"
        want_status 200
        want_header content-type "$TYPE"
        want_header docker-content-digest "$V2"
        verdict "$1 serves $ref, $2"
    done
    ask GET "/v2/team/app/referrers/$(readlink "$REG/www/v2/team/app/manifests/v1")"
    want_json '.manifests | length == 1'
    verdict "and the referrers, $2"
    stop "$SERVER"
}

capture "$STILLAGE" ls team/app
is "$(cut -d ' ' -f 1 "$T/.out" | paste -sd ' ')" 'v1 v2' 'a registry of the first version can be looked at'
for kind in nginx apache; do ! have "${kind/apache/apache2}" || served $kind 'before'; done
ok_run 'and written to' "$STILLAGE" tag -q team/app:v2 v3
ok_run 'put back' "$STILLAGE" rm -q team/app:v3

content=$(cd "$REG" && find store www/v2 -name '*:*' -o -path '*/store/*' -type f | sort | xargs -d '\n' sha256sum)
settings=$(<"$REG/registry.yaml")
ok_run 'upgrade' "$STILLAGE" upgrade
like "$(<"$T/.out")" 'auth: has mode 0755, not 0711: repaired' 'says what it has repaired'
ok_run 'verify finds everything in order' "$STILLAGE" verify
is "$(cd "$REG" && find store www/v2 -name '*:*' -o -path '*/store/*' -type f | sort | xargs -d '\n' sha256sum)" "$content" 'content stays as it was'
is "$(<"$REG/registry.yaml")" "$settings" 'and so do the settings'
is "$(cmp "$REG/www/page.js" "$TOP/templates/page/page.js" && echo same)" same 'the page is that of today'
for kind in nginx apache; do ! have "${kind/apache/apache2}" || served $kind 'after'; done
capture "$STILLAGE" upgrade
unlike "$(<"$T/.out")" repaired 'again: there is nothing to do'
ok_run 'users can be added' sh -c "echo alice-password | '$STILLAGE' user add -q --stdin alice"
ok_run 'and that is in order' "$STILLAGE" verify

# Configurations of servers.
"$STILLAGE" config nginx --auth none >"$T/nginx.conf"
capture "$STILLAGE" upgrade "$T/nginx.conf"
like "$(<"$T/.out")" "nginx.conf: edition nginx-[0-9a-f]{8}, as 'stillage config' prints it" 'a configuration of this stillage is known as such'
for kind in 'apache --auth none' 'caddy --push fastcgi:/x' 'lighttpd --push fastcgi:/x'; do
    # shellcheck disable=SC2086
    "$STILLAGE" config $kind >"$T/other.conf"
    capture "$STILLAGE" upgrade "$T/other.conf"
    like "$(<"$T/.out")" "other.conf: edition ${kind%% *}-[0-9a-f]{8}, as" "and so is one for ${kind%% *}"
done
for edition in nginx-00000000 squid-1 nginx; do
    sed "s/^# Edition [^ ]*/# Edition $edition/" "$T/nginx.conf" >"$T/older.conf"
    capture "$STILLAGE" upgrade "$T/older.conf"
    like "$RC $(<"$T/.out")" "^0 .*older.conf: edition $edition, not that of this stillage" "another is told apart and named: $edition"
done
sed '/^# Edition/d' "$T/nginx.conf" >"$T/older.conf"
capture "$STILLAGE" upgrade "$T/older.conf" "$T/nginx.conf"
like "$(<"$T/.out")" 'older.conf: of a stillage that named no edition' 'one that names none, too'
like "$(<"$T/.out")" 'nginx.conf: edition' 'several can be given'
fails_with 1 'cannot open .*/missing.conf' "$STILLAGE" upgrade "$T/missing.conf"

rm -r "$REG/store/sha256/44" "$REG"/www/v2/team/app/blobs/sha256:44*
fails_with 1 'remain' "$STILLAGE" upgrade -q
sed -i 's/^version: 1/version: 2/' "$REG/registry.yaml"
fails_with 1 'format version 2' "$STILLAGE" upgrade
done_testing
