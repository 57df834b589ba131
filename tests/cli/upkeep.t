#!/bin/bash
# What gc and verify promise about time and company: whom they hold up, how their cost grows, that they are seen to work.
TMPDIR=${ON_DISK:-${TMPDIR:-/tmp}} # on a real disk
. "$(dirname "$0")/gc-common.sh"

image "$T/a" base one
image "$T/b" base two

# generate REPOSITORIES MANIFESTS: a registry in which each manifest has a blob of its own, and as many have no manifest.
generate() {
    make_registry 'trash: {keep: 0s}'
    perl -MDigest::SHA=sha256_hex -MFile::Path=make_path -e '
        my ($reg, $type, $repos, $manifests) = @ARGV;
        sub put { my ($path, $text) = @_; open(my $f, ">", $path) or die "$path: $!"; print $f $text; close $f }
        sub blob {
            my ($repo, $text) = @_;
            my $hex = sha256_hex($text);
            my $dir = "$reg/store/sha256/" . substr($hex, 0, 2);
            mkdir $dir;
            put("$dir/$hex", $text);
            link("$dir/$hex", "$repo/blobs/sha256:$hex") or die $!;
            return $hex;
        }
        my @names = map { sprintf "r%05d", $_ } 1 .. $repos;
        for my $name (@names) {
            my $repo = "$reg/www/v2/$name";
            make_path(map { "$repo/$_" } "_manifests/$type", qw(manifests blobs referrers tags));
            for my $n (1 .. $manifests) {
                blob($repo, "garbage $name $n");
                my $hex = blob($repo, "content $name $n");
                my $text = sprintf q({"schemaVersion":2,"mediaType":"%s","config":{"mediaType":"a/b","digest":"sha256:%s","size":%d},"layers":[]}),
                    $type, $hex, length "content $name $n";
                my $digest = "sha256:" . sha256_hex($text);
                put("$repo/_manifests/$type/$digest", $text);
                symlink("../_manifests/$type/$digest", "$repo/manifests/$digest") or die $!;
            }
            put("$repo/tags/list", qq({"name":"$name","tags":[]}\n));
        }
        put("$reg/www/v2/_catalog", qq({"repositories":[) . join(",", map { qq("$_") } @names) . qq(]}\n));
    ' "$REG" "$MANIFEST" "$1" "$2"
}

# ---- how the cost grows ------------------------------------------------------------------------------------------

if can_kill; then
    # calls COMMAND...: how many system calls it makes
    calls() { strace -f -qq -o "$T/calls" "$STILLAGE" "$1" -r "$REG" "${@:2}" >/dev/null && wc -l <"$T/calls"; }
    for shape in '30 4' '1 120'; do
        read -r repos manifests <<<"$shape"
        generate "$repos" "$manifests"
        [ "$repos" -gt 1 ] || all_well 'what is generated here is a registry in order'
        verify_one=$(calls verify --quick)
        one=$(calls gc --grace 0s)
        if [ "$repos" -gt 1 ]; then repos=$((2 * repos)); else manifests=$((2 * manifests)); fi
        generate "$repos" "$manifests"
        verify_two=$(calls verify --quick)
        two=$(calls gc --grace 0s)
        note "gc: $one and $two calls, verify: $verify_one and $verify_two calls"
        if [ "$two" -le $((one * 21 / 10)) ]; then pass "gc of twice as much takes twice the steps ($shape)"
        else fail "gc of twice as much takes twice the steps ($shape)" "$one and $two calls"; fi
        if [ "$verify_two" -le $((verify_one * 21 / 10)) ]; then pass 'and so does verify'
        else fail 'and so does verify' "$verify_one and $verify_two calls"; fi
        is "$(find "$REG/store" -type f | wc -l)" "$((repos * manifests))" 'gc has taken what no manifest names'
    done

    # ---- whose turn it is ----------------------------------------------------------------------------------------

    make_registry 'trash: {keep: 0s}'
    for name in a b; do
        push $name v1 "$T/a"
        for n in 1 2 3; do echo "$name $n" >"$T/garbage"; blob $name "$T/garbage" >/dev/null; done
    done
    for file in "$T"/b.[0-9]; do for name in a b; do blob $name "$file" >/dev/null; done; done
    put a v2 "$T/b" >/dev/null
    put b v2 "$T/b" >/dev/null
    age
    held() { ! flock -n -s "$REG/locks/content/$1" true; }
    garbage() { printf '%s %s\n' "$1" "$2" | sha256sum | cut -d' ' -f1; }
    # gc stops behind each name that it moves, and goes on when it is told to.
    : >"$T/steps"
    spawn slow strace -f -qq -o "$T/steps" -e trace=renameat,renameat2 -e inject=renameat,renameat2:signal=STOP \
        "$STILLAGE" gc -r "$REG" --grace 1s
    has_stopped() { [ "$(grep -c 'stopped by SIGSTOP' "$T/steps")" -gt "$1" ]; }
    go_on() { pkill -CONT -P "${PID_OF[slow]}" -x stillage; }
    step() { local n; n=$(grep -c 'stopped by SIGSTOP' "$T/steps") || :; go_on; wait_for 20 has_stopped "$n"; }
    wait_for 20 has_stopped 0
    until held a; do step; done
    pass 'gc takes its time with one repository'
    is "$(put b v3 "$T/b")" 201 'a push to another'
    if held a; then pass 'is not held up by that'; else fail 'is not held up by that'; fi
    put a v3 "$T/b" >"$T/put" &
    push=$!
    while held a; do step; done
    wait "$push"
    is "$(<"$T/put")" 201 'one to this repository'
    left=0
    for n in 1 2 3; do ! in_repo b "sha256:$(garbage b $n)" || left=$((left + 1)); done
    isnt "$left" 0 'waits for its turn, and not for the end'
    ends() { go_on; ! running "${PID_OF[slow]}"; }
    wait_for 60 ends || true
    wait "${PID_OF[slow]}" && rc=0 || rc=$?
    is "$rc" 0 'gc comes to its end'
    all_well 'and all is well'
