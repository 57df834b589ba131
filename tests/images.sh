# shellcheck shell=bash
# Sourced by lib.sh: real images, made once per machine and shared by all tests through a cache.
#
#   layout=$(cached busybox)      read-only, in the cache: for tests that only read
#   image_busybox "$T/layout"     a copy: for tests that break it
#
# One name each in index.json, unless it says otherwise:
#   busybox      v1      Debian's busybox-static, 3 gzip layers, linux/amd64, made with umoci
#   debian       12      a root file system out of this machine's Debian packages, about 100 MB in 3 layers: set-uid files, symbolic
#                        and hard links, long names, white-outs, layers of several MiB
#   multi        latest  an index: linux/amd64, linux/arm64, linux/arm/v7, which share a layer
#   nested       all     an index of that index and an artifact
#   artifact     v1, art an image with three referrers (SBOM, signature, index), and an artifact without a subject
#   artifact512  v512    the same kind of thing with sha512 digests throughout
#   docker2      latest  a Docker manifest list of Docker manifests (application/vnd.docker...)
#   twice        v1      an image that has the same layer twice, and an empty one
#   hello                the one from examples/images/
# Archives and folders in other formats: archive_oci, archive_docker, image_dir.

CACHE=${STILLAGE_TEST_CACHE:-/tmp/stillage-test-cache-$UID}

# What the cached images are made by: other recipes, other files.
RECIPES=$(cat "$TESTS/images.sh" "$TESTS/oci.sh" "$TOP/examples/images/make-hello.sh" /bin/busybox 2>/dev/null | sha256sum)
RECIPES=${RECIPES:0:12}

# cached NAME: prints the path of what make_NAME makes, made now if this machine has not got it. It appears whole, by
# rename; whoever comes second waits for the lock. It is made anew when the recipe has changed.
cached() {
    [ -e "$CACHE/$1.$RECIPES" ] || make_cached "$1" "$CACHE/$1.$RECIPES" >&2
    printf '%s\n' "$CACHE/$1.$RECIPES"
}

make_cached() {
    local lock tmp rc
    mkdir -p "$CACHE"
    exec {lock}>"$CACHE/$1.lock"
    flock "$lock"
    if [ ! -e "$2" ]; then
        find "$CACHE" -maxdepth 1 -name "$1.?*" ! -name '*.lock' -mtime +1 -exec rm -rf {} +   # of older recipes
        tmp=$(mktemp -d "$CACHE/.$1.XXXXXX")
        set +e                            # with || instead, set -e would be off in the recipe
        (set -e; "make_$1" "$tmp/it")
        rc=$?
        set -e
        [ "$rc" -ne 0 ] || mv "$tmp/it" "$2"
        rm -rf "$tmp"
    fi
    exec {lock}>&-
    [ -e "$2" ]
}

# Reflinks where the file system has them, so that a copy costs nothing; never hard links: tests break their copies.
copy_of() { cp -a --reflink=auto "$(cached "$1")" "$2"; }

image_busybox() { copy_of busybox "$1"; }
image_debian() { copy_of debian "$1"; }
image_multi() { copy_of multi "$1"; }
image_nested() { copy_of nested "$1"; }
image_artifact() { copy_of artifact "$1"; }
image_artifact512() { copy_of artifact512 "$1"; }
image_docker2() { copy_of docker2 "$1"; }
image_twice() { copy_of twice "$1"; }
image_hello() { copy_of hello "$1"; }

host_arch() { case $(uname -m) in x86_64) echo amd64 ;; aarch64) echo arm64 ;; *) uname -m ;; esac; }

# ---- recipes -----------------------------------------------------------------------------------------------------

busybox_root() {
    local tool
    mkdir -p "$1/bin"
    cp /bin/busybox "$1/bin/busybox"
    chmod 0755 "$1/bin/busybox"
    for tool in sh ls cat echo sleep httpd id env; do ln -s busybox "$1/bin/$tool"; done
}

