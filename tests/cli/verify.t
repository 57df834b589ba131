#!/bin/bash
# stillage verify: finds each kind of damage, mends what can be derived, and raises no false alarm.
. "$(dirname "$0")/../lib.sh"

GOOD=$T/good
REG=$T/reg
multi=$(cached multi) artifact=$(cached artifact)

add() { "$STILLAGE" add -q -r "$@"; }

make_good() {
    "$STILLAGE" init -q --apache "$GOOD"
    add "$GOOD" "oci:$(cached busybox)" lib/busybox:v1 lib/busybox/nested:v1
    add "$GOOD" "oci:$multi" lib/multi:latest
    add "$GOOD" "oci:$artifact:v1" app:v1
    add "$GOOD" "oci:$(cached artifact512)" app512:v512
}

# A fresh copy, with its hard links, damaged by a command that runs inside it.
break_copy() {
    rm -rf "$REG"
    cp -a "$GOOD" "$REG"
    (cd "$REG" && eval "$1")
}

# reported KIND PATH [REPAIRED]: whether the last --json report has that problem
reported() {
    jq -e --arg kind "$1" --arg path "$2" --argjson repaired "${3:-false}" \
        'any(.problems[]; .kind == $kind and (.path | test($path)) and .repaired == $repaired)' "$T/.out" >/dev/null
}

# found DESCRIPTION KIND PATH COMMAND [OPTION...]: the damage is named, and the exit status is 1
found() {
    local what=$1 kind=$2 path=$3 command=$4
    shift 4
    break_copy "$command"
    capture "$STILLAGE" verify -r "$REG" --json "${@:---quick}"
    if [ "$RC" -eq 1 ] && reported "$kind" "$path"; then pass "$what: found"
    else fail "$what: found" "status $RC" "$(head -c 1500 "$T/.out")" "$(<"$T/.err")"; fi
}

# mended DESCRIPTION KIND PATH COMMAND: found; --repair says so, and makes the tree what it was before
mended() {
    found "$@"
    capture "$STILLAGE" verify -r "$REG" --json --quick --repair
    if [ "$RC" -eq 0 ] && reported "$2" "$3" true; then pass "$1: repaired"
    else fail "$1: repaired" "status $RC" "$(head -c 1500 "$T/.out")" "$(<"$T/.err")"; fi
    (cd "$REG" && eval "${after:-:}")
    is "$(fingerprint "$REG")" "$WHOLE" "$1: as before"
}

digest_of() { "$STILLAGE" show -r "$GOOD" --json "$1" | jq -r .digest; }

make_good
ok_run 'a registry that was just filled is in order' "$STILLAGE" verify -r "$GOOD"
like "$(<"$T/.out")" 'verified 5 repositories, 5 tags, .* all in order' 'and verify says what it looked at'
WHOLE=$(fingerprint "$GOOD")
BUSYBOX=$(digest_of lib/busybox:v1)
MULTI=$(digest_of lib/multi:latest)
APP=$(digest_of app:v1)
LAYER=$("$STILLAGE" show -r "$GOOD" --json lib/busybox:v1 | jq -r '.layers[0].digest')
STORED=store/sha256/${LAYER:7:2}/${LAYER:7}

# ---- derived files -----------------------------------------------------------------------------------------------

mended 'a list of tags that is missing' tags-list '^www/v2/app/tags/list$' 'rm www/v2/app/tags/list'
mended 'a list of tags with a tag too many' tags-list 'lib/multi/tags/list$' \
    'sed -i "s/\"latest\"/\"latest\",\"zzz\"/" www/v2/lib/multi/tags/list'
mended 'a list of tags that is garbage' tags-list 'app/tags/list$' 'head -c 100 /dev/urandom >www/v2/app/tags/list'
mended 'a catalog without a name' catalog '^www/v2/_catalog$' 'sed -i "s/\"app\",//" www/v2/_catalog'
mended 'a catalog with a name too many' catalog '^www/v2/_catalog$' 'sed -i "s/\"app\"/\"aaa\",&/" www/v2/_catalog'
mended 'a catalog out of order' catalog '^www/v2/_catalog$' 'sed -i "s/\"app\",\"app512\"/\"app512\",\"app\"/" www/v2/_catalog'
mended 'an empty catalog' catalog '^www/v2/_catalog$' ': >www/v2/_catalog'
mended 'a list of referrers that is missing' referrers "app/referrers/$APP" "rm www/v2/app/referrers/$APP"
mended 'a list of referrers that is garbage' referrers "app/referrers/$APP" "echo '{' >www/v2/app/referrers/$APP"
mended 'a list of referrers with one wrong' referrers "app/referrers/$APP" \
    "sed -i 's/\"size\":[0-9]*/\"size\":1/' www/v2/app/referrers/$APP"
