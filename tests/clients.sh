# shellcheck shell=bash
# Sourced by lib.sh: the real clients, each with storage, configuration and engine of its own in the test's folder, so
# that nothing on the machine changes and tests run side by side. Registries speak plain HTTP on 127.0.0.1.
#
#   check_pull CLIENT HOST/NAME:TAG LAYOUT [REF]     one test: pulls, and compares what arrived with LAYOUT, byte for byte
#   check_push CLIENT LAYOUT REF HOST/NAME:TAG       one test: pushes, and compares what the registry then serves
#   client_why CLIENT                                nothing, or why it cannot run here (for skip)
#   CLIENT_run ARGUMENT...                           the client itself: skopeo_run, podman_run, buildah_run, ctr_run, docker_run
#   client_pull, client_push, client_compare         the parts of the above
#   client_login CLIENT USER PASSWORD, client_logout CLIENT   at HOST, with the client's own commands; ctr has none, and takes
#                                                    CTR_USER=NAME:PASSWORD
# CTR_HOSTS=DIR has hosts.toml files; DOCKER_SETTINGS is what daemon.json says besides: ', "registry-mirrors": [...]'.
#
# Engines (containerd, dockerd) start at first use; call start_clients first when the first use is in a subshell.

CLIENTS='skopeo podman buildah ctr docker'
# clients_for SERVER: where $KIND or $HOW is SERVER, all of them; elsewhere one of each library: podman and buildah ask a
# registry by skopeo's.
clients_for() { case ${HOW:-$KIND} in "$1") echo "$CLIENTS" ;; *) echo 'skopeo ctr docker' ;; esac; }
CLIENT_DIR=$T/c   # short: podman takes no runroot of more than 50 characters

clients_setup() {
    [ ! -d "$CLIENT_DIR" ] || return 0
    mkdir -p "$CLIENT_DIR/data" "$CLIENT_DIR/run" "$CLIENT_DIR/cni" "$CLIENT_DIR/registries.d"
    chmod 0700 "$CLIENT_DIR/run"
    printf '{}' >"$CLIENT_DIR/auth.json"
    printf '{"default":[{"type":"insecureAcceptAnything"}]}' >"$CLIENT_DIR/policy.json"
    printf 'unqualified-search-registries = []\n' >"$CLIENT_DIR/registries.conf"
    cat >"$CLIENT_DIR/containers.conf" <<END
[engine]
tmp_dir = "$CLIENT_DIR/run/libpod"
lock_type = "file"
events_logger = "none"
cgroup_manager = "cgroupfs"
[network]
network_config_dir = "$CLIENT_DIR/cni"
END
    : >"$CLIENT_DIR/storage.conf"
}

# Of these three libraries' users, whatever is not an argument. The odd one: as root, skopeo would keep its cache of
# blobs (which registry has which) in /var/lib/containers, and so push by mounts it learned of in another test.
containers_env() {
    clients_setup
    env HOME="$T/home" XDG_RUNTIME_DIR="$CLIENT_DIR/run" XDG_DATA_HOME="$CLIENT_DIR/data" \
        CONTAINERS_CONF="$CLIENT_DIR/containers.conf" REGISTRY_AUTH_FILE="$CLIENT_DIR/auth.json" \
        CONTAINERS_REGISTRIES_CONF="$CLIENT_DIR/registries.conf" TMPDIR="$T" \
        timeout 300 "$@"
}

skopeo_run() {
    local as_root=()
    # Without it skopeo, as root, ignores XDG_DATA_HOME. containers-storage: wants the truth, though.
    case "$*" in *containers-storage:*) ;; *) as_root=(_CONTAINERS_ROOTLESS_UID=1) ;; esac
    containers_env env "${as_root[@]}" skopeo --policy "$CLIENT_DIR/policy.json" --registries.d "$CLIENT_DIR/registries.d" \
        --tmpdir "$T" "$@"
}

storage_flags() { printf '%s\n' --root "$CLIENT_DIR/$1" --runroot "$CLIENT_DIR/run/$1" --storage-driver vfs; }

podman_run() {
    local flags
    mapfile -t flags < <(storage_flags podman)
    containers_env podman "${flags[@]}" "$@"
}

buildah_run() {
    local flags
    mapfile -t flags < <(storage_flags buildah)
    containers_env buildah "${flags[@]}" "$@"
}

ctr_run() { timeout 300 ctr -a "$CLIENT_DIR/ctd/sock" "$@"; }

