#!/bin/bash
# shellcheck disable=SC2015,SC2034  # meant so in each place
# stillage snapshot: the state of all tags, kept and brought back.
. "$(dirname "$0")/gc-common.sh"

tags() { jq -r '.tags | join(" ")' "$REG/www/v2/$1/tags/list"; }
resolves() { readlink "$REG/www/v2/$1/manifests/$2"; }
# state: what every tag of every repository points to, and what the lists say
state() { (cd "$REG/www/v2" && find . -path '*/manifests/*' ! -name '*:*' -printf '%P %l\n' | sort && find . -name list -exec cat {} + | sort && cat _catalog); }
for n in 1 2 3 4; do image "$T/i$n" "image $n" shared; done

fill() { # REGISTRY.YAML LINE...
    make_registry "$@"
    push app v1 "$T/i1"
    push app v2 "$T/i2"
    push lib/x latest "$T/i1"
    push_index multi v1 "$T/index" "$T/i1" "$T/i2"
    EXTRA="{\"subject\":$(descriptor "$T/i1" $MANIFEST)}" image "$T/sig" signature
    push multi @ "$T/sig"
    push multi @ "$T/i3"
}

# ---- making and listing ------------------------------------------------------------------------------------------

fill 'trash: {keep: 0s}'
before=$(state)
ok_run 'a snapshot' stillage snapshot create one
is "$(<"$T/.out")" 'one: 4 tags of 3 repositories' 'says what is in it'
is "$(state)" "$before" 'and changes nothing'
fails_with 1 "there is a snapshot 'one' already" stillage snapshot create one
fails_with 2 'the name of a snapshot has the form of a tag' stillage snapshot create ../x
ok_run 'one called after the time' stillage snapshot create
like "$(<"$T/.out")" '^20[0-9]{6}T[0-9]{6}Z: ' 'is'
is "$(stillage snapshot ls --json | jq -r '.[1] | "\(.name) \(.repositories) \(.tags) \(.manifests)"')" 'one 3 4 7' 'the list'
is "$(stillage snapshot ls one)" "app:v1  $(digest "$T/i1")
app:v2  $(digest "$T/i2")
lib/x:latest  $(digest "$T/i1")
multi:v1  $(digest "$T/index")" 'and the tags in one'
is "$(find "$REG/snapshots/one/multi" -name 'sha256*' | wc -l)" 4 'what no tag leads to is not in it'
comm -12 <(find "$REG/www" -type f -printf '%i\n' | sort) <(find "$REG/snapshots" -type f -printf '%i\n' | sort) >"$T/shared"
is "$(<"$T/shared")" '' 'no file of it is one of www/, which stillage.cgi writes to'
is "$(find "$REG/snapshots" -type f -links 1)" '' 'what two snapshots have, they share'
stillage snapshot rm -q "$(stillage snapshot ls --json | jq -r '.[0].name')"
is "$(stillage snapshot ls --json | jq length)" 1 'rm forgets one'
fails_with 1 "there is no snapshot 'none'" stillage snapshot rm none
fails_with 1 "there is no snapshot 'none'" stillage snapshot restore none
fails_with 2 'give create' stillage snapshot
all_well 'and all is well'

for name in c a d b; do stillage snapshot create -q "$name"; done
is "$(stillage snapshot ls -j | jq -r '.[].name' | xargs)" 'a b c d one' 'the list is sorted'
is "$(stillage snapshot ls | sed 's/.*  \([^ ]*\): .*/\1/' | xargs)" 'a b c d one' 'for people, too'
for name in a b c d; do stillage snapshot rm -q "$name"; done

# ---- keeping and restoring ---------------------------------------------------------------------------------------

push app v1 "$T/i3"
push app v3 "$T/i4"
stillage rm -q lib/x multi:v1 app:v2 "app@$(digest "$T/i2")"
for file in index i1 i2 sig; do stillage rm -q "multi@$(digest "$T/$file")"; done
for grace in 0s 0s; do ok_run 'gc' stillage gc -q --grace "$grace"; done
all_well 'in order'
is "$(where multi "$(digest "$T/sig.0")") $(where lib/x "$(digest "$T/i1.0")")" 'repo store trash store' 'keeps what the snapshot needs'
ok_run 'restoring one repository' stillage snapshot restore one app
is "$(tags app) $(resolves app v1) $(resolves app v2)" "v1 v2 $(digest "$T/i1") $(digest "$T/i2")" 'makes its tags what they were'
ok_run 'no other is touched' test ! -e "$REG/www/v2/lib/x"
ok_run 'restoring all' stillage snapshot restore one
is "$(state)" "$before" 'makes all tags what they were'
for file in index i1 i2 sig; do ok_run "with $file" test -e "$REG/www/v2/multi/manifests/$(digest "$T/$file")"; done
all_well 'and all is well'
ok_run 'again' stillage snapshot restore one
is "$(state)" "$before" 'changes nothing'
push app v9 "$T/i4"
ok_run 'with --keep' stillage snapshot restore --keep one app
is "$(tags app)" 'v1 v2 v9' 'what is new stays'
stillage snapshot rm -q one
stillage rm -q lib/x
stillage gc -q --grace 0s
is "$(where lib/x "$(digest "$T/i1.0")")" 'store' 'without the snapshot gc takes what it kept'
fails_with 1 "there is no snapshot 'one'" stillage snapshot restore one
all_well 'and all is well'

