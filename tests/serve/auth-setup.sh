# shellcheck shell=bash
# A registry with access control behind a web server, and ways to ask it. KIND, nginx or apache, is set. Sourced by
# auth-common.sh, attack-common.sh and attack-login-common.sh.
# shellcheck disable=SC2034,SC2120   # what those use
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"


: "${KIND:?}"
have "$([ "$KIND" = apache ] && echo apache2 || echo "$KIND")" || skip_all "$KIND is not installed"
[ -x "$STILLAGE_CGI" ] || skip_all "$STILLAGE_CGI is not built"

REG="$T/a registry #1"   # a path that has to be quoted in a configuration
SECRET=not-for-everybody-$RANDOM$RANDOM
# One way with a group, the other without: both have to let the server test paths.
INIT=()
if [ "$KIND" = apache ]; then INIT=(--apache); elif [ "$(id -u)" -eq 0 ]; then INIT=(--group www-data); fi
MANIFEST=application/vnd.oci.image.manifest.v1+json

# ---- the registry ------------------------------------------------------------------------------------------------

# write_rules [LINE...]: alice may all, bob may pull team/** and push drop/**, everybody may pull public/**
write_rules() {
    {
        printf 'version: 1\n'
        case ${INIT[*]} in --apache) printf 'apache: true\n' ;; --group*) printf 'group: www-data\n' ;; esac
        printf '%s\n' 'access:' \
            '  - {repository: "**", pull: [alice], push: [alice], delete: [alice]}' \
            '  - {repository: "team/**", pull: [user]}' \
            '  - {repository: "drop/**", push: [bob]}' \
            '  - {repository: "public/**", pull: [anonymous]}' "$@"
    } >"$REG/registry.yaml"
}

# Each repository has one image, of an own layer that says so.
fill_registry() {
    local name
    "$STILLAGE" init -q "${INIT[@]}" "$REG"
    for name in public/app team/app secret secret/app; do
        make_layout "$T/layout" "$SECRET of $name"
        "$STILLAGE" add -q -r "$REG" "oci:$T/layout" "$name:v1"
    done
    set_passwords
    write_rules
    "$STILLAGE" access apply -q -r "$REG"
}

# "alice-password" and "bob-password", of a kind that is quickly checked: hundreds of times.
# shellcheck disable=SC2016   # perl, and salts
set_passwords() {
    local name
    for name in alice bob; do
        [ -e "$REG/auth/htpasswd" ] || echo "$name-password" | "$STILLAGE" user add -q -r "$REG" --stdin $name
        perl -e 'print "$ARGV[0]:", crypt("$ARGV[0]-password", q($2y$04$abcdefghijklmnopqrstuu)), "\n"' $name
    done >"$T/htpasswd"
    cat "$T/htpasswd" >"$REG/auth/htpasswd"
}

# make_layout DIR TEXT: an image whose only layer holds TEXT
make_layout() {
    local layer config
    rm -rf "$1"
    oci_init "$1"
    layer=$(printf '%s' "$2" | oci_blob "$1" application/vnd.oci.image.layer.v1.tar)
    config=$(oci_config "$1" amd64 "$layer")
    oci_name "$1" "$(oci_manifest "$1" "$config" "$layer")" v1
}

# token CREDENTIALS SCOPE...: sets TOKEN
token() {
    local who=$1 scope args=()
    shift
    for scope; do args+=(--data-urlencode "scope=$scope"); done
    TOKEN=$(curl -ksS --max-time 30 -G -u "$who" --data-urlencode service=stillage "${args[@]}" "$URL/v2/_token" | jq -r '.token // empty')
}

# as TOKEN METHOD PATH [CURL ARGUMENT...]
as() {
    local token=$1 method=$2 path=$3
    shift 3
    ask "$method" "$path" -H "Authorization: Bearer $token" "$@"
}

# want_challenge SCOPE [ERROR]; the clients that show no body for insufficient_scope show its description
want_challenge() {
    local why=
    [ "${2:-}" != insufficient_scope ] || why=,error_description="\"$(jq -r '.errors[0].message' "$T/b")\""
    want_header www-authenticate "Bearer realm=\"$URL/v2/_token\",service=\"stillage\"${1:+,scope=\"$1\"}${2:+,error=\"$2\"}$why"
}

# A token that was alice's for a private repository, and is over since a second: all of its files are still there.
make_old_token() {
    local end=$(($(date +%s) - 1)) folder
    token alice:alice-password repository:secret/app:pull,push
    OLD_TOKEN=$end.${TOKEN#*.}
    folder=$REG/auth/tokens/${end:0:8}
    mkdir -p "$folder/pull/secret/app"
    chmod --reference="$REG/auth/tokens" "$folder" "$folder"/pull{,/secret,/secret/app}
    chown --reference="$REG/auth/tokens" "$folder" "$folder"/pull{,/secret,/secret/app}
    cp -a "$REG/auth/tokens/${TOKEN:0:8}/$TOKEN" "$REG/auth/tokens/${end:0:8}/$OLD_TOKEN"
    cp -a "$REG/auth/tokens/${TOKEN:0:8}/pull/secret/app/_$TOKEN" "$REG/auth/tokens/${end:0:8}/pull/secret/app/_$OLD_TOKEN"
}

# No answer may hold what only the owners of the repositories may see.
want_nothing() {
    local text
    while IFS= read -r -d '' text || [ -n "$text" ]; do
        [[ $text != *"$SECRET"* ]] || PROBLEMS+=("the answer holds the secret")
    done <"$T/b"
    want_no_header docker-content-digest
    want_no_header etag
}

# every readable address of a repository
addresses() {
    local file
    printf '%s\n' "/v2/$1/tags/list" "/v2/$1/tags/_details" "/v2/$1/manifests/v1"
    for file in "$REG/www/v2/$1"/manifests/sha256:*; do printf '/v2/%s/manifests/%s\n' "$1" "${file##*/}"; done
    for file in "$REG/www/v2/$1"/blobs/sha256:*; do printf '/v2/%s/blobs/%s\n' "$1" "${file##*/}"; done
    printf '/v2/%s/referrers/%s\n' "$1" "${file##*/}"
}

# ------------------------------------------------------------------------------------------------------------------

digest_of() { jq -r "$2" "$REG/www/v2/$1/manifests/v1"; }

fill_registry
PUBLIC_LAYER=$(digest_of public/app '.layers[0].digest')
TEAM_LAYER=$(digest_of team/app '.layers[0].digest')
SECRET_LAYER=$(digest_of secret/app '.layers[0].digest')
SECRET_MANIFEST=$(readlink "$REG/www/v2/secret/app/manifests/v1")
start_with_responder "$KIND" 4
MAIN=$SERVER