found 'a list of referrers of nothing' referrers "app/referrers/$LAYER" \
    "cp www/v2/app/referrers/$APP www/v2/app/referrers/$LAYER"
mended 'a digest link that is missing' link "busybox/manifests/$BUSYBOX" "rm www/v2/lib/busybox/manifests/$BUSYBOX"
mended 'a digest link that points elsewhere' link "busybox/manifests/$BUSYBOX" \
    "ln -sfn ../_manifests/a/b/$BUSYBOX www/v2/lib/busybox/manifests/$BUSYBOX"
after='rmdir www/v2/lib/multi/_manifests/application/x' mended 'a manifest under a wrong media type' type \
    "_manifests/application/x/$MULTI" "cd www/v2/lib/multi && mkdir _manifests/application/x &&
     mv _manifests/application/*/$MULTI _manifests/application/x && ln -sfn ../_manifests/application/x/$MULTI manifests/$MULTI"
mended 'a file for Apache that is missing' refs 'app/_refs/v1$' 'rm www/v2/app/_refs/v1'
mended 'a file for Apache that is wrong' refs "app/_refs/$APP" "echo no >www/v2/app/_refs/$APP"
mended 'a file for Apache too many' refs 'app/_refs/zzz$' 'cp www/v2/app/_refs/v1 www/v2/app/_refs/zzz'
mended 'a folder that is missing' folder 'multi/referrers$' 'rmdir www/v2/lib/multi/referrers'
mended 'a repository that was left half deleted' folder 'multi/tags$' 'rm -r www/v2/lib/multi/tags'
mended 'the answer to GET /v2/' file '^www/v2/_ping$' 'echo >www/v2/_ping'
mended 'the answer for no referrers' file '^www/v2/_no_referrers$' 'rm www/v2/_no_referrers'
mended 'the folder of the locks' folder '^locks/content$' 'rm -r locks'
mended 'the folder of files that are being written' folder '^tmp$' 'rmdir tmp'
for folder in imports store/sha512 trash; do
    mended "the folder $folder" folder "^$folder\$" "rm -r $folder"
done
mended 'whatever is empty, which a copy left out' folder '^trash$' 'find . -type d -empty -delete'
mended 'the folder of uploads' folder '^uploads$' 'rm -r uploads'
mended 'the page' file '^www/index.html$' 'rm www/index.html'
mended 'a blob that is not linked into its repository' missing-blob "busybox/blobs/$LAYER" "rm www/v2/lib/busybox/blobs/$LAYER"
mended 'a blob that is not in the store' not-in-store "busybox/blobs/$LAYER" "rm $STORED"
mended 'a mode of a file' mode '^www/v2/app/tags/list$' 'chmod 0600 www/v2/app/tags/list'
mended 'a mode of a blob' mode "^$STORED" "chmod 0666 $STORED"
mended 'a mode of a folder' mode '^www/v2/lib/multi$' 'chmod 0700 www/v2/lib/multi'
mended 'a folder that only leads to repositories, closed' mode '^www/v2/lib$' 'chmod 0700 www/v2/lib'
mended 'or open to everybody' mode '^www/v2/lib$' 'chmod 0777 www/v2/lib'
mended 'a file of the page' mode '^www/page.js$' 'chmod 0666 www/page.js'
mended 'what the page shows of all repositories' mode '^www/v2/_details$' 'chmod 0600 www/v2/_details'

# ---- what only a person can put right ----------------------------------------------------------------------------

# stays DESCRIPTION KIND PATH COMMAND: found, and --repair touches nothing
stays() {
    found "$@"
    local before
    before=$(fingerprint "$REG")
    fails_with_report "$1: not repaired" "$2" "$3"
    is "$(fingerprint "$REG")" "$before" "$1: nothing was changed"
}

fails_with_report() {
    capture "$STILLAGE" verify -r "$REG" --json --quick --repair
    if [ "$RC" -eq 1 ] && reported "$2" "$3"; then pass "$1"; else fail "$1" "status $RC" "$(head -c 1500 "$T/.out")"; fi
}

stays 'a foreign file among the repositories' foreign '^www/v2/notes.txt$' 'echo >www/v2/notes.txt'
stays 'a folder that can be no name' foreign '^www/v2/lib/UPPER$' 'mkdir www/v2/lib/UPPER'
stays 'a foreign file in a repository' foreign 'app/README$' 'echo >www/v2/app/README'
stays 'a foreign file among manifests' foreign 'app/manifests/-$' 'echo >www/v2/app/manifests/-'
stays 'a foreign file among media types' foreign 'app/_manifests/x$' 'echo >www/v2/app/_manifests/x'
stays 'a foreign file among blobs' foreign 'app/blobs/x$' 'echo >www/v2/app/blobs/x'
stays 'a foreign file among lists of tags' foreign 'app/tags/x$' 'echo >www/v2/app/tags/x'
stays 'a foreign file among referrers' foreign 'app/referrers/x$' 'echo >www/v2/app/referrers/x'
stays 'a foreign file in the store' foreign "^store/sha256/${LAYER:7:2}/x\$" "echo >store/sha256/${LAYER:7:2}/x"
stays 'a folder for no digest in the store' foreign '^store/sha256/zz$' 'mkdir store/sha256/zz'
stays 'a blob in a wrong folder of the store' foreign "^store/sha256/00/${LAYER:7}" \
    "mkdir -p store/sha256/00 && ln $STORED store/sha256/00/"
stays 'a tag that points to no digest' tag 'app/manifests/bad$' 'ln -s nowhere www/v2/app/manifests/bad'
stays 'a tag whose manifest is missing' tag 'multi/manifests/latest$' \
    "rm www/v2/lib/multi/{manifests,_refs,_manifests/*/*}/$MULTI"