# Now and then ctr gets but a part of a blob from its own daemon, whatever the registry (containerd issue 5734): it is
# asked once more then, and only then.
ctr_push() {
    ctr_run images push "$@" 2>"$CLIENT_DIR/ctr.err" && return
    cat "$CLIENT_DIR/ctr.err" >&2
    grep -q 'rpc error: code = Internal desc = unexpected EOF' "$CLIENT_DIR/ctr.err" && ctr_run images push "$@"
}

docker_run() { timeout 300 docker --config "$CLIENT_DIR/docker-cli" -H "unix://$CLIENT_DIR/dk/sock" "$@"; }

# ---- engines -----------------------------------------------------------------------------------------------------

# A mount namespace of its own, with an empty /run: shims, netns and plugins leave nothing on the machine.
spawn_engine() {
    local name=$1
    shift
    # shellcheck disable=SC2016
    spawn "$name" unshare --mount -- sh -c 'mount -t tmpfs -o mode=0755 tmpfs /run && exec "$@"' sh "$@"
}

# containerd without CRI, and with the native snapshotter: it mounts nothing.
start_containerd() {
    local dir=$CLIENT_DIR/ctd
    [ -z "${PID_OF[containerd]:-}" ] || return 0
    clients_setup
    mkdir -p "$dir"
    cat >"$dir/config.toml" <<END
version = 2
root = "$dir/root"
state = "$dir/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.overlayfs", "io.containerd.snapshotter.v1.zfs",
    "io.containerd.internal.v1.opt"]
[grpc]
  address = "$dir/sock"
[ttrpc]
  address = "$dir/ttrpc"
END
    spawn_engine containerd containerd --config "$dir/config.toml" --log-level warn
    wait_up containerd 30 ctr -a "$dir/sock" version
}

# Networks are not needed to pull and push, so the engine touches none.
start_docker() {
    local dir=$CLIENT_DIR/dk
    [ -z "${PID_OF[dockerd]:-}" ] || return 0
    start_containerd || return 1
    mkdir -p "$dir" "$CLIENT_DIR/docker-cli"
    printf '{"deprecated-key-path": "%s/key.json"%s}' "$dir" "${DOCKER_SETTINGS:-}" >"$dir/daemon.json"
    spawn_engine dockerd dockerd --config-file "$dir/daemon.json" --containerd "$CLIENT_DIR/ctd/sock" \
        --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$dir/pid" --host "unix://$dir/sock" \
        --storage-driver vfs --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false --bridge=none \
        --userland-proxy=false --insecure-registry 127.0.0.0/8 --log-level warn
    wait_up dockerd 60 docker_run version
}

# Both engines, in the test's own shell. Whether they came up is what client_why says.
start_clients() {
    local client why
    for client in $CLIENTS; do
        why=$(client_missing "$client")
        [ -z "$why" ] || continue
        case $client in
            ctr) start_containerd || true ;;
            docker) start_docker || true ;;
            *) clients_setup ;;
        esac
    done
}

client_missing() {
    local tool
    for tool in $(case $1 in ctr) echo ctr containerd ;; docker) echo docker dockerd containerd ;; *) echo "$1" ;; esac); do
        have "$tool" || { echo "$tool is not installed"; return; }
    done
    case $1 in
        podman | buildah)
            if [ "$(id -u)" -ne 0 ] && ! grep -q "^$(id -un 2>/dev/null || true):" /etc/subuid; then
                echo "$1 needs subordinate ids: a line for $(id -un 2>/dev/null || true) in /etc/subuid"
            elif [ "$(id -u)" -ne 0 ] && ! unshare --user true 2>/dev/null; then
                echo "$1 needs user namespaces"
            fi ;;
        ctr | docker)
            if [ "$(id -u)" -ne 0 ]; then echo "$1's engine starts as root only"
            elif ! unshare --mount true 2>/dev/null; then echo "$1's engine needs CAP_SYS_ADMIN"
            fi ;;
    esac
}

client_why() {
    local why engine
    why=$(client_missing "$1")
    case $1 in ctr) engine=containerd ;; docker) engine=dockerd ;; *) engine='' ;; esac
    if [ -z "$why" ] && [ -n "$engine" ]; then
        if [ -z "${PID_OF[$engine]:-}" ] || ! running "${PID_OF[$engine]}"; then
            why="$engine does not run: $(tail -n 1 "$T/log/$engine" 2>/dev/null | tr -dc '[:print:]' | cut -c1-200)"
        fi
    fi
    echo "$why"
}

