# shellcheck shell=bash
# Sourced by bench.sh: what one repository costs with more and more tags, a registry with more and more repositories, and one
# with more and more blobs; plotted, if gnuplot is there. BENCH_TAGS, BENCH_REPOSITORIES and BENCH_BLOBS change how many.

# grow_tags REG FROM TO: tags of one image, put there as lib/LAYOUT.md has it, because that is faster; the list is for verify to
# make.
grow_tags() {
    # shellcheck disable=SC2016
    perl -e '
        my ($reg, $from, $to) = @ARGV;
        my $folder = "$reg/www/v2/app/manifests";
        my $digest = readlink "$folder/v1" or die "$folder/v1: $!";
        symlink($digest, "$folder/t$_") or die "t$_: $!" for $from .. $to - 1;' "$@"
    "$STILLAGE" verify -q --quick --repair -r "$1" >/dev/null
}

# growth_figure WHAT SIZE COMMAND...: the median of seven, in milliseconds, in $T/growth
growth_figure() {
    local what=$1 size=$2 run from
    shift 2
    for run in 1 2 3 4 5 6 7; do
        from=${EPOCHREALTIME/./}
        "$@" >"$T/log/growth"
        echo "$((${EPOCHREALTIME/./} - from))"
    done >"$T/times"    # no pipe: in a subshell, `http` would start a curl for each
    median <"$T/times" | awk -v w="$what" -v n="$size" '{ printf "%s\t%s\t%.1f\n", w, n, $1 / 1000 }' >>"$T/growth"
}

# growth_table OF: what is in $T/growth, printed, in build/bench/growth-OF.tsv, and plotted beside it.
growth_table() {
    local what wanted to=$TOP/build/bench/growth-$1
    mapfile -t wanted < <(cut -f 1 "$T/growth" | awk '!seen[$0]++')
    cp "$T/growth" "$to.tsv"
    printf '  %-12s' "$1"
    cut -f 2 "$T/growth" | awk '!seen[$0]++ { printf "%10s", $0 }'
    for what in "${wanted[@]}"; do
        printf '\n  %-12s' "$what"
        awk -F '\t' -v w="$what" '$1 == w { printf "%10.1f", $3 }' "$T/growth"
    done
    echo
    if have gnuplot; then
        gnuplot <<END
set terminal svg size 800,500
set output "$to.svg"
set logscale xy
set xlabel "$1"
set ylabel "milliseconds"
set key left top
plot for [what in "${wanted[*]}"] sprintf("< awk -F '\t' '\$1 == \"%s\"' '$to.tsv'", what) using 2:3 with linespoints title what
END
        row 'plotted' "${to#"$TOP/"}.svg"
    else
        row 'not plotted' 'gnuplot is not installed'
    fi
}

