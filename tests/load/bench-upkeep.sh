# shellcheck shell=bash
# Sourced by bench.sh: what costs more the more a registry holds, and must not cost more than that, in time and memory: verify,
# gc, export and import.

SWEEP=${BENCH_SWEEP:-10 1000 10000}

# grow REG FROM TO: images of a layer of 8 KiB, a shared one and a configuration, spread over 100 repositories. They are put
# there as lib/LAYOUT.md has it, because that is faster; the lists are for verify to make.
grow() {
    # shellcheck disable=SC2016
    perl -MDigest::SHA=sha256_hex -MFile::Path=make_path -e '
        my ($reg, $from, $to) = @ARGV;
        my $type = "application/vnd.oci.image";
        sub put { open(my $file, ">", $_[0]) or die "$_[0]: $!"; print $file $_[1]; close $file or die $!; }
        for my $i ($from .. $to - 1) {
            my $repo = "$reg/www/v2/many/r" . $i % 100;
            make_path(map { "$repo/$_" } "_manifests/$type.manifest.v1+json", qw(manifests blobs referrers tags));
            my @parts;
            for my $bytes ("{\"architecture\":\"amd64\",\"os\":\"linux\",\"x\":$i,\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}",
                           "shared " . $i % 10, substr("layer $i\n" x 1024, 0, 8192)) {
                my $hex = sha256_hex($bytes);
                my $folder = "$reg/store/sha256/" . substr($hex, 0, 2);
                mkdir $folder;
                put("$folder/$hex", $bytes) unless -e "$folder/$hex";
                link("$folder/$hex", "$repo/blobs/sha256:$hex");
                my $what = @parts ? "layer.v1.tar" : "config.v1+json";
                push @parts, "{\"mediaType\":\"$type.$what\",\"digest\":\"sha256:$hex\",\"size\":" . length($bytes) . "}";
            }
            my $manifest = "{\"schemaVersion\":2,\"mediaType\":\"$type.manifest.v1+json\",\"config\":$parts[0],\"layers\":[$parts[1],$parts[2]]}";
            my $name = "sha256:" . sha256_hex($manifest);
            put("$repo/_manifests/$type.manifest.v1+json/$name", $manifest);
            symlink("../_manifests/$type.manifest.v1+json/$name", "$repo/manifests/$name");
            symlink($name, "$repo/manifests/v$i");
        }' "$@"
    "$STILLAGE" verify -q --quick --repair -r "$1" >/dev/null
}

# shrink REG NAME N: every Nth tag below NAME goes, and the manifest that it leads to: their blobs are garbage.
shrink() {
    # shellcheck disable=SC2016
    perl -e '
        my ($reg, $name, $nth) = @ARGV;
        my $number = 0;
        for my $tag (glob "$reg/www/v2/$name/*/manifests/v*") {
            next if $number++ % $nth;
            my ($folder) = $tag =~ m{(.*)/};
            my $digest = readlink $tag;
            unlink $tag, "$folder/" . readlink("$folder/$digest"), "$folder/$digest";
        }' "$@"
    "$STILLAGE" verify -q --quick --repair -r "$1" >/dev/null
}

# upkeep_row LABEL COUNT COMMAND...: the median of three
upkeep_row() {
    local label=$1 count=$2 i
    shift 2
    for i in 1 2 3; do
        timed "$@"
        echo "$WALL"
    done | median >"$T/one"
    timed "$@"
    row "$label" "$(<"$T/one") s, $(awk -v s="$(<"$T/one")" -v n="$count" 'BEGIN { printf "%.2f", 1000 * s / n }') ms for each, $PEAK KiB"
}

# Of one image that is not in the inventory.
upkeep_export() {
    local reg=$1 count=$2
    "$STILLAGE" inventory -r "$reg" >"$T/inventory"
    layout "$T/small" 2 4096
    "$STILLAGE" add -q -r "$reg" "oci:$T/small" "new/app:v$count"
    upkeep_row "export of one new image, $count images" "$count" "$STILLAGE" export -q -r "$reg" --all --without "$T/inventory" -o "$T/new.tar"
    rm -rf "$T/small" "$T/new.tar"
}

# All of it into a bundle, and from there into another registry: memory is what counts here.
upkeep_bundle() {
    local reg=$1 count=$2
    upkeep_row "export of all, $count images" "$count" "$STILLAGE" export -q -r "$reg" --all -o "$T/all.tar"
    upkeep_row "verify-bundle of that" "$count" "$STILLAGE" verify-bundle -q "$T/all.tar"
    "$STILLAGE" init -q "$T/far"
    timed "$STILLAGE" import -q -r "$T/far" "$T/all.tar"
    row "import of that" "$WALL s, $(awk -v s="$WALL" -v n="$count" 'BEGIN { printf "%.2f", 1000 * s / n }') ms for each, $PEAK KiB"
    upkeep_row "inventory, $count images" "$count" "$STILLAGE" inventory -r "$reg"
    rm -rf "$T/far" "$T/all.tar"
}

upkeep_at() {
    local reg=$1 count=$2
    upkeep_row "verify --full, $count images" "$count" "$STILLAGE" verify -q --full -r "$reg"
    timed sh -c "find '$reg/store' -type f -print0 | xargs -0 -P $(nproc) -n 1000 openssl dgst -sha256"
    row "openssl dgst on $(nproc) cores" "$WALL s: verify --full takes $(ratio "$(<"$T/one")" "$WALL") times that"
    upkeep_row "verify --quick, $count images" "$count" "$STILLAGE" verify -q --quick -r "$reg"
    upkeep_row "gc, nothing to free, $count images" "$count" "$STILLAGE" gc -q -r "$reg"
    upkeep_export "$reg" "$count"
    upkeep_bundle "$reg" "$count"
    shrink "$reg" many 10
    timed "$STILLAGE" gc -q --grace 0s -r "$reg"
    row "gc, a tenth to free, $count images" "$WALL s, $(awk -v s="$WALL" -v n="$count" 'BEGIN { printf "%.2f", 1000 * s / n }') ms for each, $PEAK KiB"
}

# The longest that an image took to push, while gc works without pause on a registry with garbage, and without it.
upkeep_push() {
    local alone beside runs=0 pushes=$((IMAGES * 2))
    export STILLAGE_REGISTRY=$T/reg
    start_responder 8
    start_nginx "$T/reg" --push "fastcgi:$SOCKET" --cgi "$STILLAGE_CGI"
    "$LOAD" images "$URL" "$pushes" 4 >"$T/alone"
    shrink "$T/reg" load 1
    sleep 2 # older than the grace period below
    "$LOAD" images "$URL" "$pushes" 4 >"$T/beside" &
    local pusher=$!
    while kill -0 "$pusher" 2>/dev/null; do
        "$STILLAGE" gc -q --grace 2s -r "$T/reg" && runs=$((runs + 1))
    done
    wait "$pusher"
    alone=$(jq -r .longest <"$T/alone") beside=$(jq -r .longest <"$T/beside")
    row 'longest push of an image, alone' "$alone s, $(jq -r .per_second <"$T/alone") images/s"
    row "the same while gc runs, $runs times" "$beside s, $(jq -r .per_second <"$T/beside") images/s: $(ratio "$beside" "$alone") times"
    stop "$SERVER"
}

bench_upkeep() {
    heading 'upkeep: what must grow with the registry, and not faster'
    local count=0 target
    "$STILLAGE" init -q "$T/reg"
    for target in $SWEEP; do
        grow "$T/reg" "$count" "$target"
        count=$target
        upkeep_at "$T/reg" "$count"
    done
    upkeep_push
    rm -rf "$T/reg"
}
