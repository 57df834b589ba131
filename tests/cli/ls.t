#!/bin/bash
# stillage ls takes what it can from the file of details, and says the same without it.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
export STILLAGE_REGISTRY=$T/reg
TAGS=$T/reg/www/v2/app/tags
"$STILLAGE" init -q "$T/reg"
for image in busybox:v1 multi:latest artifact:v1; do "$STILLAGE" add -q "oci:$(cached "${image%:*}"):${image#*:}" "app:${image%:*}"; done
dated=$T/dated
oci_init "$dated"
printf '{}' | oci_blob "$dated" application/x >"$T/config"
jq -cn --argjson c "$(jq -c '{mediaType, digest, size}' "$T/config")" '{schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: $c, layers: [], annotations: {"org.opencontainers.image.created": "2001-02-03T04:05:06Z"}}' |
    oci_blob "$dated" application/vnd.oci.image.manifest.v1+json >"$T/manifest"
jq -c '{schemaVersion: 2, manifests: [. + {annotations: {"org.opencontainers.image.ref.name": "v1"}}]}' "$T/manifest" >"$dated/index.json"
ok_run 'an artifact whose annotation says when it was made' "$STILLAGE" add -q "oci:$dated" app:dated

ok_run 'ls' "$STILLAGE" ls app
cp "$T/.out" "$T/with"
is "$(wc -l <"$T/with")" 4 'names four tags'
like "$(<"$T/with")" 'dated .* 2001-02-03' 'with the day of the annotation'
mv "$TAGS/_details" "$T/details"
capture "$STILLAGE" ls app
is "$(<"$T/.out")" "$(<"$T/with")" 'and says the same without the file of details'

sed 's/"size":[0-9]*/"size":77/' "$T/details" >"$TAGS/_details"
capture "$STILLAGE" ls app
is "$(grep -c ' 77 B ' "$T/.out")" 4 'which it reads'
sed 's/"digest":"sha256:../"digest":"sha256:zz/; s/"size":[0-9]*/"size":77/' "$T/details" >"$TAGS/_details"
capture "$STILLAGE" ls app
is "$(<"$T/.out")" "$(<"$T/with")" 'but not what it says of another manifest'
for damage in '{"tag":"dated","di' 'nonsense' '{"tag":"dated","digest":"'"$(jq -r .digest "$T/manifest")"'","size":"x"}'; do
    { cat "$T/details"; printf '%s' "$damage"; } >"$TAGS/_details"
    capture "$STILLAGE" ls app
    is "$(<"$T/.out")" "$(<"$T/with")" "nor what is damaged: $damage"
done
capture "$STILLAGE" ls --json app
is "$(jq -r '[.[] | has("totalSize")] | all' "$T/.out")" true '--json reads the images'
done_testing
