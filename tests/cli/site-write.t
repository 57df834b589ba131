#!/bin/bash
# stillage site: what it writes, leaves alone, removes and refuses; killed at any step, what there is can be read, and a repeat
# completes it.
# shellcheck source=tests/cli/gc-common.sh
. "$(dirname "$0")/gc-common.sh"

SITE=$T/site
site() { stillage site -o "$SITE" "$@"; }
# Names, inodes, times.
state() { find "$1" -type f ! -path '*/.stillage/*' -printf '%P %i %T@\n' | sort; }
bytes_of() { (cd "$1" && find . -type f ! -path './.stillage/*' -print0 | sort -z | xargs -0 sha256sum); }
readable() { is "$(python3 "$TESTS/serve/site-closure.py" "${2:-$SITE}" 2>&1)" '' "$1"; }

image "$T/a" base one
image "$T/b" base two
image "$T/c" base three
EXTRA="{\"subject\":$(descriptor "$T/a" "$MANIFEST")}" image "$T/sig" signature

make_registry 'trash: {keep: 0s}'
push lib/app v1 "$T/a"
push lib/app v2 "$T/b"
push lib/app @ "$T/sig"
push_index lib/multi all "$T/index" "$T/a" "$T/b"
push other v1 "$T/b"
touch -h -d @1700000000 "$REG/www/v2/lib/app/manifests/"v[12]
"$STILLAGE" repo set -q -r "$REG" lib/app --description 'The "app"'

# ---- again and again ---------------------------------------------------------------------------------------------

ok_run 'a first copy' site --json
is "$(json '[.host, .unchanged, .removed, .leftOut == []] | tostring')" '["plain",0,0,true]' 'says so'
readable 'all names lead to content'
is "$(find "$SITE" -type l)" '' 'there are no links'
is "$(cat "$SITE/v2/other/tags/list")" "$(cat "$REG/www/v2/other/tags/list")" 'lists are those of the registry'
is "$(cat "$SITE/v2/lib/app/tags/_about") $(find "$SITE" -name _about | wc -l)" '{"description":"The \"app\""} 1' 'and so are descriptions'
is "$(jq -rs 'map([.repository, .tags, .description // ""] | join(" ")) | join(", ")' "$SITE/v2/_details")" 'lib/app 2 The "app", lib/multi 1 , other 1 ' \
    'the page finds them in one file'
is "$(jq -r 'select(.repository == "lib/app") | [.pushed, .size] | join(" ")' "$SITE/v2/_details")" \
    "1700000000 $(cat "$SITE"/v2/lib/app/blobs/* | wc -c)" '... with the last push and the size'
is "$(jq -r 'select(.tag) | [.tag, .digest, .pushed > 0, .size > 0] | join(" ")' "$SITE/v2/lib/app/tags/_details")" \
    "$(printf '%s\n' "v1 $(digest "$T/a") true true" "v2 $(digest "$T/b") true true")" 'and the tags of a repository in another'
is "$(jq -r 'select(.referrer) | .referrer + " of " + .subject' "$SITE/v2/lib/app/tags/_details")" "$(digest "$T/sig") of $(digest "$T/a")" \
    '... with what is attached'
before=$(state "$SITE")
ok_run 'again' site --json
is "$(json '[.written, .removed] | tostring')" '[0,0]' 'writes nothing'
is "$(state "$SITE")" "$before" 'touches nothing'

push lib/app v1 "$T/b"
ok_run 'a tag has moved' site --json
is "$(json '[.written, .bytes, .removed] | tostring')" "[3,$(cat "$SITE/v2/_details" "$SITE/v2/lib/app/tags/_details" | wc -c),0]" 'three files are written'
is "$(diff <(echo "$before") <(state "$SITE") | sed -n 's/^> \([^ ]*\).*/\1/p' || true)" $'v2/_details\nv2/lib/app/manifests/v1\nv2/lib/app/tags/_details' \
    'the tag, and what the page says of it'
is "$(digest "$SITE/v2/lib/app/manifests/v1")" "$(digest "$T/b")" 'and leads to the new one'

stillage rm -q other "lib/app@$(digest "$T/sig")"
push lib/app v3 "$T/c"
ok_run 'more has changed' site --json
is "$(json '.removed')" 10 'what is gone is removed'
ok_run 'down to its folders' test ! -e "$SITE/v2/other"
readable 'names lead to content'
rm -rf "$T/fresh"
ok_run 'a new copy' stillage site -q -o "$T/fresh"
is "$(bytes_of "$SITE")" "$(bytes_of "$T/fresh")" 'is the same'

# ---- what is not ours --------------------------------------------------------------------------------------------