etc_root() {
    mkdir -p "$1/etc" "$1/root" "$1/tmp"
    printf 'root:x:0:0:root:/root:/bin/sh\n' >"$1/etc/passwd"
    printf 'root:x:0:\n' >"$1/etc/group"
    chmod 1777 "$1/tmp"
}

make_busybox() {
    local root=$1.root when=2023-11-14T22:13:20Z dir
    mkdir -p "$root/app"
    busybox_root "$root"
    etc_root "$root"
    seq 20000 >"$root/app/numbers"
    find "$root" -exec touch -hd "$OCI_EPOCH" {} +
    umoci init --layout "$1"
    umoci new --image "$1:v1"
    for dir in bin etc app; do
        umoci insert --rootless --history.created $when --image "$1:v1" "$root/$dir" "/$dir"
    done
    umoci config --image "$1:v1" --created $when --history.created $when --architecture "$(host_arch)" --os linux \
        --config.cmd /bin/sh --config.env PATH=/bin --config.label org.example.test=stillage
    umoci gc --layout "$1"
    find "$1" -type f -exec chmod 0644 {} +   # umoci's are 0600
    rm -rf "$root"
}

make_hello() { sh "$TOP/examples/images/make-hello.sh" "$1"; }

# package_files PACKAGE...: what these packages put on this machine, as far as they are installed; without manuals
package_files() {
    local merged=()
    # Since Debian 12 /bin is a link to usr/bin, though packages still say /bin.
    [ ! -L /bin ] || merged=(-e 's,^/\(bin\|sbin\|lib\|lib64\)/,/usr/\1/,')
    { dpkg-query -L "$@" 2>/dev/null || true; } | sed -e '/^\/usr\/share\/\(doc\|man\|locale\)\//d' "${merged[@]}" | sort -u |
        perl -lne 'print if -l || -f && -r _'
}

# debian_root DIR LAYER: a part of a root file system out of the packages that are installed here anyway: this takes no
# network, no chroot and no root.
debian_root() {
    local packages link
    case $2 in
        base) packages='base-files base-passwd bash coreutils dash debianutils diffutils findutils grep gzip hostname libacl1
            libattr1 libc-bin libc6 libcrypt1 libgcc-s1 libgmp10 libpcre2-8-0 libselinux1 libtinfo6 login mount ncurses-base
            passwd sed tar util-linux zlib1g' ;;
        perl) packages='perl-base perl libperl5.36 perl-modules-5.36' ;;
        app) packages='openssl libssl3 libstdc++6 ca-certificates binutils-common libbinutils' ;;
    esac
    mkdir -p "$1"
    # shellcheck disable=SC2086
    package_files $packages | sed 's,^/,,' | tar -C / --no-recursion -T - -c | tar -C "$1" -xp
    for link in bin sbin lib lib64; do
        [ "$2" != base ] || [ ! -L /$link ] || ln -sfn "$(readlink /$link)" "$1/$link"
    done
}

make_debian() {
    local layers=() layer config
    for layer in base perl app; do debian_root "$1.root/$layer" $layer; done
    ln -f "$1.root/base/bin/bash" "$1.root/base/bin/rbash"                    # a hard link inside a layer
    mkdir -p "$1.root/app/usr/share/base-files"                               # white-outs of what is below
    touch "$1.root/app/usr/share/base-files/.wh.motd" "$1.root/perl/usr/share/.wh.common-licenses"
    layer=$(printf 'long-%.0s' {1..40})
    mkdir -p "$1.root/app/srv/$layer"
    echo deep >"$1.root/app/srv/$layer/$layer"                                # longer than a ustar header holds
    oci_init "$1"
    for layer in base perl app; do layers+=("$(oci_layer "$1" "$1.root/$layer")"); done
    config=$(oci_config "$1" "$(host_arch)" "${layers[@]}")
    oci_name "$1" "$(oci_manifest "$1" "$config" "${layers[@]}")" 12
    rm -rf "$1.root"
}

