#!/bin/bash
# stillage quarantine: what waits below pending/ is listed, released with all that belongs to it, or refused.
. "$(dirname "$0")/../lib.sh"

have jq || skip_all 'jq is not installed'
REG=$T/reg
export STILLAGE_REGISTRY=$REG
"$STILLAGE" init -q "$REG"
# layout NAME TEXT: $T/NAME with one small image; IMAGE is its descriptor, D its digest
layout() { oci_init "$T/$1"; IMAGE=$(small_image "$T/$1" "$2"); D=$(field digest <<<"$IMAGE"); oci_name "$T/$1" "$IMAGE" dev; }
quarantine() { "$STILLAGE" quarantine "$@"; }
add() { "$STILLAGE" add -q "$@"; }
waiting() { quarantine ls | cut -d ' ' -f 1; }
tagged() { readlink "$REG/www/v2/$1/manifests/$2" || echo none; }

layout one one; D1=$D
layout two two; D2=$D

is "$(quarantine ls)$(quarantine ls --json | jq -c .)" '[]' 'nothing waits'
add "oci:$T/one" pending/team/app:v1 team/app:old pending-not/app:v1 pending:v1
add "oci:$T/two" pending/team/app:v2
like "$(quarantine ls)" "^team/app:v1  $D1  20[0-9T:-]+Z"$'\n'"team/app:v2  $D2  20[0-9T:-]+Z$" 'what waits, and nothing else'
is "$(quarantine ls -j | jq -rc '.[] | [.name, .tag, .digest]')" "[\"team/app\",\"v1\",\"$D1\"]"$'\n'"[\"team/app\",\"v2\",\"$D2\"]" '... as JSON'

# ---- release ---------------------------------------------------------------------------------------------------------

# A signature under cosign's tag, and an SBOM that refers to the image.
oci_init "$T/signature"
signature=$(oci_manifest "$T/signature" "$(empty_blob "$T/signature")" "$(echo signed | oci_blob "$T/signature" text/plain)")
oci_name "$T/signature" "$signature" "${D1/:/-}.sig"
oci_init "$T/sbom"
sbom=$(EXTRA="{\"subject\":$(oci_ref "$T/one")}" oci_manifest "$T/sbom" "$(empty_blob "$T/sbom")" \
    "$(echo parts | oci_blob "$T/sbom" application/spdx+json)")
oci_name "$T/sbom" "$sbom" sbom
add "oci:$T/signature" pending/team/app
add "oci:$T/sbom" pending/team/app:sbom
"$STILLAGE" rm -q pending/team/app:sbom
is "$(waiting)" $'team/app:v1\nteam/app:v2' 'what belongs to an image is not listed'
blobs=$(find "$REG/store" -type f -printf '%p %i %T@\n' | sort)
capture quarantine release team/app:v1
is "$RC:$(<"$T/.out")" '0:released team/app:v1' 'release'
is "$(tagged team/app v1)|$(tagged pending/team/app v1)" "$D1|none" '... moves the tag'
is "$(tagged team/app old)" "$D1" '... and no other'
is "$(tagged team/app "${D1/:/-}.sig")|$(tagged pending/team/app "${D1/:/-}.sig")" "$(field digest <<<"$signature")|none" '... with the signature'
is "$(jq -r '.manifests[].digest' "$REG/www/v2/team/app/referrers/$D1")" "$(field digest <<<"$sbom")" '... and the SBOM'
is "$(find "$REG/store" -type f -printf '%p %i %T@\n' | sort)" "$blobs" '... and writes no blob'
is "$(waiting)" 'team/app:v2' 'the others wait'
ok_run 'a name with the prefix will do' quarantine release -q pending/team/app:v2
is "$(tagged team/app v2)|$(waiting)" "$D2|" '... and means the same'
add "oci:$T/one" inbox/a:1 inbox/a:2 inbox/b:1
is "$(quarantine ls --prefix inbox | cut -d ' ' -f 1 | tr '\n' ' ')" 'a:1 a:2 b:1 ' 'another prefix'
capture quarantine release --prefix inbox a:1 b:1
is "$RC:$(<"$T/.out")|$(quarantine ls --prefix inbox | cut -d ' ' -f 1)" $'0:released a:1\nreleased b:1|a:2' 'several at once'