CHILD=$("$STILLAGE" show -r "$GOOD" --json lib/multi:latest | jq -r '.manifests[1].digest')
stays 'a platform that is missing' missing-manifest "multi/manifests/$CHILD" \
    "rm www/v2/lib/multi/manifests/$CHILD www/v2/lib/multi/_manifests/*/*/$CHILD www/v2/lib/multi/_refs/$CHILD"
stays 'a blob that is nowhere' missing-blob "busybox/blobs/$LAYER" \
    "rm $STORED www/v2/lib/busybox/blobs/$LAYER www/v2/lib/busybox/nested/blobs/$LAYER"
like "$(<"$T/.out")" 'and lib/busybox:v1 needs it' 'the image that needs it is named'
stays 'a blob that was cut short' size "busybox/blobs/$LAYER" "truncate -s 0 $STORED"

break_copy ": >registry.yaml; printf 'version: 1\npush: {sparse-indexes: true}\napache: true\n' >registry.yaml
    rm www/v2/lib/multi/manifests/$CHILD www/v2/lib/multi/_manifests/*/*/$CHILD www/v2/lib/multi/_refs/$CHILD"
ok_run 'with sparse-indexes a platform may be missing' "$STILLAGE" verify -r "$REG" --quick

break_copy "ln $STORED mine && touch -d '1 hour ago' mine"
wait_for 5 eval "[ \"\$(stat -c %Z '$REG/mine')\" -lt \"\$(date +%s)\" ]"
ok_run 'a link from outside is no problem' "$STILLAGE" verify -r "$REG" --quick
like "$(<"$T/.out")" "$STORED: has 4 links, and 1 of them" 'but it is noted'

break_copy "cp --remove-destination $STORED www/v2/lib/busybox/blobs/$LAYER"
ok_run 'a copy instead of a link is in order' "$STILLAGE" verify -r "$REG" --quick

# ---- damaged content ---------------------------------------------------------------------------------------------

damage() { printf x | dd of="$1" bs=1 seek=100 conv=notrunc status=none; }

