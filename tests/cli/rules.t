#!/bin/bash
# May this happen? Every way in which something comes into a repository or goes out of it, against every rule of registry.yaml
# that could forbid it: hooks, quotas, immutable tags.
. "$(dirname "$0")/gc-common.sh"

image "$T/a" base one
image "$T/b" base two
A=$(digest "$T/a") B=$(digest "$T/b")
oci_init "$T/layout"
for n in a b; do
    for file in "$T/$n" "$T/$n".[0-9]; do
        digest=$(digest "$file")
        cp "$file" "$(blob_file "$T/layout" "$digest")"
    done
    oci_name "$T/layout" "$(descriptor "$T/$n" $MANIFEST)" "app:$n"
done

# set_rules [LINE...]: what is in the registry stays
set_rules() { printf '%s\n' 'version: 1' "$@" >"$REG/registry.yaml"; }
tagged() { readlink "$REG/www/v2/$1/manifests/$2" || echo none; }
# has NAME DIGEST
has() { [ -e "$REG/www/v2/$1/blobs/$2" ] || [ -e "$REG/www/v2/$1/manifests/$2" ]; }
bad_tags() { find "$REG/www/v2" -path '*/manifests/bad*'; }

# ---- a hook that refuses a tag --------------------------------------------------------------------------------------------

cat >"$T/hook" <<'END'
#!/bin/sh
input=$(cat)
echo "$input" >>"$0.log"
case $input in *\"bad*\"*) echo "no tag may begin with bad"; exit 1 ;; esac
END
cat >"$T/after" <<'END'
#!/bin/sh
cat >>"$0.log"
echo >>"$0.log"
END
chmod 0755 "$T/hook" "$T/after"
HOOKS=("hooks:" "  before-manifest: $T/hook" "  after-manifest: $T/after")
make_registry 'trash: {keep: 7d}'
push app bad "$T/a"
push app good "$T/b"
stillage snapshot create -q bad
stillage export -q app:bad -o "$T/bad.tar"
stillage export -q app:bad --mirror -o "$T/bad.mirror"
stillage rm -q app:bad

set_rules "${HOOKS[@]}" 'gc: {grace: 0s}'
is "$(put app bad1 "$T/a")" 403 'the hook is asked: of a push'
is "$(request PUT "/v2/app/manifests/$A?tag=bad2" "$T/a" $MANIFEST)" 403 'of tags in the query of a push'
NO='no tag may begin with bad'
desc='of tag' fails_with 1 "$NO" stillage tag "app@$B" bad3
desc='of add' fails_with 1 "$NO" stillage add "oci:$T/layout:app:a" app:bad4
desc='of import' fails_with 1 "$NO" stillage import "$T/bad.tar"
stillage import --forget "$(ls "$REG/imports")"
desc='of a mirror' fails_with 1 "$NO" stillage import --mirror "$T/bad.mirror"
stillage import --forget "$(ls "$REG/imports")"
desc='of import, into another repository' fails_with 1 "$NO" stillage import --prefix new "$T/bad.tar"
desc='of restore' fails_with 1 "$NO" stillage restore app:bad
desc='of snapshot restore' fails_with 1 "$NO" stillage snapshot restore bad
is "$(bad_tags)" '' 'and no such tag is there'
is "$(jq -c .tags "$REG/www/v2/app/tags/list")" '["good"]' 'nor in the list'
all_well 'all is in order'
: >"$T/hook.log"
: >"$T/after.log"
ok_run 'what it does not refuse goes on: tag' stillage tag app:good other more
is "$(jq -c '[.action, .tags]' "$T/hook.log")" '["push",["other","more"]]' 'it is asked once for all tags of a manifest'
wait_for 10 test -s "$T/after.log"
is "$(jq -c .tags "$T/after.log")" '["other","more"]' 'and the hook that comes after is told'
stillage rm -q app:other
: >"$T/after.log"
ok_run 'restore of a tag that may be' stillage restore -q app:other
is "$(tagged app other)" "$B" 'which is back'
wait_for 10 test -s "$T/after.log"
stillage snapshot create -q three
stillage rm -q app:more
# The hook may still be writing a line's end.
told() { jq -se 'any(.[]; .tags == ["more"])' "$T/after.log"; }
ok_run 'snapshot restore' stillage snapshot restore -q three app
ok_run 'tells of what has changed' wait_for 10 told
stillage snapshot rm -q three
: >"$T/hook.log"
: >"$T/after.log"
is "$(request POST "/v2/other/blobs/uploads/?mount=$(digest "$T/a.0")&from=app")" 201 'the hook is not asked: of a mount'
ok_run 'of rm' stillage rm app:other
is "$(request DELETE /v2/app/manifests/more)" 202 'of deleting by a client'
ok_run 'of prune' stillage prune --yes --keep-newest 0 --untagged-older 0s
is "$(tagged app good) $(cat "$T/hook.log" "$T/after.log")" 'none ' 'nobody is told of what goes'