# Called at the end of a test. For an ordinary user podman keeps a process that holds the user namespace, and files that
# belong to subordinate users.
clients_cleanup() {
    local pid
    [ "$(id -u)" -ne 0 ] || return 0
    [ -e "$CLIENT_DIR/podman" ] || [ -e "$CLIENT_DIR/buildah" ] || return 0
    containers_env podman unshare rm -rf "$CLIENT_DIR/podman" "$CLIENT_DIR/buildah" 2>/dev/null
    pid=$(cat "$CLIENT_DIR/run/libpod/pause.pid" 2>/dev/null)
    [ -z "$pid" ] || kill "$pid" 2>/dev/null
}

# ---- pull --------------------------------------------------------------------------------------------------------

# client_pull CLIENT HOST/NAME:TAG: skopeo fetches all platforms into a layout, the others the machine's own platform
client_pull() {
    case $1 in
        skopeo)
            rm -rf "$CLIENT_DIR/pulled"
            skopeo_run copy -q --all --preserve-digests --src-tls-verify=false "docker://$2" "oci:$CLIENT_DIR/pulled:it" ;;
        podman) podman_run pull -q --tls-verify=false "$2" ;;
        buildah) buildah_run pull -q --policy always --tls-verify=false "$2" ;;
        ctr)
            local how=(--plain-http)
            [ -z "${CTR_HOSTS:-}" ] || how=(--hosts-dir "$CTR_HOSTS")
            ctr_run images pull ${CTR_USER:+--user "$CTR_USER"} "${how[@]}" --snapshotter native "$2" ;;
        docker) docker_run pull -q "$2" ;;
    esac
}

# client_compare CLIENT HOST/NAME:TAG LAYOUT [REF]: what the client has got against what the layout holds. Prints the
# differences; status 1 if there are any.
client_compare() {
    local client=$1 name=$2 layout=$3 top mine
    top=$(oci_ref "$layout" "${4:-}" | jq -c '{mediaType, digest, size}')
    mine=$(oci_for_platform "$layout" "$top" "$(host_arch)")
    case $client in
        skopeo) compare_layout "$layout" "$top" "$CLIENT_DIR/pulled" ;;
        podman | buildah) compare_storage "$client" "$name" "$layout" "$top" "$mine" ;;
        ctr) compare_ctr "$name" "$layout" "$top" "$mine" ;;
        docker) compare_docker "$name" "$layout" "$top" "$mine" ;;
    esac
}

# same_as FILE WHAT <BYTES
same_as() { cmp -s - "$1" || { echo "$2 is not what went in"; return 1; }; }

compare_layout() {
    local desc digest bad=0
    [ "$(oci_ref "$3" it | field digest)" = "$(field digest <<<"$2")" ] || { echo "another image arrived"; bad=1; }
    while read -r desc; do
        digest=$(field digest <<<"$desc")
        same_as "$(blob_file "$1" "$digest")" "$digest" <"$(blob_file "$3" "$digest")" || bad=1
    done < <(oci_tree "$1" "$2")
    return $bad
}

# The layers lie unpacked in the storage, with what it takes to make the same tar of them again: so their diff_ids are
# compared, and the manifest and the configuration byte for byte.
compare_storage() {
    local client=$1 name=$2 layout=$3 top=$4 mine=$5 bad=0 out where
    where="containers-storage:[vfs@$CLIENT_DIR/$client+$CLIENT_DIR/run/$client]$name"
    out=$(mktemp -d "$CLIENT_DIR/out.XXXXXX")
    # Indexes are kept along with the manifest that was chosen from them.
    skopeo_run inspect --raw "$where" >"$out/raw" || bad=1
    cmp -s "$out/raw" "$(blob_file "$layout" "$(field digest <<<"$mine")")" ||
        same_as "$(blob_file "$layout" "$(field digest <<<"$top")")" 'the manifest' <"$out/raw" || bad=1
    # buildah shows the digest that was chosen from an index, podman both
    "${client}_run" inspect --type image "$name" | grep -q -e "$(field digest <<<"$top")" -e "$(field digest <<<"$mine")" ||
        { echo "not under digest $(field digest <<<"$top")"; bad=1; }
    skopeo_run copy -q "$where" "dir:$out/dir" || bad=1
    compare_unpacked "$layout" "$mine" "$out/dir" || bad=1
    rm -rf "$out"
    return $bad
}