echo mine >"$SITE/index.php"
echo mine >"$SITE/v2/lib/app/blobs/mine"
ok_run 'other files are in the folder' site -q
is "$(cat "$SITE/index.php" "$SITE/v2/lib/app/blobs/mine")" $'mine\nmine' 'they stay'
echo mine >"$SITE/v2/lib/app/manifests/v4"
push lib/app v4 "$T/a"
before=$(state "$SITE")
fails_with 1 'v2/lib/app/manifests/v4 was not made by' site
is "$(state "$SITE")" "$before" 'nothing was changed'
rm "$SITE/v2/lib/app/manifests/v4"
mkdir "$T/full"
touch "$T/full/x"
fails_with 1 "holds 'x' and was not made by" stillage site -o "$T/full"
fails_with 2 'is inside the registry' stillage site -o "$REG/site"
fails_with 2 'Give -o DIR' stillage site
fails_with 2 "--host 'frobnicate' is not known" site --host frobnicate
for host in github gitlab; do
    fails_with 2 "Pages cannot serve images.*these can: plain, nginx.*netlify" stillage site -o "$T/none" --host $host-pages
done
ok_run 'nothing was made' test ! -e "$T/none"
(
    exec 9>>"$SITE/.stillage/lock"
    flock 9
    fails_with 1 "another 'stillage site' is writing" site
)
TAP_COUNT=$((TAP_COUNT + 1))

# ---- what is chosen ----------------------------------------------------------------------------------------------

ok_run 'patterns choose' stillage site -q -o "$T/some" lib/app:v2 'lib/m*'
is "$(jq -c . "$T/some/v2/_catalog" "$T/some/v2/lib/app/tags/list")" \
    '{"repositories":["lib/app","lib/multi"]}'$'\n''{"name":"lib/app","tags":["v2"]}' 'images'
readable 'with all that belongs to them' "$T/some"
is "$(jq -rs 'map(.tag) | join(" ")' "$T/some/v2/lib/app/tags/_details")" v2 'the page hears of nothing else'
rm "$REG/www/v2/lib/app/tags/_details"
ok_run 'a registry without these files' stillage site -q -o "$T/some" --json lib/app:v2 'lib/m*'
is "$(jq -rs 'map([.tag, .mediaType] | join(" ")) | join(" ")' "$T/some/v2/lib/app/tags/_details")" "v2 $MANIFEST" 'has them made for the copy'
stillage verify -q --repair

# ---- the page ----------------------------------------------------------------------------------------------------

ok_run 'as it is' site -q
printf '\211PNG\0one' >"$REG/www/ours.png"
printf 'logo: ours.png\n' >>"$REG/registry.yaml"
ok_run 'a logo' site --json
is "$(json .written)" 1 'is one file more'
same_file "$REG/www/ours.png" "$SITE/ours.png" 'every byte of it'
printf '\211PNG\0two' >"$REG/www/ours.png"
ok_run 'another logo of the same length' site --json
is "$(json .written)" 1 'is seen'
same_file "$REG/www/ours.png" "$SITE/ours.png" 'and is there'
for logo in page.svg inventory.json none.png; do
    sed -i "s/^logo: .*/logo: $logo/" "$REG/registry.yaml"
    ok_run "the logo $logo" site --json
    ok "$([ "$logo" = page.svg ] || [ ! -e "$SITE/$logo" ]; echo $?)" 'is no file of its own'
done
sed -i '/^logo:/d' "$REG/registry.yaml"
fails_with 2 "no image matches 'lib/none'" stillage site -o "$T/some" lib/none
printf '%s\n' 'access:' "  - {repository: '**', pull: [alice]}" '  - {repository: lib/multi, pull: [anonymous]}' >>"$REG/registry.yaml"
ok_run 'rules' site
is "$(cat "$T/.err")" 'stillage: left out, since not everybody may pull them: lib/app' 'what is not public is named'
is "$(jq -c . "$SITE/v2/_catalog")" '{"repositories":["lib/multi"]}' 'and left out'
is "$(find "$SITE/v2/lib/app" -type f)" "$SITE/v2/lib/app/blobs/mine" 'also where it was'
fails_with 2 "matches nothing that is public" stillage site -o "$T/some" lib/app
sed -i '/^access/,$d' "$REG/registry.yaml"

# ---- limits ------------------------------------------------------------------------------------------------------

head -c $((26 << 20)) /dev/zero >"$T/large.1"
blob large "$T/large.1" >/dev/null
printf '{"text":"large"}' >"$T/large.0"
for n in 0 1; do printf '{"mediaType":"application/x","digest":"%s","size":%d}\n' "$(digest "$T/large.$n")" "$(stat -c %s "$T/large.$n")"; done |
    jq -sc --arg type "$MANIFEST" '{schemaVersion: 2, mediaType: $type, config: .[0], layers: .[1:]}' >"$T/large"
push large v1 "$T/large"
fails_with 1 'cloudflare-pages takes files of at most 25 MiB \(https://developers.cloudflare.com.*v2/large/blobs/' \
    stillage site -o "$T/pages" --host cloudflare-pages