# build_multi DIR: descriptors of its three platforms, one a line
build_multi() {
    local arch root etc layer config
    root=$(mktemp -d "$1/.root.XXXXXX")
    etc_root "$root"
    etc=$(oci_layer "$1" "$root")
    for arch in amd64 arm64 arm/v7; do
        rm -rf "${root:?}"/*
        busybox_root "$root"
        echo "$arch" >"$root/arch"
        layer=$(oci_layer "$1" "$root")
        config=$(oci_config "$1" "$arch" "$layer" "$etc")
        on_platform "$(oci_manifest "$1" "$config" "$layer" "$etc")" "linux/$arch"
    done
    rm -rf "$root"
}

make_multi() {
    local images
    oci_init "$1"
    mapfile -t images < <(build_multi "$1")
    oci_name "$1" "$(oci_index "$1" "${images[@]}")" latest
}

make_nested() {
    local images inner config
    oci_init "$1"
    mapfile -t images < <(build_multi "$1")
    inner=$(oci_index "$1" "${images[@]}")
    config=$(empty_blob "$1")
    oci_name "$1" "$(oci_index "$1" "$inner" "$(EXTRA='{"artifactType":"application/vnd.example.notes.v1"}' \
        oci_manifest "$1" "$config" "$config")")" all
}

empty_blob() { printf '{}' | oci_blob "$1" application/vnd.oci.empty.v1+json; }

# small_image DIR TEXT: a descriptor
small_image() {
    local root=$1/.root.$BASHPID layer config
    mkdir "$root"
    echo "$2" >"$root/text"
    layer=$(oci_layer "$1" "$root")
    config=$(oci_config "$1" "$(host_arch)" "$layer")
    oci_manifest "$1" "$config" "$layer"
    rm -rf "$root"
}

# referrer DIR SUBJECT TYPE TEXT: an artifact of that artifactType about SUBJECT
referrer() {
    local layer config extra
    layer=$(printf '%s' "$4" | oci_blob "$1" "$3+json")
    config=$(empty_blob "$1")
    extra=$(jq -nc --arg type "$3" --argjson subject "$2" --arg text "$4" \
        '{artifactType: $type, subject: $subject, annotations: {"org.example.text": $text}}')
    EXTRA=$extra oci_manifest "$1" "$config" "$layer"
}

make_artifact() {
    local image sbom config empty
    oci_init "$1"
    image=$(small_image "$1" 'an image that others refer to')
    oci_name "$1" "$image" v1
    sbom=$(referrer "$1" "$image" application/vnd.example.sbom.v1 '{"sbom":true}')
    oci_name "$1" "$sbom"
    # No artifactType: the specification then takes the config's media type for it.
    config=$(printf '{"signed":1}' | oci_blob "$1" application/vnd.example.signature.v1+json)
    empty=$(empty_blob "$1")
    oci_name "$1" "$(EXTRA="{\"subject\":$image}" oci_manifest "$1" "$config" "$empty")"
    oci_name "$1" "$(EXTRA="{\"artifactType\":\"application/vnd.example.bundle.v1\",\"subject\":$image}" oci_index "$1" "$sbom")"
    oci_name "$1" "$(EXTRA='{"artifactType":"application/vnd.example.config.v1"}' oci_manifest "$1" "$empty" "$empty")" art
}

make_artifact512() {
    local ALG=sha512 image
    export ALG
    oci_init "$1"
    image=$(small_image "$1" 'sha512 from top to bottom')
    oci_name "$1" "$image" v512
    oci_name "$1" "$(referrer "$1" "$image" application/vnd.example.sbom.v1 '{"sbom":512}')"
}

make_docker2() {
    local from=$1.multi d=application/vnd.docker index child list
    make_multi "$from"
    oci_init "$1"
    cp -a "$from/blobs" "$1/"
    index=$(oci_ref "$from" latest)
    list=$(while read -r child; do
        jq -c --arg d $d '.mediaType = "\($d).distribution.manifest.v2+json" | .config.mediaType = "\($d).container.image.v1+json"
            | .layers[].mediaType = "\($d).image.rootfs.diff.tar.gzip"' "$(blob_file "$from" "$(field digest <<<"$child")")" |
            oci_blob "$1" $d.distribution.manifest.v2+json | jq -c --argjson c "$child" '. + {platform: $c.platform}'
    done < <(jq -c '.manifests[]' "$(blob_file "$from" "$(field digest <<<"$index")")"))
    oci_name "$1" "$(jq -sc --arg d $d '{schemaVersion: 2, mediaType: "\($d).distribution.manifest.list.v2+json", manifests: .}' \
        <<<"$list" | oci_blob "$1" $d.distribution.manifest.list.v2+json)" latest
    rm -rf "$from"
}

make_twice() {
    local root=$1.root a b c config
    oci_init "$1"
    mkdir -p "$root/a" "$root/b" "$root/c"
    echo a >"$root/a/file"
    echo b >"$root/b/file"
    a=$(oci_layer "$1" "$root/a")
    b=$(oci_layer "$1" "$root/b")
    c=$(oci_layer "$1" "$root/c")
    config=$(oci_config "$1" "$(host_arch)" "$a" "$b" "$a" "$c")
    oci_name "$1" "$(oci_manifest "$1" "$config" "$a" "$b" "$a" "$c")" v1
    rm -rf "$root"
}

# ---- other formats -----------------------------------------------------------------------------------------------

# archive_oci IMAGE FILE [gzip|zstd|xz]: a layout of the above as a tar
archive_oci() {
    tar_root "$(cached "$1")" | case ${3:-} in
        gzip) gzip -n ;;
        zstd) zstd -q ;;
        xz) xz -T1 ;;
        *) cat ;;
    esac >"$2"
}

# image_dir IMAGE REF DIR [v2s2]: skopeo's dir: format, all platforms; as it is, or made into Docker's media types
image_dir() {
    local how=(--preserve-digests)
    [ -z "${4:-}" ] || how=(--format "$4")
    skopeo_run copy -q --all "${how[@]}" "oci:$(cached "$1"):$2" "dir:$3"
}

# archive_docker old|new|podman FILE: two images, busybox:v1 and lib/twice:v1, as docker save up to 24, docker save
# from 25 on, and podman save (or skopeo) write them
archive_docker() { cp "$(cached "docker_$1")" "$2"; }

# The images of archive_docker: LAYOUT REF NAME
docker_images() {
    printf '%s v1 busybox:v1\n' "$(cached busybox)"
    printf '%s v1 lib/twice:v1\n' "$(cached twice)"
}

# Each layer in a folder of its own, named by the chain so far; one that is there already, under another name, is
# a symbolic link to it. As daemon/../tarexport/save.go does it.
make_docker_old() {
    local dir=$1.dir layout ref name list images=() config layer diff chain paths repos='{}'
    local -A stored=()
    mkdir "$dir"
    list=$(docker_images)
    while read -r layout ref name; do
        manifest_of "$layout" "$ref"
        chain='' paths=()
        for layer in "${LAYERS[@]}"; do
            diff=$(diff_id "$layout" "$layer")
            chain=$(sha256sum <<<"$chain $diff" | cut -d' ' -f1)
            paths+=("$chain/layer.tar")
            mkdir -p "$dir/$chain"
            printf 1.0 >"$dir/$chain/VERSION"
            printf '{"id":"%s","created":"1970-01-01T00:00:00Z","os":"linux"}' "$chain" >"$dir/$chain/json"
            if [ -n "${stored[$diff]:-}" ]; then
                ln -sf "../${stored[$diff]}/layer.tar" "$dir/$chain/layer.tar"
            else
                oci_unpack "$layout" "$layer" >"$dir/$chain/layer.tar"
                stored[$diff]=$chain
            fi
        done
        config=$(field digest <<<"$CONFIG")
        cp "$(blob_file "$layout" "$config")" "$dir/${config#*:}.json"
        images+=("$(jq -nc --arg c "${config#*:}.json" --arg n "$name" '{Config: $c, RepoTags: [$n], Layers: $ARGS.positional}' --args "${paths[@]}")")
        repos=$(jq -c --arg n "${name%:*}" --arg t "${name##*:}" --arg id "$chain" '.[$n][$t] = $id' <<<"$repos")
    done <<<"$list"
    printf '%s\n' "${images[@]}" | jq -sc . >"$dir/manifest.json"
    printf '%s\n' "$repos" >"$dir/repositories"
    (cd "$dir" && tar --sort=name --mtime="$OCI_EPOCH" --owner=0 --group=0 -cf "$1" -- *)
    rm -rf "$dir"
}

# An OCI layout of uncompressed layers, and manifest.json beside index.json.
make_docker_new() {
    local dir=$1.dir layout ref name list images=() config layer layers paths sources
    oci_init "$dir"
    list=$(docker_images)
    while read -r layout ref name; do
        manifest_of "$layout" "$ref"
        layers=() paths=() sources='{}'
        for layer in "${LAYERS[@]}"; do
            layer=$(oci_unpack "$layout" "$layer" | oci_blob "$dir" "$OCI_TYPE.layer.v1.tar")
            layers+=("$layer")
            paths+=("blobs/sha256/$(field digest <<<"$layer" | cut -d: -f2)")
            sources=$(jq -c --argjson l "$layer" '.[$l.digest] = $l' <<<"$sources")
        done
        config=$(oci_blob "$dir" "$OCI_TYPE.config.v1+json" <"$(blob_file "$layout" "$(field digest <<<"$CONFIG")")")
        layer=$(oci_manifest "$dir" "$config" "${layers[@]}" |
            jq -c --arg n "docker.io/$(case $name in */*) ;; *) echo library/ ;; esac)$name" '. + {annotations: {"io.containerd.image.name": $n}}')
        oci_name "$dir" "$layer" "${name##*:}"
        images+=("$(jq -nc --arg c "blobs/sha256/$(field digest <<<"$config" | cut -d: -f2)" --arg n "$name" --argjson s "$sources" \
            '{Config: $c, RepoTags: [$n], Layers: $ARGS.positional, LayerSources: $s}' --args "${paths[@]}")")
    done <<<"$list"
    printf '%s\n' "${images[@]}" | jq -sc . >"$dir/manifest.json"
    printf '{"busybox":{"v1":"0"},"lib/twice":{"v1":"0"}}\n' >"$dir/repositories"
    (cd "$dir" && tar --sort=name --mtime="$OCI_EPOCH" --owner=0 --group=0 -cf "$1" -- *)
    rm -rf "$dir"
}