break_copy "damage $STORED"
ok_run '--quick does not read blobs' "$STILLAGE" verify -r "$REG" --quick
found 'a blob whose content has changed' damaged-blob "^$STORED" "damage $STORED" --full
capture "$STILLAGE" verify -r "$REG"
is "$(grep -c "damaged, and lib/busybox" "$T/.out")" 2 'both repositories that have it are named'
capture "$STILLAGE" verify -r "$REG" --repair --json
is "$RC" 1 '--repair cannot make up what is lost'
if reported damaged-blob "^$STORED" true && reported missing-blob "busybox/blobs/$LAYER"; then
    pass 'but moves it away, and says what has to be pushed again'
else fail 'but moves it away, and says what has to be pushed again' "$(<"$T/.out")"; fi
is "$(find "$REG" -name "*${LAYER:7}*" -printf '%P\n')" "trash/damaged/$LAYER" 'out of the store and both repositories'
ok_run 'pushing it again' add "$REG" "oci:$(cached busybox)" lib/busybox:v1 lib/busybox/nested:v1
ok_run 'heals it' "$STILLAGE" verify -r "$REG"

break_copy "cp --remove-destination $STORED www/v2/lib/busybox/blobs/$LAYER; damage www/v2/lib/busybox/blobs/$LAYER"
capture "$STILLAGE" verify -r "$REG" --repair --json
is "$RC" 0 'a damaged copy is replaced by what the store has'
ok_run 'and all is well' "$STILLAGE" verify -r "$REG"

break_copy "cp --remove-destination $STORED www/v2/lib/busybox/blobs/$LAYER; damage $STORED"
capture "$STILLAGE" verify -r "$REG" --repair --json
is "$RC" 0 'the other way round, the copy becomes the store'"'"'s, and every repository'"'"'s'
ok_run 'and everything is well again' "$STILLAGE" verify -r "$REG"

found 'a manifest whose content has changed' damaged-manifest "multi/_manifests/.*/$MULTI" \
    "damage www/v2/lib/multi/manifests/$MULTI"
capture "$STILLAGE" verify -r "$REG" --repair --quick
is "$RC" 1 'it is moved away'
is "$(find "$REG/www" -name "$MULTI" -printf '%P\n')" "" 'out of the repository'
ok_run 'pushing it again' add "$REG" "oci:$multi" lib/multi:latest
ok_run 'heals the manifest' "$STILLAGE" verify -r "$REG"

# ---- while others write ------------------------------------------------------------------------------------------

rm -rf "$REG"
cp -a "$GOOD" "$REG"
churn() {
    local i
    for ((i = 0; ; i++)); do
        add "$REG" "oci:$multi" "busy/$1:v$((i % 3))" busy/shared:latest
        add "$REG" "oci:$artifact:v1" "busy/$1:art" busy/shared:art
        "$STILLAGE" tag -q -r "$REG" "busy/$1:art" "a$i" "b$i"
        "$STILLAGE" rm -q -r "$REG" "busy/$1:a$i" "busy/$1@$APP"
        if ((i % 4 == 3)); then "$STILLAGE" rm -q -r "$REG" "busy/$1"; fi
    done
}
export -f churn add
export STILLAGE REG multi artifact APP
for n in 1 2 3; do spawn "churn$n" bash -c "churn $n"; done
wait_for 20 test -d "$REG/www/v2/busy/3"
alarms=
for n in {1..9}; do
    capture "$STILLAGE" verify -r "$REG" "$( ((n % 3)) && echo --quick || echo --full)"
    [ "$RC" -eq 0 ] || alarms+=$(<"$T/.out")$(<"$T/.err")
done
is "$alarms" '' 'no false alarm in 9 runs while images come and go'
for n in 1 2 3; do if ! alive "churn$n"; then fail "churn $n ended early" "$(<"$T/log/churn$n")"; fi; done
stop_all
ok_run 'afterwards --repair finds nothing that it cannot repair' "$STILLAGE" verify -r "$REG" --repair
ok_run 'and then nothing at all' "$STILLAGE" verify -r "$REG"

fails_with 2 'it takes no argument' "$STILLAGE" verify -r "$REG" x
printf 'version: 1\ngroup: no-such-group\n' >"$REG/registry.yaml"
fails_with 1 "^stillage: $REG/registry.yaml:2: there is no group 'no-such-group' on this machine" "$STILLAGE" verify -r "$REG"
fails_with 1 "^stillage: there is no group 'no-such-group' on this machine" "$STILLAGE" init --group no-such-group "$T/none"
done_testing