"$STILLAGE" tag -q -r "$REG" lib/multi:all $(seq -f 'v%g' 100)
"$STILLAGE" tag -q -r "$REG" "lib/multi@$(digest "$T/a")" other
fails_with 1 'at most 100 rules for headers \(https://developers.cloudflare.com' stillage site -o "$T/pages" --host cloudflare-pages lib/multi
"$STILLAGE" tag -q -r "$REG" lib/app:v1 $(seq -f 'w%g' 100)
ok_run 'images of one type need few rules' stillage site -q -o "$T/pages" --host cloudflare-pages lib/app
is "$(cat "$T/pages/_headers")" "/*
  Content-Security-Policy: frame-ancestors 'none'
  X-Content-Type-Options: nosniff
/v2/*
  Content-Security-Policy: default-src 'none'; frame-ancestors 'none'; sandbox
/v2/lib/app/manifests/*
  Content-Type: $MANIFEST
/v2/lib/app/referrers/*
  Content-Type: $INDEX" 'one for each repository'

# ---- shared with the registry ------------------------------------------------------------------------------------

ok_run 'hard links' stillage site -q -o "$T/linked" --hard-links large
is "$(stat -c %i "$T/linked/v2/large/blobs/$(digest "$T/large.1")")" "$(stat -c %i "$REG/www/v2/large/blobs/$(digest "$T/large.1")")" \
    'are the files of the registry'
is "$(find "$T/linked" -type f -path '*/v2/large/*' -links 1 ! -name list ! -name _details ! -path '*/referrers/*')" '' 'all of them'
stillage rm -q large

# ---- examples/publish --------------------------------------------------------------------------------------------

if have rsync; then
    PATH=$(dirname "$STILLAGE"):$PATH
    ok_run 'web-space.sh' sh "$TOP/examples/publish/web-space.sh" "$REG" "$T/public_html" lib/app
    is "$(bytes_of "$T/public_html")" "$(bytes_of "$REG.site")" 'sends all of it'
    stillage rm -q lib/app:w1
    find "$REG.site" "$T/public_html" -type f -exec touch -d yesterday {} +   # rsync looks at length and second
    ok_run 'and again' sh "$TOP/examples/publish/web-space.sh" "$REG" "$T/public_html" lib/app
    is "$(bytes_of "$T/public_html")" "$(bytes_of "$REG.site")" 'also what is gone'
else skip 4 'rsync is not installed' 'web-space.sh'; fi
mkdir "$T/bin"
# shellcheck disable=SC2016
printf '#!/bin/sh\necho "${0##*/} $*, $(pwd)" >>"%s/said"\n' "$T" | tee "$T/bin/netlify" "$T/bin/wrangler" >"$T/bin/firebase"
chmod +x "$T/bin/"*
for host in netlify cloudflare-pages firebase; do
    PATH=$T/bin:$(dirname "$STILLAGE"):$PATH ok_run "static-host.sh $host" sh "$TOP/examples/publish/static-host.sh" $host "$REG" mine lib/app:v2
    ok_run "and its copy" test -e "$REG.$host/v2/lib/app/manifests/v2"
done
is "$(sed 's/, .*firebase/, FOLDER/; s/, \/[^F]*$//' "$T/said")" "netlify deploy --prod --no-build --site mine --dir $REG.netlify
wrangler pages deploy $REG.cloudflare-pages --project-name mine
firebase deploy --only hosting --project mine, FOLDER" 'uploads it with the host'"'"'s command'

# ---- killed ------------------------------------------------------------------------------------------------------

if have strace && strace -qq -o "$T/trace" true 2>/dev/null; then
    rm -rf "$T/old"
    stillage site -q -o "$T/old" '!lib/multi'
    push lib/app v2 "$T/a"
    stillage rm -q lib/app:v3
    rm -rf "$T/fresh"
    stillage site -q -o "$T/fresh" '!**:w*'
    wanted=$(bytes_of "$T/fresh")
    CALLS=renameat,unlinkat,linkat,mkdirat,write,copy_file_range
    problem='' number=1 kills=0
    for ((; ; number += number < 3 ? 1 : 23)); do
        rm -rf "$SITE" && cp -a "$T/old" "$SITE"
        sh -c '"$@"; exit $?' sh strace -f -qq -o "$T/trace" -e "trace=$CALLS" -e "inject=$CALLS:signal=KILL:when=$number" \
            "$STILLAGE" site -q -r "$REG" -o "$SITE" '!**:w*' >"$T/out" 2>&1 || true
        grep -q SIGKILL "$T/trace" || break
        kills=$((kills + 1))
        problem=$(python3 "$TESTS/serve/site-closure.py" "$SITE" 2>&1)
        [ -z "$problem" ] || break
        stillage site -q -o "$SITE" '!**:w*' || problem='the repeat fails'
        [ "$(bytes_of "$SITE")" = "$wanted" ] || problem="the repeat leaves $(diff <(bytes_of "$SITE") <(echo "$wanted") | head -n 3)"
        [ -z "$problem" ] || break
    done
    is "$problem" '' "killed at $kills of its steps, the copy can be read, and a repeat completes it"
    ok "$([ "$kills" -gt 5 ]; echo $?)" 'and it was killed'
else
    skip 2 'strace may not trace' 'killed'
fi
done_testing
