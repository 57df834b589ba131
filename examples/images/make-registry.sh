#!/bin/sh
# Makes an image with a whole registry in it: stillage, stillage.cgi and nginx, from the programs of this machine and the
# libraries that they load. `make image` runs it.
#
#   make-registry.sh STILLAGE STILLAGE_CGI ARCHIVE      the archive is one of `docker save`
#   docker load -i ARCHIVE                              or podman load; or stillage add ARCHIVE
#   docker run -d -p 5000:5000 -v images:/registry stillage
#
# In the container, everything runs as user 1000, who owns /registry and can write nowhere else but to /tmp. More arguments go
# to `stillage serve`. On Debian: apt-get install nginx-light busybox-static libcurl4 ca-certificates.
# The same input makes the same image.
set -eu

stillage=${1:?usage: make-registry.sh STILLAGE STILLAGE_CGI ARCHIVE} cgi=${2:?} out=${3:?}
PATH=$PATH:/usr/sbin:/sbin
epoch=1700000000        # the time on every file, so that the result depends on contents only
version=$("$stillage" --version | cut -d ' ' -f 2)

for program in nginx busybox; do
    command -v $program >/dev/null || { echo "make-registry.sh: there is no $program" >&2; exit 1; }
done
case $(uname -m) in
    x86_64) arch=amd64 ;;
    aarch64) arch=arm64 ;;
    *) arch=$(uname -m) ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root/bin" "$root/etc/ssl/certs" "$root/usr/bin" "$root/usr/libexec" "$root/usr/sbin" "$root/var/log/nginx" "$root/tmp" \
    "$work/data/registry"

# 1. The programs, and a shell with a few tools for those who look inside.
install -m 755 "$stillage" "$root/usr/bin/stillage"
install -m 755 "$cgi" "$root/usr/libexec/stillage.cgi"
install -m 755 "$(command -v nginx)" "$root/usr/sbin/nginx"
install -m 755 "$(command -v busybox)" "$root/bin/busybox"
for tool in cat df du id ls ps sh wget; do ln -s busybox "$root/bin/$tool"; done

# 2. The libraries that these load, where they were found. libcurl is loaded only for other registries.
curl=$(/sbin/ldconfig -p | sed -n 's/.*libcurl\.so\.4 .*=> //p' | head -n 1)
{
    # shellcheck disable=SC2086   # no libcurl, no word
    ldd "$stillage" "$(command -v nginx)" $curl | sed -n 's/^[[:space:]]*\(.*=> \)\?\(\/[^ ]*\) (.*/\2/p'
    [ ! "$curl" ] || echo "$curl"
} | sort -u | while read -r library; do install -D -m 755 "$library" "$root$library"; done
[ ! -e /etc/ssl/certs/ca-certificates.crt ] || install -m 644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs"

# 3. Who is who, and how it starts.
printf '%s\n' root:x:0:0::/:/bin/sh stillage:x:1000:1000::/registry:/bin/sh >"$root/etc/passwd"
printf '%s\n' root:x:0: stillage:x:1000: >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
cat >"$root/bin/registry" <<'END'
#!/bin/sh
# Makes the registry if there is none, and serves it.
[ -e "$STILLAGE_REGISTRY/registry.yaml" ] || stillage init -q "$STILLAGE_REGISTRY" || exit
exec stillage serve --push --listen "${STILLAGE_LISTEN:-5000}" "$@"
END
chmod 755 "$root/bin/registry"
chmod 1777 "$root/tmp"

# 4. The image: one layer, its configuration, and the archive's own list.
pack() { tar --sort=name --mtime="@$epoch" --numeric-owner "$@"; }
pack -C "$root" --owner=0 --group=0 -cf "$work/layer.tar" .
pack -C "$work/data" --owner=1000 --group=1000 -rf "$work/layer.tar" ./registry
cat >"$work/config.json" <<END
{
  "created": "2023-11-14T22:13:20Z",
  "architecture": "$arch",
  "os": "linux",
  "config": {
    "User": "1000:1000",
    "Env": ["PATH=/usr/bin:/bin:/usr/sbin", "STILLAGE_REGISTRY=/registry"],
    "Entrypoint": ["/bin/registry"],
    "WorkingDir": "/registry",
    "ExposedPorts": {"5000/tcp": {}},
    "Volumes": {"/registry": {}},
    "Labels": {"org.opencontainers.image.title": "stillage", "org.opencontainers.image.version": "$version"}
  },
  "rootfs": {"type": "layers", "diff_ids": ["sha256:$(sha256sum <"$work/layer.tar" | cut -d ' ' -f 1)"]},
  "history": [{"created": "2023-11-14T22:13:20Z", "created_by": "make-registry.sh"}]
}
END
printf '[{"Config": "config.json", "RepoTags": ["stillage:%s", "stillage:latest"], "Layers": ["layer.tar"]}]\n' "$version" >"$work/manifest.json"
pack -C "$work" --owner=0 --group=0 -cf "$out" config.json layer.tar manifest.json
echo "$out: stillage:$version, linux/$arch"