# compare_unpacked LAYOUT MANIFEST DIR: DIR has the configuration and the uncompressed layers, named by their hex digests
compare_unpacked() {
    local file config diff bad=0
    file=$(blob_file "$1" "$(field digest <<<"$2")")
    config=$(jq -r .config.digest "$file")
    same_as "$(blob_file "$1" "$config")" 'the configuration' <"$3/${config#*:}" || bad=1
    while read -r diff; do
        [ "$(sha256sum <"$3/${diff#*:}" | cut -c1-64)" = "${diff#*:}" ] || { echo "layer $diff is missing or torn"; bad=1; }
    done < <(jq -r '.rootfs.diff_ids[]' "$(blob_file "$1" "$config")")
    return $bad
}

# containerd keeps every byte as it came: the index, and all of this machine's platform.
compare_ctr() {
    local digest bad=0
    digest=$(field digest <<<"$3")
    ctr_run images ls "name==$1" | grep -qF " $digest " || { echo "not under digest $digest"; bad=1; }
    while read -r digest; do
        ctr_run content get "$digest" | same_as "$(blob_file "$2" "$digest")" "$digest" || bad=1
    done < <({ echo "$3"; oci_tree "$2" "$4"; } | jq -r .digest)
    return $bad
}

# dockerd keeps the configuration and unpacked layers; of the manifest its digest.
compare_docker() {
    local name=$1 layout=$2 top=$3 mine=$4 bad=0 out repo id file
    out=$(mktemp -d "$CLIENT_DIR/out.XXXXXX")
    repo=${name%@*}
    [[ ${repo##*/} != *:* ]] || repo=${repo%:*}
    docker_run image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$name" | grep -qxF "$repo@$(field digest <<<"$top")" ||
        { echo "not under digest $(field digest <<<"$top")"; bad=1; }
    id=$(docker_run image inspect --format '{{.Id}}' "$name")
    [ "$id" = "$(jq -r .config.digest "$(blob_file "$layout" "$(field digest <<<"$mine")")")" ] || { echo "image id $id is another"; bad=1; }
    docker_run save "$name" | tar -C "$out" -xf -
    mkdir "$out/dir"
    jq -r '.[0] | .Config, .Layers[]' "$out/manifest.json" >"$out/files"     # where they lie depends on docker's version
    while read -r file; do cp "$out/$file" "$out/dir/$(sha256sum <"$out/$file" | cut -c1-64)" || bad=1; done <"$out/files"
    compare_unpacked "$layout" "$mine" "$out/dir" || bad=1
    rm -rf "$out"
    return $bad
}

# The same without any client: every manifest and blob of an image, fetched with curl, which asks each time with what
# ~/.curlrc says (a token). Prints the differences.
# compare_served URL NAME LAYOUT [REF]
# shellcheck disable=SC2034   # split_descriptor sets the size, too
compare_served() {
    local url=$1/v2/$2 layout=$3 line kind media_type digest size algorithm bad=0 separator='' there=$T/.served.$BASHPID
    mkdir "$there"
    cat "$HOME/.curlrc" >"$there/curlrc" 2>/dev/null || true
    while read -r line; do
        split_descriptor "$line"
        kind=blobs
        ! is_manifest "$media_type" || kind=manifests
        printf '%s\n' "$separator" "url = \"$url/$kind/$digest\"" "header = \"Accept: $media_type\"" "output = \"$there/$kind-${digest/:/-}\"" \
            "config = \"$there/curlrc\"" insecure silent show-error fail 'max-time = 60' >&3
        separator=next
        printf '%s\n' "${digest#*:}  $there/$kind-${digest/:/-}" >>"$there/${digest%%:*}"
    done < <(oci_tree "$layout" "$(oci_ref "$layout" "${4:-}")") 3>"$there/questions"
    curl -q -K "$there/questions" || bad=1
    for algorithm in sha256 sha512; do
        [ ! -e "$there/$algorithm" ] || "${algorithm}sum" --check --quiet "$there/$algorithm" || bad=1
    done
    rm -rf "$there"
    return $bad
}

# check_pull CLIENT HOST/NAME:TAG LAYOUT [REF]
check_pull() {
    local why what="$1 pulls ${2#*/}: what arrives is what went in"
    why=$(client_why "$1")
    if [ -n "$why" ]; then skip 1 "$why" "$what"; return; fi
    ok_run "$what" pull_and_compare "$@"
}

pull_and_compare() {
    client_pull "$1" "$2"
    client_compare "$@"
}

# ---- logging in --------------------------------------------------------------------------------------------------

client_login() {
    case $1 in
        skopeo | podman | buildah) printf '%s' "$3" | "$1_run" login --tls-verify=false -u "$2" --password-stdin "$HOST" ;;
        docker) printf '%s' "$3" | docker_run login -u "$2" --password-stdin "$HOST" ;;
        ctr) CTR_USER=$2:$3 ;;
    esac
}

client_logout() {
    case $1 in
        skopeo | podman | buildah) "$1_run" logout "$HOST" ;;
        docker) docker_run logout "$HOST" ;;
        ctr) CTR_USER='' ;;
    esac
}

