# shellcheck shell=bash
# Sourced by lib.sh: OCI image layouts made by hand, byte by byte, so that a test can make any kind of image and break
# it in any way. Everything is reproducible: the same calls make the same digests.
#
#   oci_init DIR
#   layer=$(oci_layer DIR ROOTFS)                      a folder as a gzip'ed layer; prints a descriptor
#   config=$(oci_config DIR amd64 "$layer")            prints a descriptor
#   image=$(oci_manifest DIR "$config" "$layer")       prints a descriptor
#   oci_name DIR "$image" v1                           into index.json
#
# Descriptors are one line of JSON. ALG=sha512 in front of a call makes its digest another one.

OCI_EPOCH=@1700000000
OCI_TYPE=application/vnd.oci.image

oci_init() {
    mkdir -p "$1/blobs/sha256"
    printf '{"imageLayoutVersion":"1.0.0"}' >"$1/oci-layout"
    printf '{"schemaVersion":2,"mediaType":"%s.index.v1+json","manifests":[]}' "$OCI_TYPE" >"$1/index.json"
}

# oci_blob DIR MEDIATYPE <BYTES: stores standard input, prints its descriptor (tests/support/blob.c)
oci_blob() { "$TOP/build/blob" "$1" "${ALG:-sha256}" "$2"; }

# blob_file DIR DIGEST: where it is in a layout
blob_file() { printf '%s/blobs/%s/%s' "$1" "${2%%:*}" "${2#*:}"; }