else
    skip 13 'no strace here' 'cost and turns'
fi

# ---- tokens whose time is over -----------------------------------------------------------------------------------

make_registry
now=$((EPOCHSECONDS / 100))
mkdir -p "$REG/auth/tokens/$((now - 20))/dead/pull" "$REG/auth/tokens/$((now + 20))/live/pull"
ok_run 'gc' stillage gc
is "$(ls "$REG/auth/tokens")" "$((now + 20))" 'removes tokens whose time is over, and no other'

# ---- in company --------------------------------------------------------------------------------------------------

make_registry 'trash: {keep: 0s}'
for n in 1 2 3; do image "$T/i$n" shared "image $n"; push carried/app "v$n" "$T/i$n"; done
ok_run 'a bundle' stillage export --all -o "$T/bundle.tar"
stillage rm -q carried/app
push steady v1 "$T/a"
push steady v2 "$T/b"
start_nginx "$REG"
importer() {
    local n
    for ((n = 0; ; n++)); do
        [ ! -e "$T/stop" ] || exit 0
        stillage import -q --prefix "imp$((n % 2))" "$T/bundle.tar" || { echo 'import failed'; exit 1; }
        for tag in v1 v2 v3; do pull "imp$((n % 2))/carried/app" $tag || exit 1; done
        stillage rm -q "imp$((n % 2))/carried/app"
        echo $n >"$T/imports"
    done
}
pull() {
    local blob f=$T/pulled.$BASHPID
    curl -sf -o "$f" "$URL/v2/$1/manifests/$2" || { echo "no $1:$2"; return 1; }
    for blob in $(jq -r '.config.digest, .layers[].digest' "$f"); do
        [ "$(curl -sf "$URL/v2/$1/blobs/$blob" | sha256sum | cut -d' ' -f1)" = "${blob#*:}" ] || { echo "$1:$2 lacks $blob"; return 1; }
    done
}
puller() { while [ ! -e "$T/stop" ]; do pull steady v1 && pull steady v2 || exit 1; done; }
export -f importer puller pull stillage
export T REG URL STILLAGE
spawn importer bash -c importer
spawn puller bash -c puller
trouble='' runs=0
end=$((SECONDS + ${SOAK:-8}))
until [ "$SECONDS" -ge "$end" ] && [ -e "$T/imports" ]; do
    capture stillage gc --grace 1s
    [ "$RC" -eq 0 ] || trouble+="gc: $(<"$T/.err") "
    runs=$((runs + 1))
    alive importer && alive puller || break
done
for n in importer puller; do alive $n || trouble+="$n: $(<"$T/log/$n") "; done
touch "$T/stop"
for n in importer puller; do wait "${PID_OF[$n]}" || trouble+="$n: $(<"$T/log/$n") "; done
note "$runs runs of gc, $(cat "$T/imports" 2>/dev/null || true) imports"
is "$trouble" '' 'imports and pulls go on while gc runs all the time'
all_well 'and all is well'

# ---- verify at work ----------------------------------------------------------------------------------------------

make_registry
push app v1 "$T/a"
for n in 1 2; do
    truncate -s $((300000000 + n)) "$T/large"
    blob app "$T/large" >/dev/null
done
rm "$T/large"
if have script; then
    script -qec "'$STILLAGE' verify -r '$REG'" /dev/null </dev/null >"$T/tty" 2>&1 || true
    like "$(tr '\r' '\n' <"$T/tty")" 'verifying [0-9.]+ MB of 600.0 MB, [0-9.]+ [kMG]B/s, [0-9]+:[0-9]{2} left' 'on a terminal verify tells rate and time left'
    like "$(tail -n 1 "$T/tty")" 'all in order' 'and at last what it found'
else
    skip 2 'no script(1) here' 'progress'
fi
if can_kill && [ "$(nproc)" -gt 1 ]; then
    strace -f -qq -o "$T/clones" -e trace=clone,clone3 "$STILLAGE" verify -q -r "$REG"
    is "$(grep -c clone "$T/clones")" "$(($(nproc) - 1))" 'it uses all cores'
    strace -f -qq -o "$T/clones" -e trace=clone,clone3 taskset -c 0 "$STILLAGE" verify -q -r "$REG"
    is "$(grep -c clone "$T/clones" || true)" 0 'that it may use'
else
    skip 2 'no strace, or one core' 'all cores'
fi
if [ "$(id -u)" -eq 0 ]; then
    chown 65534 "$REG/www/v2/app/tags/list"
    capture stillage verify --quick --json
    is "$RC $(jq -r '.problems[] | .kind + " " + .path' "$T/.out")" '1 owner www/v2/app/tags/list' 'it notices files of another account'
else
    skip 1 'not root' 'owner'
fi
done_testing