# Each call sets another tag, or removes one of those.
next_tag() { "$STILLAGE" tag -q -r "$1" app:v1 "next-${EPOCHREALTIME/./}"; }
push_tag() {
    http PUT "/v2/app/manifests/next-${EPOCHREALTIME/./}" -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' \
        --data-binary @"$T/manifest"
    [ "$STATUS" = 201 ]
}
last_tag() {
    local list
    list=$(<"$1/www/v2/app/tags/list")
    list=${list#*\"next-}
    "$STILLAGE" rm -q -r "$1" "app:next-${list%%\"*}"
}

bench_growth() {
    heading 'growth: one repository with so many tags, milliseconds for one command or push'
    local reg=$T/grown have=0 target sizes what
    read -ra sizes <<<"${BENCH_TAGS:-10 1000 10000 100000}"
    "$STILLAGE" init -q "$reg"
    layout "$T/small" 2 4096
    "$STILLAGE" add -q -r "$reg" "oci:$T/small" app:v1
    cp "$reg"/www/v2/app/_manifests/*/*/sha256:* "$T/manifest"
    REG=$reg start_responder 2
    start_nginx "$reg" --push "fastcgi:$SOCKET"
    : >"$T/growth"
    for target in "${sizes[@]}"; do
        grow_tags "$reg" "$have" "$target"
        have=$target
        sync -f "$reg"
        growth_figure push "$target" push_tag
        growth_figure tag "$target" next_tag "$reg"
        growth_figure rm "$target" last_tag "$reg"
        growth_figure ls "$target" "$STILLAGE" ls -r "$reg" app
        growth_figure verify "$target" "$STILLAGE" verify -q --quick -r "$reg"
        growth_figure gc "$target" "$STILLAGE" gc -q -r "$reg"
    done
    growth_table tags
    for what in push tag rm; do
        mapfile -t figures < <(awk -F '\t' -v w="$what" '$1 == w { print $3 }' "$T/growth")
        keep "growth, $what, fewest tags of most" "${figures[0]}" "${figures[-1]}"
    done
    stop "$SERVER"
    rm -rf "$reg" "$T/small"
}

# grow_repositories REG FROM TO: each with the image of app, as lib/LAYOUT.md has it; the catalog at the end.
grow_repositories() {
    # shellcheck disable=SC2016
    perl -e '
        my ($reg, $from, $to) = @ARGV;
        my $v2 = "$reg/www/v2";
        my $digest = readlink "$v2/app/manifests/v1" or die "v1: $!";
        my $file = readlink "$v2/app/manifests/$digest" or die "$digest: $!";
        $file =~ s{^\.\./}{};
        my ($type) = $file =~ m{^_manifests/([^/]+)/};
        my ($folder) = $file =~ m{^(.*)/};
        sub slurp { local (@ARGV, $/) = @_; <> }
        sub put { my ($path, $text) = @_; open my $f, ">", $path or die "$path: $!"; print $f $text }
        my $text = slurp("$v2/app/$file");
        opendir my $d, "$v2/app/blobs" or die $!;
        my @blobs = grep { /:/ } readdir $d;
        for my $name (map { sprintf "r%06d", $_ } $from .. $to - 1) {
            my $repo = "$v2/$name";
            for ("", "/_manifests", "/_manifests/$type", "/$folder", "/manifests", "/blobs", "/referrers", "/tags") {
                mkdir "$repo$_" or die "$repo$_: $!";
            }
            put("$repo/$file", $text);
            symlink "../$file", "$repo/manifests/$digest" or die $!;
            symlink $digest, "$repo/manifests/v1" or die $!;
            put("$repo/tags/list", "{\"name\":\"$name\",\"tags\":[\"v1\"]}\n");
            link "$v2/app/blobs/$_", "$repo/blobs/$_" or put("$repo/blobs/$_", slurp("$v2/app/blobs/$_")) for @blobs;
        }
        opendir $d, $v2 or die $!;
        my @names = sort grep { /^[a-z]/ } readdir $d;
        put("$v2/_catalog", "{\"repositories\":[" . join(",", map { "\"$_\"" } @names) . "]}\n");
        ' "$@"
}

# A repository that was not there.
push_new() { "$STILLAGE" add -q -r "$1" "oci:$T/small" "new${EPOCHREALTIME/./}:v1"; }

measure_repositories() { # REG SIZE
    growth_figure add "$2" push_new "$1"
    growth_figure ls "$2" "$STILLAGE" ls -r "$1"
    growth_figure access "$2" "$STILLAGE" access apply -r "$1"
    growth_figure verify "$2" "$STILLAGE" verify -q --quick -r "$1"
    growth_figure gc "$2" "$STILLAGE" gc -q -r "$1"
}

# grow_blobs REG FROM TO: blobs of a few bytes, which no manifest refers to and which are too young for gc to take.
grow_blobs() {
    # shellcheck disable=SC2016
    perl -MDigest::SHA=sha256_hex -e '
        my ($reg, $from, $to) = @ARGV;
        for my $text ($from .. $to - 1) {
            my $hex = sha256_hex($text);
            my $folder = "$reg/store/sha256/" . substr $hex, 0, 2;
            mkdir $folder;
            open my $f, ">", "$folder/$hex" or die "$folder/$hex: $!";
            print $f $text;
            close $f;
            link "$folder/$hex", "$reg/www/v2/app/blobs/sha256:$hex" or die "$hex: $!";
        }' "$@"
}

measure_blobs() { # REG SIZE
    growth_figure add "$2" push_new "$1"
    growth_figure tag "$2" next_tag "$1"
    growth_figure verify "$2" "$STILLAGE" verify -q --quick -r "$1"
    growth_figure gc "$2" "$STILLAGE" gc -q -r "$1"
}

# grow_and_measure WHAT HEADING SIZE...: grow_WHAT makes so many, measure_WHAT takes the figures
grow_and_measure() {
    local what=$1 reg=$T/grown have=0 target
    heading "growth: $2, milliseconds for one command"
    "$STILLAGE" init -q "$reg"
    layout "$T/small" 2 4096
    "$STILLAGE" add -q -r "$reg" "oci:$T/small" app:v1
    : >"$T/growth"
    for target in "${@:3}"; do
        "grow_$what" "$reg" "$have" "$target"
        have=$target
        sync -f "$reg"
        "measure_$what" "$reg" "$target"
    done
    growth_table "$what"
    rm -rf "$reg" "$T/small"
}

bench_growth_repositories() {
    # shellcheck disable=SC2086   # sizes
    grow_and_measure repositories 'a registry with so many repositories' ${BENCH_REPOSITORIES:-10 1000 20000}
}
bench_growth_blobs() {
    # shellcheck disable=SC2086   # sizes
    grow_and_measure blobs 'a repository with so many blobs' ${BENCH_BLOBS:-10 10000 200000}
}
