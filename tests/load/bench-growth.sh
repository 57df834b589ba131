# shellcheck shell=bash
# Sourced by bench.sh: what one repository costs with more and more tags. BENCH_TAGS changes how many.

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

# growth_figure WHAT COMMAND...: the median of seven, in milliseconds, in $T/growth
growth_figure() {
    local what=$1 run from
    shift
    for run in 1 2 3 4 5 6 7; do
        from=${EPOCHREALTIME/./}
        "$@" >"$T/log/growth"
        echo "$((${EPOCHREALTIME/./} - from))"
    done >"$T/times"    # no pipe: in a subshell, `http` would start a curl for each
    median <"$T/times" | awk -v w="$what" '{ printf "%s\t%.1f\n", w, $1 / 1000 }' >>"$T/growth"
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
        growth_figure push push_tag
        growth_figure tag next_tag "$reg"
        growth_figure rm last_tag "$reg"
        growth_figure ls "$STILLAGE" ls -r "$reg" app
        growth_figure verify "$STILLAGE" verify -q --quick -r "$reg"
        growth_figure gc "$STILLAGE" gc -q -r "$reg"
    done
    printf '  %-10s' tags
    printf '%10s' "${sizes[@]}"
    for what in push tag rm ls verify gc; do
        mapfile -t figures < <(awk -F '\t' -v w="$what" '$1 == w { print $2 }' "$T/growth")
        printf '\n  %-10s' "$what"
        printf '%10.1f' "${figures[@]}"
        case $what in push | tag | rm) keep "growth, $what, fewest tags of most" "${figures[0]}" "${figures[-1]}" ;; esac
    done
    echo
    stop "$SERVER"
    rm -rf "$reg" "$T/small"
}
