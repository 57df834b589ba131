#!/bin/bash
# stillage add: what podman, buildah, skopeo, ctr and docker themselves write, in every format they have.
. "$(dirname "$0")/add-common.sh"

busybox=$(cached busybox)
CONFIG=$(jq -r .config.digest "$(blob_file "$busybox" "$(oci_ref "$busybox" v1 | field digest)")")
start_clients
new_registry

# arrives DESCRIPTION NAME:TAG COMMAND...: with the config that it always had, and layers that decompress to its diff_ids
arrives() {
    local what=$1 name=$2
    shift 2
    rm -rf "$REG/www/v2/${name%:*}"
    ok_run "$what" "$@"
    is "$(jq -r .config.digest "$(repo "${name%:*}" "manifests/${name##*:}")")" "$CONFIG" "$what: the image is the same"
    layers "$what" "${name%:*}" "${name##*:}"
}

layers() {
    local bad='' got digest
    mapfile -t want < <(jq -r '.rootfs.diff_ids[]' "$(repo "$2" "blobs/$CONFIG")")
    for digest in $(jq -r '.layers[].digest' "$(repo "$2" "manifests/$3")"); do
        got=$( (gzip -dcf | sha256sum | cut -d' ' -f1) <"$(repo "$2" "blobs/$digest")")
        [ "${want[0]:-}" = "sha256:$got" ] || bad+=" $digest"
        want=("${want[@]:1}")
    done
    is "$bad${want[*]:-}" '' "$1: and so are its layers"
}

# with CLIENT COUNT: whether it can run; else so many tests are skipped
with() {
    local why
    why=$(client_why "$1")
    [ -n "$why" ] || return 0
    skip "$2" "$why" "what $1 writes"
    return 1
}

if with podman 24; then
    podman_run pull -q "oci:$busybox:v1" >/dev/null
    podman_run tag "${CONFIG#*:}" localhost/lib/app:v1
    for format in docker-archive oci-archive; do
        podman_run save -q --format $format -o "$T/podman.$format" localhost/lib/app:v1
        arrives "podman save --format $format" lib/app:v1 "$STILLAGE" add "$format:$T/podman.$format"
        arrives "podman save --format $format, in a pipe" lib/app:v1 sh -c "gzip -1 <'$T/podman.$format' | '$STILLAGE' add -"
    done
    for format in docker-dir oci-dir; do
        podman_run save -q --format $format -o "$T/podman.$format" localhost/lib/app:v1
        arrives "podman save --format $format" app:v1 "$STILLAGE" add "$T/podman.$format" app:v1
    done
    podman_run save -q --compress --format docker-dir -o "$T/podman.compressed" localhost/lib/app:v1
    arrives 'podman save --compress' app:v1 "$STILLAGE" add "dir:$T/podman.compressed" app:v1
    podman_run tag "${CONFIG#*:}" localhost/lib/app:v2 quay.io/other:v1
    podman_run save -q -m -o "$T/podman.many" localhost/lib/app:v1 localhost/lib/app:v2 quay.io/other:v1
    arrives 'podman save -m' other:v1 "$STILLAGE" add "$T/podman.many"
fi

if with buildah 9; then
    buildah_run pull -q "oci:$busybox:v1" >/dev/null
    buildah_run tag "${CONFIG#*:}" localhost/lib/app:v1
    for format in oci oci-archive docker-archive; do
        buildah_run push -q localhost/lib/app:v1 "$format:$T/buildah.$format:lib/app:v1"
        arrives "buildah push $format" lib/app:v1 "$STILLAGE" add "$format:$T/buildah.$format"
    done
fi

if with skopeo 12; then
    for format in oci oci-archive docker-archive dir; do
        target=$format:$T/skopeo.$format:lib/app:v1
        [ $format != dir ] || target=dir:$T/skopeo.dir
        skopeo_run copy -q "oci:$busybox:v1" "$target"
        arrives "skopeo copy to $format" lib/app:v1 "$STILLAGE" add "$format:$T/skopeo.$format" lib/app:v1
    done
fi

if with ctr 6; then
    as_ctr_archive "$busybox" v1 docker.io/lib/app:v1 | ctr_run images import --snapshotter native - >/dev/null
    ctr_run images export "$T/ctr.tar" docker.io/lib/app:v1
    arrives 'ctr images export' lib/app:v1 "$STILLAGE" add "$T/ctr.tar"
    is "$(tag_of lib/app:v1)" "$(oci_ref "$busybox" v1 | field digest)" 'ctr images export: the very manifest'
    as_ctr_archive "$(cached multi)" latest docker.io/lib/multi:latest | ctr_run images import --snapshotter native --all-platforms - >/dev/null
    ctr_run images export --all-platforms "$T/ctr.tar" docker.io/lib/multi:latest
    ok_run 'ctr images export --all-platforms' "$STILLAGE" add "$T/ctr.tar"
    image_is 'ctr images export --all-platforms: arrives whole' "$(cached multi)" "$(oci_ref "$(cached multi)" latest)" lib/multi:latest
fi

if with docker 9; then
    docker_run load -qi "$(cached docker_old)" >/dev/null
    docker_run save -o "$T/docker.tar" busybox:v1
    arrives 'docker save' busybox:v1 "$STILLAGE" add "$T/docker.tar"
    arrives 'docker save in a pipe' busybox:v1 sh -c "docker --config '$CLIENT_DIR/docker-cli' -H 'unix://$CLIENT_DIR/dk/sock' save busybox:v1 | '$STILLAGE' add -"
    docker_run tag busybox:v1 127.0.0.1:5000/lib/app:x
    docker_run save -o "$T/docker.tar" busybox:v1 lib/twice:v1 127.0.0.1:5000/lib/app:x
    arrives 'docker save of several' lib/app:x "$STILLAGE" add "docker-archive:$T/docker.tar"
fi

in_order
clients_cleanup
done_testing