# ---- what the rules say ----------------------------------------------------------------------------------------------

rules() { printf '%s\n' 'version: 1' "$@" >"$REG/registry.yaml"; }
state() { find "$REG/www" "$REG/store" "$REG/imports" "$REG/tmp" -printf '%P %l\n' 2>/dev/null | sort; }
# stays TEXT COMMAND...: refused with that text, and nothing has changed
stays() {
    local before
    before=$(state)
    fails_with 1 "$1" "${@:2}"
    is "$(diff <(printf '%s\n' "$before") <(state))" '' '... and nothing has changed'
}
add "oci:$T/two" pending/team/app:v1
rules 'immutable: [{repository: "team/**", tags: ["v*"]}]'
desc='an immutable tag' stays 'v1' quarantine release team/app:v1
rules 'quotas: [{repository: "team/**", tags: 1}]'
add "oci:$T/two" pending/team/app:v9
desc='a quota' stays 'tags' quarantine release team/app:v9
printf '#!/bin/sh\ncase $(cat) in *\\"repository\\":\\"team/*) echo "team says no"; exit 1 ;; esac\n' >"$T/hook"
chmod 755 "$T/hook"
rules "hooks: {before-manifest: $T/hook}"
desc='a hook' stays 'team says no' quarantine release team/app:v9
rules 'bundles: {trust: []}'
ok_run 'no signature of a bundle is asked for' quarantine release -q team/app:v9

# Pushed again while it is released: what the gate has looked at is released, the other waits.
rules "hooks: {before-manifest: $T/hook}"
printf '#!/bin/sh\ncase $(cat) in *\\"repository\\":\\"fresh/*) STILLAGE_REGISTRY=%q %q tag -q pending/fresh/app:next v1 ;; esac\n' "$REG" "$STILLAGE" >"$T/hook"
add "oci:$T/one" pending/fresh/app:v1
add "oci:$T/two" pending/fresh/app:next
capture quarantine release fresh/app:v1
is "$RC" 3 'pushed again meanwhile: done in part'
like "$(<"$T/.err")" 'pending/fresh/app:v1 was pushed again meanwhile: the new image waits' '... and says so'
is "$(tagged fresh/app v1)|$(tagged pending/fresh/app v1)" "$D1|$D2" '... what was looked at is released, the other waits'
rules

# ---- refuse ----------------------------------------------------------------------------------------------------------

capture quarantine refuse fresh/app:v1
is "$RC:$(<"$T/.out")|$(tagged pending/fresh/app v1)" '0:refused fresh/app:v1|none' 'refuse'
ok_run 'it can be restored' "$STILLAGE" restore -q pending/fresh/app:v1
is "$(tagged pending/fresh/app v1)" "$D2" '... as it was'

# ---- wrong usage -----------------------------------------------------------------------------------------------------

desc='an unknown tag' fails_with 1 "nope" quarantine release fresh/app:nope
desc='an unknown repository' fails_with 1 'pending/nothing' quarantine release nothing:v1
desc='... refused' fails_with 1 'pending/nothing' quarantine refuse nothing:v1
desc='a repository' fails_with 2 'give NAME:TAG' quarantine release fresh/app
desc='a digest' fails_with 2 'give NAME:TAG' quarantine release "fresh/app@$D1"
desc='nothing' fails_with 2 'give what to release' quarantine release
desc='ls of something' fails_with 2 'ls takes no names' quarantine ls fresh/app
desc='no verb' fails_with 2 'give ls, release' quarantine
desc='a bad prefix' fails_with 2 'Bad' quarantine ls --prefix Bad
"$STILLAGE" freeze -q
desc='a frozen registry' fails_with 1 'frozen' quarantine release fresh/app:v1
"$STILLAGE" thaw -q
ok_run 'all is well' "$STILLAGE" verify

done_testing