# ---- push --------------------------------------------------------------------------------------------------------

# client_push CLIENT LAYOUT REF HOST/NAME:TAG: skopeo and ctr push the image as it is, all platforms; the others what
# their storage makes of the platform of this machine: new layers (compressed again), the same configuration.
client_push() {
    local from=oci:$2:$3 id tar
    case $1 in
        skopeo) skopeo_run copy -q --all --preserve-digests --dest-tls-verify=false "$from" "docker://$4" ;;
        podman | buildah)
            id=$("$1_run" pull -q "$from" | tail -n 1)
            "$1_run" push -q --tls-verify=false "$id" "docker://$4" ;;
        ctr)
            tar=$(mktemp "$CLIENT_DIR/tar.XXXXXX")
            as_ctr_archive "$2" "$3" "$4" >"$tar"
            ctr_run images import --all-platforms --snapshotter native "$tar"
            ctr_push ${CTR_USER:+--user "$CTR_USER"} --plain-http "$4" ;;
        docker)
            tar=$CLIENT_DIR/push-$RANDOM.tar
            skopeo_run copy -q "$from" "docker-archive:$tar:$4"
            docker_run load -q -i "$tar"
            docker_run push -q "$4"
            rm -f "$tar" ;;
    esac
}

# containerd takes the name of an image from an annotation.
as_ctr_archive() {
    local dir
    dir=$(mktemp -d "$CLIENT_DIR/as.XXXXXX")
    cp -a "$1/blobs" "$1/oci-layout" "$dir/"
    jq -c --argjson d "$(oci_ref "$1" "$2")" --arg name "$3" \
        '.manifests = [$d | .annotations = {"io.containerd.image.name": $name}]' "$1/index.json" >"$dir/index.json"
    tar_root "$dir"
    rm -rf "$dir"
}

# check_push CLIENT LAYOUT REF HOST/NAME:TAG
check_push() {
    local why what="$1 pushes ${4#*/}: the registry serves what was pushed"
    why=$(client_why "$1")
    if [ -n "$why" ]; then skip 1 "$why" "$what"; return; fi
    ok_run "$what" push_and_compare "$@"
}

push_and_compare() {
    local host=${4%%/*} name=${4#*/}
    client_push "$@"
    case $1 in
        skopeo | ctr) compare_served "http://$host" "${name%:*}" "$2" "$3" ;;
        *) compare_pushed "http://$host/v2/${name%:*}" "${name##*:}" "$2" "$3" ;;
    esac
}

# compare_pushed URL TAG LAYOUT REF: the configuration is the layout's, and the layers that the new manifest names unpack
# to what that configuration says.
compare_pushed() {
    local mine dir config layer
    dir=$(mktemp -d "$CLIENT_DIR/out.XXXXXX")
    mine=$(oci_for_platform "$3" "$(oci_ref "$3" "$4")" "$(host_arch)")
    curl -ksSf --max-time 60 -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
        -H 'Accept: application/vnd.docker.distribution.manifest.v2+json' "$1/manifests/$2" >"$dir/manifest"
    config=$(jq -r .config.digest "$dir/manifest")
    curl -ksSf --max-time 60 "$1/blobs/$config" >"$dir/${config#*:}"
    while read -r layer; do
        curl -ksSf --max-time 60 "$1/blobs/$layer" >"$dir/layer"
        [ "$(digest "$dir/layer")" = "$layer" ] || { echo "$layer: other bytes"; return 1; }
        case $(od -An -tx1 -N2 "$dir/layer") in *'1f 8b') gzip -d <"$dir/layer" >"$dir/tar" ;; *) mv "$dir/layer" "$dir/tar" ;; esac
        mv "$dir/tar" "$dir/$(sha256sum <"$dir/tar" | cut -c1-64)"
    done < <(jq -r '.layers[].digest' "$dir/manifest")
    compare_unpacked "$3" "$mine" "$dir"
    rm -rf "$dir"
}
