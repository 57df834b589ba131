# shellcheck shell=bash
# Sourced by the tests of what cleans up: small images, pushed through stillage.cgi as a client would, and the time that
# makes things old.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

[ -x "$STILLAGE_CGI" ] || skip_all "$STILLAGE_CGI is not built"

REG=$T/reg
MANIFEST=application/vnd.oci.image.manifest.v1+json
INDEX=application/vnd.oci.image.index.v1+json

stillage() { "$STILLAGE" "$1" -r "$REG" "${@:2}"; }
all_well() { ok_run "$1" stillage verify; }
# json FILTER: of what the command before has printed
json() { jq -r "$1" "$T/.out"; }

# make_registry LINE...: REG, with these lines in registry.yaml
make_registry() {
    rm -rf "$REG"
    "$STILLAGE" init -q "$REG"
    printf '%s\n' 'version: 1' "$@" >"$REG/registry.yaml"
}

# request METHOD URI [FILE [TYPE]]: prints the status
request() {
    local answer input=${3:-/dev/null} length=0
    [ $# -lt 3 ] || length=$(stat -c %s "$input")
    answer=$(env -i STILLAGE_REGISTRY="$REG" REQUEST_METHOD="$1" REQUEST_URI="$2" QUERY_STRING="${2#*\?}" CONTENT_TYPE="${4:-}" \
        CONTENT_LENGTH="$length" ${CREDENTIALS:+HTTP_AUTHORIZATION="$CREDENTIALS"} "$STILLAGE_CGI" <"$input") || :
    [[ $answer =~ ^Status:\ ([0-9]+) ]] && printf '%s\n' "${BASH_REMATCH[1]}"
}

# with_token TOKEN COMMAND...: a request with a bearer token
with_token() { CREDENTIALS="Bearer $1" "${@:2}"; }
# token USER:PASSWORD SCOPE: prints one
token() {
    local answer
    answer=$(env -i STILLAGE_REGISTRY="$REG" REQUEST_METHOD=GET REQUEST_URI="/v2/_token?scope=$2" QUERY_STRING="scope=$2" \
        REMOTE_ADDR=192.0.2.1 HTTP_AUTHORIZATION="Basic $(printf %s "$1" | base64 -w0)" "$STILLAGE_CGI" </dev/null) || :
    [[ ! $answer =~ \"token\":\"([^\"]+) ]] || printf '%s\n' "${BASH_REMATCH[1]}"
}

# blob NAME FILE: pushes it as clients do, if the repository has not got it; prints its descriptor, of a layer
blob() {
    local digest
    digest=$(digest "$2")
    [ -e "$REG/www/v2/$1/blobs/$digest" ] || [ "$(request POST "/v2/$1/blobs/uploads/?digest=$digest" "$2")" = 201 ] ||
        { diag "blob $1 $2 was refused"; return 1; }
    printf '{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"%s","size":%d}' "$digest" "$(stat -c %s "$2")"
}

# image FILE TEXT...: writes a manifest whose config is {"text":"TEXT"} and whose layers are texts, and those to FILE.0, ...
image() {
    local file=$1 n=0 text layers=()
    shift
    for text; do
        printf '{"text":"%s"}' "$text" >"$file.$n"
        layers+=("$(printf '{"mediaType":"application/x","digest":"%s","size":%d}' "$(digest "$file.$n")" "$(stat -c %s "$file.$n")")")
        n=$((n + 1))
    done
    printf '%s\n' "${layers[@]}" | jq -sc --arg type "$MANIFEST" --argjson extra "${EXTRA:-{\}}" \
        '{schemaVersion: 2, mediaType: $type, config: .[0], layers: .[1:]} + $extra' >"$file"
}

# put NAME REFERENCE FILE [TYPE]: the manifest alone; prints the status
put() { request PUT "/v2/$1/manifests/$2" "$3" "${4:-$MANIFEST}"; }

# push NAME TAG FILE: what image() wrote, with its blobs. TAG may be @ for none.
push() {
    local file ref=$2 status
    for file in "$3".[0-9]; do blob "$1" "$file" >/dev/null; done
    [ "$ref" != @ ] || ref=$(digest "$3")
    status=$(put "$1" "$ref" "$3")
    [ "$status" = 201 ] || { diag "push $1:$2 gave $status"; return 1; }
}

# descriptor FILE TYPE
descriptor() { printf '{"mediaType":"%s","digest":"%s","size":%d}' "$2" "$(digest "$1")" "$(stat -c %s "$1")"; }

# push_index NAME TAG FILE IMAGE...: images, and an index of them, which it writes
push_index() {
    local name=$1 tag=$2 file=$3 image
    shift 3
    for image; do push "$name" @ "$image"; done
    for image; do descriptor "$image" $MANIFEST; done |
        jq -sc --arg type $INDEX '{schemaVersion: 2, mediaType: $type, manifests: .}' >"$file"
    [ "$(put "$name" "$tag" "$file" $INDEX)" = 201 ]
}

# age: until all there is now is older than a grace period of one second
age() {
    local until=$((EPOCHSECONDS + 2))
    wait_for 10 eval "[ \$EPOCHSECONDS -ge $until ]"
}

# in_time BEGIN: whether less than that grace period has passed since BEGIN, an EPOCHREALTIME: who takes longer, on a machine
# that has much else to do, has no right to the blobs that were there at first.
in_time() { [ $((${EPOCHREALTIME/./} - ${1/./})) -lt 900000 ]; }

in_repo() { [ -e "$REG/www/v2/$1/blobs/$2" ]; }
in_trash() { [ -e "$REG/trash/blobs/${1//\//\~}/$2" ]; }
in_store() { [ -e "$REG/store/sha256/${1:7:2}/${1:7}" ]; }

# where NAME DIGEST: "repo trash store", as far as it is there
where() {
    local places=()
    in_repo "$1" "$2" && places+=(repo)
    in_trash "$1" "$2" && places+=(trash)
    in_store "$2" && places+=(store)
    printf '%s' "${places[*]}"
}

# ---- killed ------------------------------------------------------------------------------------------------------

can_kill() { have strace && strace -qq -o /dev/null true 2>/dev/null; }

# killed_at NUMBER COMMAND...: `stillage COMMAND...`, killed at that call of those that change names; 0: it got to its end
killed_at() {
    local calls='/^(un|sym)?link|^rename|^mkdir'
    strace -f -qq -o /dev/null -e "trace=$calls" -e "inject=$calls:signal=KILL:when=$1" \
        "$STILLAGE" "$2" -r "$REG" "${@:3}" >"$T/strace.out" 2>&1
}

# killed_at_many CHECK COMMAND...: at its first change, its fourth, and so on to its end, each time in the registry as it is
# now; then CHECK looks at it, and says wrong() of what is. WRONG is empty if all was right. (t-crash kills at every call,
# within one process.)
killed_at_many() {
    local check=$1 limit=150
    shift
    KILLED=1 WRONG=
    mv "$REG" "$T/start"
    cp -a "$T/start" "$REG"
    while ! killed_at "$KILLED" "$@" && [ "$KILLED" -lt $limit ]; do
        "$check"
        KILLED=$((KILLED + 3))
        rm -rf "$REG"
        cp -a "$T/start" "$REG"
    done 2>"$T/killed"
    rm -rf "$T/start"
    note "$1: killed at every third of $((KILLED - 1)) changes"
    [ "$KILLED" -gt 5 ] && [ "$KILLED" -lt $limit ] || wrong 'the number of changes'
}
wrong() { WRONG+="killed at $KILLED: $* "; }
in_order() { stillage verify -q "$@" >"$T/verify.out" || wrong "$(<"$T/verify.out")"; }