# podman save -m and skopeo share this writer; both images into one archive.
make_docker_podman() {
    local layout ref name list
    list=$(docker_images)
    while read -r layout ref name; do
        skopeo_run copy -q --format v2s2 "oci:$layout:$ref" "docker-archive:$1.part.${name//[^a-z]/_}:$name" >&2
    done <<<"$list"
    join_docker_archives "$1" "$1".part.*
    rm -f "$1".part.*
}

# join_docker_archives OUT ARCHIVE...: one archive with the images of all
join_docker_archives() {
    local out=$1 dir=$1.dir archive part
    shift
    mkdir "$dir"
    for archive; do
        part=$(mktemp -d "$out.one.XXXXXX")
        tar -C "$part" -xf "$archive"
        mv "$part/manifest.json" "$dir.$(basename "$archive").json"
        rm -f "$part/repositories"
        cp -a "$part/." "$dir/"
        chmod -R u+rwX "$dir"
        rm -rf "$part"
    done
    jq -sc add "$dir".*.json >"$dir/manifest.json"
    (cd "$dir" && tar --sort=name --mtime="$OCI_EPOCH" --owner=0 --group=0 -cf "$out" -- *)
    rm -rf "$dir" "$dir".*.json
}

# manifest_of LAYOUT REF: sets CONFIG, LAYERS
manifest_of() {
    local file
    file=$(blob_file "$1" "$(oci_ref "$1" "$2" | field digest)")
    CONFIG=$(jq -c .config "$file")
    mapfile -t LAYERS < <(jq -c '.layers[]' "$file")
}
