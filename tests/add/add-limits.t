#!/bin/bash
# stillage add: memory stays below 32 MiB, however large a layer, however many members, images or layers.
. "$(dirname "$0")/add-common.sh"
[ -z "${SANITIZED:-}" ] || skip_all 'built with sanitizers, which take memory of their own'

[ -x /usr/bin/time ] || skip_all '/usr/bin/time is not installed'

# small DESCRIPTION ARGUMENT...: it succeeds, with that much memory
small() {
    local what=$1 peak
    shift
    new_registry
    capture /usr/bin/time -f %M -o "$T/peak" "$STILLAGE" add -q "$@"
    peak=$(tail -n 1 "$T/peak")
    if [ "$RC" -eq 0 ] && [ "$peak" -le 32768 ]; then pass "$what"; note "$peak KiB"
    else fail "$what" "status $RC, $peak KiB" "$(<"$T/.err")"; fi
}

# ---- one large layer ---------------------------------------------------------------------------------------------

# A tar of one file; text that repeats compresses fast, and zeros would be too easy.
large_layer() {
    mkdir -p "$T/root"
    perl -e 'my $text = join "", map { chr(97 + $_ * $_ % 23) } 1 .. 100000; print $text x 600' >"$T/root/file"
    tar_root "$T/root"
    rm -r "$T/root"
}
oci_init "$T/large"
layer=$(large_layer | oci_blob "$T/large" $OCI_TYPE.layer.v1.tar)
oci_name "$T/large" "$(oci_manifest "$T/large" "$(oci_config "$T/large" amd64 "$layer")" "$layer")" v1
small 'a large layer in a folder' "$T/large" app
tar -C "$T/large" -cf "$T/large.tar" .
small 'a large layer in a tar' "$T/large.tar" app
gzip -1f "$T/large.tar"
small 'a large layer in a gzipped tar' "$T/large.tar.gz" app

mkdir "$T/docker"
mv "$(blob_file "$T/large" "$(field digest <<<"$layer")")" "$T/docker/layer.tar"
cp "$(blob_file "$T/large" "$(jq -r .config.digest "$(blob_file "$T/large" "$(oci_ref "$T/large" | field digest)")")")" "$T/docker/config.json"
echo '[{"Config":"config.json","RepoTags":["app:v1"],"Layers":["layer.tar"]}]' >"$T/docker/manifest.json"
for how in gzip zstd none; do small "a large layer of a docker archive, $how" --compress $how "$T/docker"; done
tar -C "$T/docker" -cf "$T/docker.tar" .
zstd -1 -qf "$T/docker.tar" -o "$T/docker.tar.zst"
small 'a large layer of a compressed docker archive' "$T/docker.tar.zst"
rm -r "$T/docker" "$T/docker.tar" "$T/docker.tar.zst" "$T/large" "$T/large.tar.gz"

# ---- many small things -------------------------------------------------------------------------------------------

# many IMAGES LAYERS: a layout of so many images, each of so many layers that are all the same few bytes
many() {
    rm -rf "$T/many"
    oci_init "$T/many"
    perl -MDigest::SHA=sha256_hex -e '
        my ($dir, $images, $layers) = @ARGV;
        sub blob { my ($type, $text) = @_; my $hex = sha256_hex($text);
            open my $f, ">", "$dir/blobs/sha256/$hex" or die; print $f $text; close $f or die;
            return sprintf q({"mediaType":"application/vnd.oci.image.%s","digest":"sha256:%s","size":%d), $type, $hex, length $text }
        my $config = blob("config.v1+json", "{}");
        my @list = map { my $i = $_;
            my @layers = map { blob("layer.v1.tar", $images > 1 ? $i % 100 : "$i.$_") . "}" } 1 .. $layers;
            my $image = blob("manifest.v1+json", sprintf q({"schemaVersion":2,"annotations":{"n":"%d"},"config":%s},"layers":[%s]}),
                $i, $config, join ",", @layers);
            $image . sprintf q(,"annotations":{"org.opencontainers.image.ref.name":"registry.example.org/some/where/app-%d:v1"}}), $i
        } 1 .. $images;
        open my $f, ">", "$dir/index.json" or die; print $f q({"schemaVersion":2,"manifests":[), join(",", @list), "]}"; close $f or die' "$T/many" "$1" "$2"
}
many 8000 1
small 'one of 8,000 images' --ref registry.example.org/some/where/app-77:v1 "$T/many"
many 1 7000
small 'an image of 7,000 layers' "$T/many" app

# padded COUNT FILE: a layout with so many empty files behind it
padded() {
    tar -C "$(cached busybox)" -cf "$2" oci-layout index.json blobs
    perl -e 'my ($count, $file) = @ARGV;
        open my $f, "+<", $file or die; local $/; my $tar = <$f>; $tar =~ s/\0+\z//;
        seek $f, int((length($tar) + 511) / 512) * 512, 0;
        for my $i (1 .. $count) {
            my $header = pack("a100 a8 a8 a8 a12 a12 A8 a1 a100 a6 a2 a247", "old/archives/have/a/folder/for/each/layer/$i/layer.tar",
                "0000644", "0000000", "0000000", "00000000000", "00000000000", "", "0", "", "ustar", "00", "");
            substr($header, 148, 8) = sprintf("%06o\0 ", unpack("%32C*", $header));
            print $f $header;
        }
        print $f "\0" x 1024; close $f or die' "$1" "$2"
}
padded 99000 "$T/padded.tar"
small '99,000 members in a tar' "$T/padded.tar" app
padded 20000 "$T/padded.tar"
gzip -1f "$T/padded.tar"
small '20,000 members in a gzipped tar' "$T/padded.tar.gz" app

done_testing
