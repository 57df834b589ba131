# shellcheck shell=bash
# Sourced by the tests of examples/hooks' gates: a registry, $REG, and a copy of the hooks, $HOOKS, with settings of its own.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

for tool in jq openssl; do have $tool || skip_all "$tool is not installed"; done
REG=$T/reg
HOOKS=$T/hooks
export STILLAGE_REGISTRY=$REG
"$STILLAGE" init -q "$REG"
cp -r "$TOP/examples/hooks" "$HOOKS"

# layout NAME TEXT [TAG]: $T/NAME, a layout with one small image; IMAGE is its descriptor, D its digest
layout() { oci_init "$T/$1"; IMAGE=$(small_image "$T/$1" "$2"); D=$(field digest <<<"$IMAGE"); oci_name "$T/$1" "$IMAGE" "${3:-dev}"; }