fill 'trash: {keep: 1h}' 'immutable: [{tags: [v1]}]' 'apache: true'
stillage verify -q --repair >/dev/null
stillage snapshot create -q one
push app new "$T/i4"
printf 'version: 1\napache: true\ntrash: {keep: 1h}\n' >"$REG/registry.yaml"
push app v1 "$T/i4"
printf 'version: 1\napache: true\ntrash: {keep: 1h}\nimmutable: [{tags: [v1]}]\n' >"$REG/registry.yaml"
fails_with 1 'v1' stillage snapshot restore one app
is "$(tags app) $(resolves app v1)" "new v1 v2 $(digest "$T/i4")" 'immutable tags do not move, and no other either'
ok_run 'unless forced' stillage snapshot restore --force one app
is "$(tags app) $(resolves app v1) $(cut -d' ' -f2 "$REG/www/v2/app/_refs/v1")" "v1 v2 $(digest "$T/i1") $(digest "$T/i1")" 'then they do'
all_well 'for Apache, too'
ok_run 'what restoring removed' stillage restore app:new
is "$(tags app)" 'new v1 v2' 'can be had back'

# ---- interrupted -------------------------------------------------------------------------------------------------

restored_by_the_next() {
    in_order --repair
    stillage gc -q --grace 0s || wrong gc
    stillage snapshot restore -q one 2>"$T/err" || wrong "$(<"$T/err")"
    [ "$(state)" = "$before" ] || wrong 'not restored'
    in_order
}
if can_kill; then
    fill 'trash: {keep: 0s}'
    stillage snapshot create -q one
    before=$(state)
    push app v1 "$T/i3"
    push app new "$T/i3"
    stillage rm -q "multi@$(digest "$T/index")" "multi@$(digest "$T/i1")" lib/x
    stillage gc -q --grace 0s
    cp -a "$REG" "$T/changed"
    for what in restore\ one create\ two; do
        rm -rf "$REG"
        cp -a "$T/changed" "$REG"
        # shellcheck disable=SC2086
        killed_at_many restored_by_the_next snapshot -q $what
        is "$WRONG" '' "snapshot $what: killed at many a change, and finished by the next call"
    done
else
    skip 2 'no strace here' 'interrupted'
fi

# ---- what readers see --------------------------------------------------------------------------------------------

fill
for n in {1..40}; do stillage tag -q app:v1 "t$n"; done
stillage snapshot create -q one
for n in {1..40}; do stillage tag -q app:v2 "t$n"; done
stillage snapshot create -q two
# Reads all 40 tags over and over; a torn state is one in which they do not all agree before and after.
cat >"$T/reader.pl" <<'END'
my ($dir, $stop, $seen) = @ARGV;
my ($rounds, $torn, $switches, $last) = (0, 0, 0, '');
until (-e $stop) {
    # One descriptor of the folder is one state, as one path lookup is for a web server.
    opendir(my $d, $dir) or die $!;
    chdir $d or die $!;
    my %seen;
    $seen{readlink("t$_") // 'missing'}++ for 1 .. 40;
    my ($first) = keys %seen;
    $torn++ if keys %seen > 1 && !$seen{missing};
    if ($first ne $last && ++$switches == 6) { open(my $f, '>', $seen) or die $! }
    $last = $first;
    $rounds++;
}
print "$rounds $torn $switches\n";
END
seen=0
spawn reader perl "$T/reader.pl" "$REG/www/v2/app/manifests" "$T/stop" "$T/seen"
for ((n = 0; n < 20 || n < 1000 && !seen; n++)); do
    [ ! -e "$T/seen" ] || seen=1
    stillage snapshot restore -q one app
    stillage snapshot restore -q two app
done
touch "$T/stop"
wait "${PID_OF[reader]}"
read -r rounds torn switches <"$T/log/reader"
note "$rounds rounds of reading, $switches states"
is "$torn" 0 'nobody ever saw some tags before and some after'
if [ "$switches" -gt 5 ]; then pass 'while they changed'; else fail 'while they changed' "$switches switches"; fi

# A push that comes in between is not lost.
worker() {
    local i
    for ((i = 0; i < 30; i++)); do
        push app "w$i" "$T/i3" && [ -L "$REG/www/v2/app/manifests/$(digest "$T/i3")" ] || exit 1
        if ! push multi "w$i" "$T/i4" || [ ! -L "$REG/www/v2/multi/manifests/w$i" ]; then echo "w$i"; exit 1; fi
    done
}
export -f worker push blob put request digest stillage diag
export T REG MANIFEST INDEX STILLAGE STILLAGE_CGI
spawn worker bash -Euo pipefail -c worker
while running "${PID_OF[worker]}"; do
    stillage snapshot restore -q one app
    stillage snapshot create -q "s$EPOCHREALTIME"
done
rc=0
wait "${PID_OF[worker]}" || rc=$?
is "$rc $(<"$T/log/worker")" '0 ' 'pushes go on while snapshots are made and restored'
all_well 'and all is well'
done_testing
