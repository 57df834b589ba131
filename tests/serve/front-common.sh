# shellcheck shell=bash
# A registry with one image for the web server KIND (nginx, apache), which the test that sources this sets: REG, DIGEST, BLOB.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

: "${KIND:?}"
have "$([ "$KIND" = apache ] && echo apache2 || echo "$KIND")" || skip_all "$KIND is not installed"
[ -x "$STILLAGE_CGI" ] || skip_all "$STILLAGE_CGI is not built"

REG=$T/reg
flags=()
[ "$KIND" != apache ] || flags=(--apache)
export STILLAGE_REGISTRY=$REG
"$STILLAGE" init -q "${flags[@]}" "$REG"
"$STILLAGE" add -q "oci:$(cached hello)" app:v1
# shellcheck disable=SC2034
DIGEST=$(readlink "$REG/www/v2/app/manifests/v1")
# shellcheck disable=SC2034
BLOB=$(basename "$(find "$REG/www/v2/app/blobs" -type f | head -n 1)")
