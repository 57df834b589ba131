#!/bin/bash
# make image: a whole registry as an image. It runs here as an engine runs it: as process 1, as the user that the image names,
# with a root that is read-only, a folder for the registry and an empty /tmp.
. "$(dirname "$0")/../lib.sh"
. "$TESTS/clients.sh"
[ "$(id -u)" -eq 0 ] || skip_all 'running an image without an engine takes root'
[ -z "${SANITIZED:-}" ] || skip_all 'sanitizers take more than an image has'

archive=$T/image.tar
make_image() { sh "$TOP/examples/images/make-registry.sh" "$STILLAGE" "$STILLAGE_CGI" "$1"; }
ok_run 'the image is made' make_image "$archive"
make_image "$T/again.tar" >/dev/null
same_file "$archive" "$T/again.tar" 'the same image each time'

mkdir -p "$T/image" "$T/root" "$T/data"
tar -C "$T/image" -xf "$archive"
tar -C "$T/root" -xpf "$T/image/layer.tar"
setting() { jq -r "$1" "$T/image/config.json"; }
is "$(setting '.rootfs.diff_ids[0]')" "sha256:$(sha256sum <"$T/image/layer.tar" | cut -d ' ' -f 1)" 'the configuration names the layer'
is "$(setting '.config.Volumes | keys[0]')" /registry 'there is a place for the images'
is "$(stat -c %u:%g "$T/root/registry")" "$(setting .config.User)" 'which the user of the image owns, also in a new volume'

free_port PORT
HOST=127.0.0.1:$PORT
user=$(setting .config.User)
mapfile -t env < <(setting '.config.Env[]')
mkdir -p "$T/root/proc" "$T/root/dev"
chown "$user" "$T/data"
# shellcheck disable=SC2016
spawn image unshare --mount --pid --fork sh -ec '
    root=$1 data=$2 user=$3
    shift 3
    mount --bind "$root" "$root"
    mount --bind "$data" "$root/registry"
    mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount -o remount,bind,ro "$root"
    exec env -i "$@" /usr/sbin/chroot --userspec="$user" "$root" /bin/registry
' sh "$T/root" "$T/data" "$user" "${env[@]}" STILLAGE_LISTEN="$HOST"
wait_up image 20 curl -fs "http://$HOST/v2/"
like "$(curl -s "http://$HOST/v2/_catalog")" '\{"repositories":\[\]\}' 'it makes an empty registry, and serves it'
is "$(find "$T/data" ! -user "${user%:*}")" '' 'as its user'
ok_run 'it takes pushes' skopeo_run copy -q --dest-tls-verify=false "docker-archive:$archive:stillage:latest" "docker://$HOST/tools/stillage:1"
ok_run 'and serves pulls' skopeo_run copy -q --src-tls-verify=false "docker://$HOST/tools/stillage:1" "dir:$T/pulled"
same_file "$T/pulled/$(sha256sum <"$T/image/config.json" | cut -d ' ' -f 1)" "$T/image/config.json" 'of the image itself'
stop image
unlike "$(<"$T/log/image")" 'rror|annot' 'it has nothing to complain about'
is "$("$STILLAGE" ls -r "$T/data" tools/stillage | cut -d ' ' -f 1)" 1 'the images stay in the folder'

if [ -z "$(client_why podman)" ]; then
    ok_run 'podman loads the archive' podman_run load -q -i "$archive"
    is "$(podman_run inspect --format '{{.Config.User}} {{.Config.Entrypoint}}' stillage:latest)" "$user [/bin/registry]" 'as it is'
else
    skip 2 "$(client_why podman)" 'podman load'
fi
done_testing
