# shellcheck shell=bash
# Sourced by the tests of bundles that are served as they lie: a registry $REG, and a bundle of all of it, unpacked, $U.
# shellcheck disable=SC2034
KIND=apache   # the registry keeps what Apache needs
# shellcheck source=tests/serve/serve-common.sh
. "$(dirname "$0")/../serve/serve-common.sh"

fill_registry
U="$T/USB STICK/images"   # as it may be called where it is mounted
mkdir "$T/USB STICK"

# each_server FUNCTION: with KIND set
each_server() {
    local kind
    for kind in nginx apache; do
        have "${kind/apache/apache2}" || { skip 1 "$kind is not installed" "$1"; continue; }
        KIND=$kind
        "$@"
    done
}