# ---- a quota --------------------------------------------------------------------------------------------------------------

head -c 3000 /dev/zero >"$T/small"
head -c 6000 /dev/urandom >"$T/large"
SMALL=$(digest "$T/small") LARGE=$(digest "$T/large")
EXTRA=$(printf '{"layers":[{"mediaType":"application/x","digest":"%s","size":6000}]}' "$LARGE")
image "$T/big" config
jq -c --argjson extra "$EXTRA" '. + $extra' "$T/big" >"$T/big.tmp"
mv "$T/big.tmp" "$T/big"
make_registry 'trash: {keep: 7d}'
blob from "$T/large" >/dev/null
push app v1 "$T/a"
blob app "$T/large" >/dev/null
push app big "$T/big"
stillage snapshot create -q whole
stillage export -q app:big -o "$T/big.tar"
stillage export -q app:big --mirror -o "$T/big.mirror"
for file in "$T/big" "$T/big".[0-9] "$T/large"; do cp "$file" "$(blob_file "$T/layout" "$(digest "$file")")"; done
oci_name "$T/layout" "$(descriptor "$T/big" $MANIFEST)" app:big
is "$(request DELETE "/v2/app/blobs/$LARGE")" 202 'a client deletes a blob, which goes to the trash'
stillage rm -q "app@$(digest "$T/big")"
set_rules 'quotas:' '  - repository: app' '    size: 6000'
is "$(request POST "/v2/app/blobs/uploads/?digest=$SMALL" "$T/small")" 201 'there is room for another'
TOO_MANY='exceed the quota: repository .app. has room for'
is "$(request POST "/v2/app/blobs/uploads/?digest=$LARGE" "$T/large")" 403 'the quota counts: what is pushed'
is "$(request POST "/v2/app/blobs/uploads/?mount=$LARGE&from=from")" 403 'mounted'
is "$(put app big "$T/big")" 403 'called back from the trash by a manifest that names it'
desc='by restore' fails_with 1 "$TOO_MANY" stillage restore app:big
desc='by snapshot restore' fails_with 1 "$TOO_MANY" stillage snapshot restore whole
desc='by import' fails_with 1 "$TOO_MANY" stillage import "$T/big.tar"
desc='by a mirror' fails_with 1 "$TOO_MANY" stillage import --mirror "$T/big.mirror"
desc='by add' fails_with 1 "$TOO_MANY" stillage add "oci:$T/layout:app:big" app:big
is "$(tagged app big)" none 'and no such tag is there'
stillage tag -q app:v1 v2 v3
ok_run 'it stops nothing that goes: rm' stillage rm app:v2
is "$(request DELETE /v2/app/manifests/v3)" 202 'deleting by a client'
ok_run 'gc' stillage gc
has app "$LARGE" && rc=1 || rc=0
ok "$rc" 'and what gc would bring back'
size=$(cat "$REG"/www/v2/app/blobs/* | wc -c)
[ "$size" -le 6000 ] && rc=0 || rc=1
ok "$rc" 'so that there is never more than may be'
set_rules
ok_run 'with room, restore' stillage restore app:big
has app "$LARGE"
ok "$?" 'brings the blob back, too'
all_well 'all is in order'

stillage snapshot create -q two
stillage export -q app --mirror -o "$T/two.mirror"
stillage rm -q app:big
set_rules 'quotas:' '  - repository: app' '    tags: 1'
is "$(put app v2 "$T/a")" 403 'a quota of tags counts: a push'
for try in 'stillage tag app:v1 v2' "stillage add oci:$T/layout:app:big app:v2" 'stillage restore app:big' \
    "stillage import $T/big.tar" "stillage import --mirror $T/two.mirror" 'stillage snapshot restore two'; do
    # shellcheck disable=SC2086
    desc="${try%% /*}" fails_with 1 'may have' $try
done
is "$(jq -c .tags "$REG/www/v2/app/tags/list")" '["v1"]' 'and there are no more than may be'

# ---- immutable tags -------------------------------------------------------------------------------------------------------

make_registry 'trash: {keep: 7d}'
push_index app v1 "$T/index" "$T/a" "$T/b"
push app free "$T/a"
push app v2 "$T/a"
push app moved "$T/b"
push x v1 "$T/b"
stillage snapshot create -q before
stillage export -q x --mirror -o "$T/x.mirror"
stillage rm -q app:moved
push app v3 "$T/b"
stillage rm -q app:v3
push app v3 "$T/a"
set_rules 'immutable:' '  - tags: ["v*"]' 'gc: {grace: 0s}'
INDEX_DIGEST=$(digest "$T/index") CONFIG=$(digest "$T/a.0") LAYER=$(digest "$T/b.1")
STAYS='immutable'
is "$(put app v1 "$T/a")" 403 'an immutable tag does not move: by a push'
desc='tag' fails_with 1 "$STAYS" stillage tag app:free v1
desc='add' fails_with 1 "$STAYS" stillage add "oci:$T/layout:app:a" app:v1
desc='import' fails_with 1 "$STAYS" stillage import --map x=app "$T/x.mirror"
desc='restore' fails_with 1 "$STAYS" stillage restore --force app:v3
is "$(request DELETE /v2/app/manifests/v1)" 403 'nor go: by a client'
desc='with a mirror' fails_with 1 "$STAYS" stillage import --mirror --map x=app "$T/x.mirror"
desc='with snapshot restore' fails_with 1 "$STAYS" stillage snapshot restore before
is "$(request DELETE "/v2/app/manifests/$INDEX_DIGEST")" 403 'with its manifest'
desc='rm' fails_with 1 "$STAYS" stillage rm app:v1
desc='rm of the manifest' fails_with 1 "$STAYS" stillage rm "app@$INDEX_DIGEST"
desc='rm of the repository' fails_with 1 "$STAYS" stillage rm app
ok_run 'prune' stillage prune --yes --keep-newest 0 --untagged-older 0s
is "$(tagged app v1) $(tagged app v2) $(tagged app v3) $(tagged app free)" "$INDEX_DIGEST $A $A none" 'leaves it'
is "$(request DELETE "/v2/app/manifests/$B")" 403 'a child of it does not go: by a client'
desc='rm of a child' fails_with 1 "$STAYS.*needs" stillage rm "app@$B"
is "$(request DELETE "/v2/app/blobs/$CONFIG")" 403 'nor does a configuration'
is "$(request DELETE "/v2/app/blobs/$LAYER")" 403 'or a layer'
is "$(put app "$B" "$T/b" application/vnd.docker.distribution.manifest.v2+json)" 400 'nor does a child get another type'
ok_run 'gc' stillage gc
for digest in "$INDEX_DIGEST" "$A" "$B" "$CONFIG" "$LAYER"; do has app "$digest"; done
ok "$?" 'all that it consists of is there'
all_well 'all is in order'
blob app "$T/small" >/dev/null
is "$(request DELETE "/v2/app/blobs/$SMALL")" 202 'what it does not need may go'
stillage tag -q app:v2 other
is "$(request DELETE /v2/app/manifests/other)" 202 'and other tags'
ok_run 'snapshot restore, where it need not move one' stillage snapshot restore --keep before
is "$(tagged app moved)" "$B" 'moves the others'
ok_run 'and all of it, if forced' stillage rm --force app

done_testing
