#!/bin/sh
# Makes a small, real image as an OCI image layout, with nothing but a static busybox, tar, gzip and sha256sum: all
# there is to an image, on one page.
#
#   sh make-hello.sh OUTDIR          OUTDIR/ must not exist yet, or be an earlier one
#   stillage add oci:OUTDIR          adds it to a registry as hello:latest
#   podman run HOST/hello            prints a greeting; `... hello httpd -f -p 8080 -h /www` serves a page
#
# On Debian: apt-get install busybox-static. The same input makes the same image: same digest, byte for byte.
set -eu

out=${1:?usage: make-hello.sh OUTDIR}
busybox=${BUSYBOX:-/bin/busybox}
epoch=1700000000        # the time on every file, so that the result depends on contents only

[ -x "$busybox" ] || { echo "make-hello.sh: no $busybox; on Debian: apt-get install busybox-static" >&2; exit 1; }
if [ -e "$out" ] && [ ! -e "$out/oci-layout" ]; then
    echo "make-hello.sh: $out exists and is not an image layout" >&2
    exit 1
fi

case $(uname -m) in
    x86_64) arch=amd64 ;;
    aarch64) arch=arm64 ;;
    *) arch=$(uname -m) ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
layout=$work/layout
mkdir -p "$layout/blobs/sha256"

# digest_of FILE, size_of FILE
digest_of() { sha256sum <"$1" | cut -d ' ' -f 1; }
size_of() { wc -c <"$1" | tr -d ' '; }

# store FILE: moves it to where its content says, and sets `digest` and `size`
store() {
    digest=$(digest_of "$1")
    size=$(size_of "$1")
    mv "$1" "$layout/blobs/sha256/$digest"
}

# layer FOLDER: packs it. An image names a layer twice: the manifest by what travels (compressed), the configuration
# by what is unpacked (`diff_id`).
layer() {
    tar -C "$1" --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner -cf "$work/layer.tar" .
    diff_id=$(digest_of "$work/layer.tar")
    gzip -n -9 <"$work/layer.tar" >"$work/layer.tar.gz"
    store "$work/layer.tar.gz"
}

# 1. The first layer: busybox, and a name for each of its tools that the image uses.
mkdir -p "$work/base/bin" "$work/base/tmp"
cp "$busybox" "$work/base/bin/busybox"
chmod 0755 "$work/base/bin/busybox"
chmod 1777 "$work/base/tmp"
for tool in cat echo env httpd id ls sh sleep uname; do ln -s busybox "$work/base/bin/$tool"; done
layer "$work/base"
base_diff=$diff_id base_digest=$digest base_size=$size

# 2. The second layer: what the image is for.
mkdir -p "$work/app/bin" "$work/app/www"
cat >"$work/app/bin/hello" <<'END'
#!/bin/sh
echo "Hello from a container whose image came out of a folder of files."
echo "I am $(id -u) on $(uname -s) $(uname -m)."
END
chmod 0755 "$work/app/bin/hello"
echo '<!DOCTYPE html><title>hello</title><h1>Hello from a container</h1>' >"$work/app/www/index.html"
layer "$work/app"
app_diff=$diff_id app_digest=$digest app_size=$size

# 3. The configuration: how to run it.
cat >"$work/config.json" <<END
{
  "created": "2023-11-14T22:13:20Z",
  "architecture": "$arch",
  "os": "linux",
  "config": {
    "Env": ["PATH=/bin"],
    "Cmd": ["/bin/hello"],
    "Labels": {"org.opencontainers.image.title": "hello"}
  },
  "rootfs": {"type": "layers", "diff_ids": ["sha256:$base_diff", "sha256:$app_diff"]},
  "history": [
    {"created": "2023-11-14T22:13:20Z", "created_by": "busybox-static"},
    {"created": "2023-11-14T22:13:20Z", "created_by": "make-hello.sh"}
  ]
}
END
store "$work/config.json"
config_digest=$digest config_size=$size

# 4. The manifest: what belongs together.
type=application/vnd.oci.image
cat >"$work/manifest.json" <<END
{
  "schemaVersion": 2,
  "mediaType": "$type.manifest.v1+json",
  "config": {"mediaType": "$type.config.v1+json", "digest": "sha256:$config_digest", "size": $config_size},
  "layers": [
    {"mediaType": "$type.layer.v1.tar+gzip", "digest": "sha256:$base_digest", "size": $base_size},
    {"mediaType": "$type.layer.v1.tar+gzip", "digest": "sha256:$app_digest", "size": $app_size}
  ]
}
END
store "$work/manifest.json"

# 5. The layout's own two files: its version, and the list of what it holds.
printf '{"imageLayoutVersion": "1.0.0"}\n' >"$layout/oci-layout"
cat >"$layout/index.json" <<END
{
  "schemaVersion": 2,
  "mediaType": "$type.index.v1+json",
  "manifests": [
    {
      "mediaType": "$type.manifest.v1+json", "digest": "sha256:$digest", "size": $size,
      "platform": {"os": "linux", "architecture": "$arch"},
      "annotations": {"org.opencontainers.image.ref.name": "hello:latest"}
    }
  ]
}
END

rm -rf "$out"
mkdir -p "$(dirname "$out")"
mv "$layout" "$out"
chmod -R a+rX "$out"
echo "$out: hello:latest, linux/$arch, sha256:$digest"