# field mediaType|digest|size <<<DESCRIPTOR, without a program: it is needed all the time
field() {
    local line
    IFS= read -r line
    [[ $line =~ \"$1\":\"?([^\",}]+) ]] && printf '%s\n' "${BASH_REMATCH[1]}"
}

# split_descriptor DESCRIPTOR: sets the caller's media_type, digest and size, without even a subshell
split_descriptor() {
    [[ $1 =~ \"mediaType\":\"([^\"]+) ]] && media_type=${BASH_REMATCH[1]}
    [[ $1 =~ \"digest\":\"([^\"]+) ]] && digest=${BASH_REMATCH[1]}
    [[ $1 =~ \"size\":([0-9]+) ]] && size=${BASH_REMATCH[1]}
}

# tar_root DIR [TAR ARGUMENT...]: a tar of a folder that depends on its names, modes and bytes only
tar_root() {
    local dir=$1
    shift
    tar -C "$dir" --sort=name --mtime="$OCI_EPOCH" --owner=0 --group=0 --numeric-owner --format=gnu "$@" -c .
}

# oci_layer DIR ROOTFS [gzip|zstd|none]
oci_layer() {
    local type=$OCI_TYPE.layer.v1.tar
    case ${3:-gzip} in
        gzip) tar_root "$2" | gzip -6n | oci_blob "$1" "$type+gzip" ;;
        zstd) tar_root "$2" | zstd -q | oci_blob "$1" "$type+zstd" ;;
        none) tar_root "$2" | oci_blob "$1" "$type" ;;
    esac
}

# diff_id DIR DESCRIPTOR: the digest of the uncompressed layer
diff_id() {
    local sum
    sum=$(oci_unpack "$1" "$2" | sha256sum)
    printf 'sha256:%s\n' "${sum%% *}"
}

# oci_unpack DIR DESCRIPTOR: its bytes, uncompressed
oci_unpack() {
    local media_type digest size
    split_descriptor "$2"
    case $media_type in
        *+gzip|*tar.gzip) gzip -dc ;;
        *+zstd) zstd -qdc ;;
        *) cat ;;
    esac <"$1/blobs/${digest/://}"
}

# join_by_comma WORD...
join_by_comma() { local IFS=,; printf '%s' "$*"; }

# merged OBJECT JSON: one object with the members of both. Where there is nothing to replace, it takes no program.
merged() {
    if [ "$2" = '{}' ]; then printf '%s\n' "$1"; else jq -nc --argjson a "$1" --argjson b "$2" '$a + $b'; fi
}

# oci_config DIR ARCH LAYER...: ARCH may be arm/v7
oci_config() { config_json "$@" | oci_blob "$1" "$OCI_TYPE.config.v1+json"; }

config_json() {
    local dir=$1 arch=${2%%/*} variant='' ids=() history=() layer when=2023-11-14T22:13:20Z
    [ "$arch" = "$2" ] || variant=',"variant":"'${2#*/}'"'
    shift 2
    for layer; do
        ids+=("\"$(diff_id "$dir" "$layer")\"")
        history+=('{"created":"'$when'","created_by":"tests/oci.sh"}')
    done
    printf '{"created":"%s","architecture":"%s","os":"linux","config":{"Env":["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],"Cmd":["/bin/sh"],' \
        "$when" "$arch"
    printf '"Labels":{"org.example.test":"stillage"}},"rootfs":{"type":"layers","diff_ids":[%s]},"history":[%s]%s}\n' \
        "$(join_by_comma "${ids[@]}")" "$(join_by_comma "${history[@]}")" "$variant"
}

# oci_manifest DIR CONFIG LAYER...: EXTRA='{"subject":…}' in front of the call is merged in
oci_manifest() {
    local type=$OCI_TYPE.manifest.v1+json layers
    layers=$(join_by_comma "${@:3}")
    merged '{"schemaVersion":2,"mediaType":"'"$type"'","config":'"$2"',"layers":['"$layers"']}' "${EXTRA:-{\}}" | oci_blob "$1" "$type"
}

# oci_index DIR DESCRIPTOR...
oci_index() {
    local type=$OCI_TYPE.index.v1+json manifests
    manifests=$(join_by_comma "${@:2}")
    merged '{"schemaVersion":2,"mediaType":"'"$type"'","manifests":['"$manifests"']}' "${EXTRA:-{\}}" | oci_blob "$1" "$type"
}

# on_platform DESCRIPTOR OS/ARCH[/VARIANT]
on_platform() {
    local os arch variant
    IFS=/ read -r os arch variant <<<"$2"
    printf '%s,"platform":{"os":"%s","architecture":"%s"%s}}\n' "${1%\}}" "$os" "$arch" "${variant:+,\"variant\":\"$variant\"}"
}

# oci_name DIR DESCRIPTOR [REF]: lists it in index.json, under that ref name if there is one
oci_name() {
    local index entry=$2 name=org.opencontainers.image.ref.name
    index=$(<"$1/index.json")
    if [ -n "${3:-}" ] && [[ $2 != *annotations* ]]; then entry="${2%\}},\"annotations\":{\"$name\":\"$3\"}}"
    elif [ -n "${3:-}" ]; then entry=$(jq -c --arg name $name --arg ref "$3" '.annotations[$name] = $ref' <<<"$2"); fi
    [[ $index = *'[]}' ]] || entry=,$entry
    printf '%s%s]}\n' "${index%]\}}" "$entry" >"$1/index.json"
}

# ---- looking into a layout ---------------------------------------------------------------------------------------

# kept NAME SOURCE COMMAND...: what COMMAND prints, kept below $T for as long as SOURCE is older
kept() {
    local file=$T/.kept/${1//\//_} source=$2
    shift 2
    if ! [ "$file" -nt "$source" ]; then
        "$@" >"$file.$BASHPID"
        mv "$file.$BASHPID" "$file"
    fi
    printf '%s\n' "$(<"$file")"
}

# oci_ref DIR [REF]: the descriptor that index.json has for it; the only one if there is no REF
oci_ref() { kept "ref:$1:${2:-}" "$1/index.json" oci_find_ref "$@"; }

oci_find_ref() {
    jq -ec --arg ref "${2:-}" '[.manifests[] | select($ref == "" or .annotations["org.opencontainers.image.ref.name"] == $ref)]
        | if length == 1 then .[0] else error("no single manifest for \($ref)") end' "$1/index.json"
}

# oci_for_platform DIR DESCRIPTOR ARCH: follows indexes down to the manifest for linux/ARCH
oci_for_platform() {
    local desc=$2
    while [[ $(field mediaType <<<"$desc") =~ index|list ]]; do
        desc=$(jq -ec --arg arch "$3" 'first(.manifests[] | select(.platform == null or .platform.architecture == $arch))' \
            <"$(blob_file "$1" "$(field digest <<<"$desc")")")
    done
    printf '%s\n' "$desc"
}

# oci_tree DIR DESCRIPTOR: it and all it leads to, one descriptor a line, each once
oci_tree() {
    local media_type digest size
    split_descriptor "$2"
    kept "tree:$1:$digest" "$1/blobs/${digest%%:*}/${digest#*:}" oci_find_tree "$1" "$2"
}

oci_find_tree() { oci_walk "$1" "$2" | awk '!seen[$0]++'; }

oci_walk() {
    local child media_type digest size
    split_descriptor "$2"
    printf '{"mediaType":"%s","digest":"%s","size":%d}\n' "$media_type" "$digest" "$size"
    is_manifest "$media_type" || return 0
    while read -r child; do oci_walk "$1" "$child"; done < <(jq -c '(.manifests // [])[], (.config // empty), (.layers // [])[]
        | {mediaType, digest, size}' "$1/blobs/${digest%%:*}/${digest#*:}")
}

is_manifest() { [[ $1 =~ (index|manifest|manifest.list)\.v[12]\+json$ ]]; }
