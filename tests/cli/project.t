#!/bin/bash
# projects: in registry.yaml: who may do what in them, and what else holds there.
# shellcheck source=tests/cli/project-common.sh
. "$(dirname "$0")/project-common.sh"

settings() { printf '%s\n' 'version: 1' "$@" >"$REG/registry.yaml"; }
make_registry
PROJECTS=(
    'groups: {devs: [dave, dora]}'
    'access:'
    '  - {repository: "**", pull: [root], push: [root], delete: [root], admin: [root]}'
    '  - {repository: "team/special", push: [eve]}'
    'projects:'
    '  - name: team'
    '    admin: [alice]'
    '    maintainer: [mike]'
    '    developer: ["group:devs"]'
    '    guest: [gus]'
    '  - {name: open, visibility: public, developer: [dave]}'
    '  - {name: team/inner, developer: [ines]}'
)
settings "${PROJECTS[@]}"

# The table of roles, and who is none: one line for each user and repository: which of pull push delete admin they may.
while read -r user repository wanted; do
    is "$(may "$user" "$repository")" "$wanted" "$user in $repository: ${wanted:-nothing}"
done <<'END'
alice team/app pu pu de ad
mike team/app pu pu de
dave team/app pu pu
dora team/a/b/c pu pu
gus team/app pu
gus team pu
mike team pu pu de
root team/app
root teams/app pu pu de ad
alice teams/app
anonymous team/app
anonymous open/app pu
anonymous open pu
gus open/app pu
dave open/app pu pu
eve team/special pu pu
dave team/special pu
alice team/special pu de ad
ines team/inner/app pu pu
dave team/inner/app
alice team/inner
END
capture stillage access check dave team/app push
is "$(<"$T/.out")" "allowed: $REG/registry.yaml:7: project \"team\", push: [group:devs, mike, alice]" 'access check names the project and its line'
capture stillage access check gus team/app push
is "$RC $(<"$T/.out")" "1 denied: $REG/registry.yaml:7: project \"team\", push: [group:devs, mike, alice]" '... also what it denies'

# ---- mistakes ----------------------------------------------------------------------------------------------------

while IFS='|' read -r wanted lines; do
    settings "${PROJECTS[@]:0:4}" 'projects:' "$lines"
    desc="registry.yaml: ${lines:0:60}" fails_with 1 "registry.yaml:[0-9]+: $wanted" stillage ls
done <<'END'
there are two projects 'a'|  [{name: a}, {name: a}]
the project has no 'name: NAME'|  [{admin: [x]}]
repository name '.*' is invalid|  [{name: A}]
repository name '.*' is invalid|  [{name: "a/**"}]
public or private is expected|  [{name: a, visibility: maybe}]
there is no group 'none'|  [{name: a, guest: ["group:none"]}]
unknown key|  [{name: a, owner: [x]}]
unknown key|  [{name: a, quota: {blobs: 1}}]
a whole number is expected here|  [{name: a, quota: {tags: -1}}]
a whole number is expected here|  [{name: a, quota: {repositories: many}}]
a size such as 4MiB or 10GB is expected here|  [{name: a, quota: {size: x}}]
prune: 'b/x' is not in the project 'a'|  [{name: a, prune: [{repository: b/x, keep-newest: 1}]}]
the rule removes nothing|  [{name: a, prune: [{tags: x}]}]
an absolute path is expected here|  [{name: a, hooks: {before-manifest: scan}}]
time-limit may be 1s to 1h|  [{name: a, hooks: {time-limit: 0s}}]
END
settings 'access:' '  - {repository: "a/**", pull: [x]}' 'projects: [{name: a}]'
desc='a rule for the same repositories' fails_with 1 "registry.yaml:3: there is a project 'a', at line 4: say there who may do what" stillage ls

# ---- what else holds there ---------------------------------------------------------------------------------------

image "$T/i1" one
image "$T/i2" two
settings 'projects:' '  - {name: team, immutable: ["v*"], prune: [{tags: ["pr-*"], keep-newest: 0}]}' \
    'prune: [{keep-newest: 5, tags: ["pr-*", "x*"]}]'
"$STILLAGE" access apply -q -r "$REG"
sed -i 's/^projects:/access: [{repository: "**", push: [anonymous], pull: [anonymous]}]\n&/; s/name: team,/name: team, developer: [anonymous],/' "$REG/registry.yaml"
for name in team team/app teams; do
    for tag in v1 pr-1; do push $name $tag "$T/i1"; done
    touch -h -d '3 days ago' "$REG/www/v2/$name/manifests/"*
done
is "$(put team/app v1 "$T/i2" 2>"$T/err") $(put team v1 "$T/i2") $(put teams v1 "$T/i2")" '404 404 404' 'the other image is not there yet'
for name in team team/app teams; do push $name x1 "$T/i2"; done
is "$(put team/app v1 "$T/i2") $(put team v1 "$T/i2") $(put teams v1 "$T/i2")" '403 403 201' 'immutable tags'
is "$(stillage prune --json | jq -r '.[] | select(.remove and .tag) | .name' | sort | tr '\n' ' ')" 'team team/app ' "prune: a project's rules"
is "$(stillage prune --grace 0s --json | jq -r '.[] | select(.tag == "x1") | .why' | sort -u)" 'one of the newest 5' '... and then those for all'
all_well 'all is well'

# ---- the quota of all of it --------------------------------------------------------------------------------------

# bytes NAME SIZE: a file of so many bytes that nothing else has
bytes() { head -c "$2" /dev/zero | tr '\0' x >"$T/$1"; printf %s "$1" | dd of="$T/$1" conv=notrunc status=none; }
blob_status() { request POST "/v2/$1/blobs/uploads/?digest=$(digest "$T/$2")" "$T/$2"; }
mounted() { request POST "/v2/$1/blobs/uploads/?mount=$(digest "$T/$2")&from=$3" </dev/null; }
held() { stillage project ls --json | jq -r '.[] | select(.name == "team").size'; }
counted() { cut -d' ' -f1 "$REG/log/quota/team/count"; }
# aged: the count was made some time ago
aged() { sed -i -E 's/^(([-0-9]+ ){3})[0-9]+/\11/' "$REG/log/quota/team/count"; }
# miscounted FIELD NUMBER: bytes, tags and repositories are fields 1, 2 and 3
miscounted() { awk -v f="$1" -v n="$2" '{ $f = n; print }' "$REG/log/quota/team/count" >"$T/count"; cat "$T/count" >"$REG/log/quota/team/count"; }
OPEN='access: [{repository: "**", push: [anonymous], delete: [anonymous]}]'
MEMBERS='developer: [anonymous], maintainer: [anonymous]'
make_registry "$OPEN" 'push: {delete-blobs: true}' 'projects:' "  - {name: team, $MEMBERS, quota: {size: 1000}}" "  - {name: team/own, $MEMBERS}"
for n in 1 2 3 4; do bytes b$n 400; done
is "$(blob_status team/a b1) $(blob_status team/b b2) $(counted) $(held)" '201 201 800 800' 'blobs of two repositories count together'
is "$(blob_status team b3)" 403 'what does not fit is refused'
is "$(find "$REG/store" -name "$(digest "$T/b3" | cut -c8-)")" '' '... and its bytes are not kept'
is "$(blob_status team/b b1) $(mounted team/c b1 team/a) $(counted)" '201 201 800' 'what another repository has counts once'
is "$(blob_status team/own b3) $(blob_status teams b3) $(counted)" '201 201 800' 'elsewhere, also in a project within it, there is room'
is "$(mounted team/a b3 teams)" 403 'a mount from elsewhere does not fit either'
bytes small 200
is "$(blob_status team/a small) $(counted)" '201 1000' 'up to the last byte'
is "$(request DELETE "/v2/team/a/blobs/$(digest "$T/small")") $(counted)" '202 1000' 'what is removed stays counted'
bytes other 200
is "$(blob_status team/a other) $(counted)" '201 1000' '... until there is no room without it'
is "$(blob_status team/a small)" 403 '... and then it is gone'
request DELETE "/v2/team/a/blobs/$(digest "$T/other")" >"$T/status"
stillage gc -q --grace 0s
is "$(counted) $(held)" '0 0' 'gc counts anew'
is "$(find "$REG/log/quota/team" -type l)" '' '... and forgets what is gone'
is "$(blob_status team/a b1) $(blob_status team/a b2)" '201 201' 'there is room again'
all_well 'all is well'
miscounted 1 1
capture stillage verify
like "$RC $(<"$T/.out")" '^1 log/quota: the count of project team is 1 bytes, but it has 800' 'verify: counted too little'
ok_run '... repairs it' stillage verify --repair
is "$(counted)" 800 '... by counting'
for damage in '' x '-5 1' '1 1 1 1' '-5 0 0 1 x'; do
    echo "$damage" >"$REG/log/quota/team/count"
    is "$(blob_status team/a b3) $(counted)" '403 800' "a count that is '$damage' is made anew"
done
rm -r "$REG/log/quota"
is "$(blob_status team/a b3) $(counted)" '403 800' 'so is one that is not there'
rm -r "$REG/log/quota"
for n in 1 2 3 4 5 6 7 8; do bytes p$n 100; done
pids=()
for n in 1 2 3 4 5 6 7 8; do blob_status "team/p$n" p$n >"$T/p$n.status" & pids+=($!); done
wait "${pids[@]}"
is "$(cat "$T"/p?.status | sort | uniq -c | tr -s ' \n' ' ')" ' 2 201 6 403 ' 'of many at once, so many as fit'
is "$(counted) $(held)" '1000 1000' '... and no byte more'
like "$(stillage project ls)" $'^team  private  1.0 kB of 1.0 kB, 0 tags, 9 repositories\n  maintainer  anonymous\n  developer   anonymous\nteam/own  private  0 B, 0 tags, 0 rep' 'project ls'
mkdir -pm 700 "$REG/auth/projects"
echo '{' >"$REG/auth/projects/team"
for form in '' --json; do
    desc="project ls $form with a damaged list of members" fails_with 1 "auth/projects/team: " stillage project ls $form
done
rm "$REG/auth/projects/team"
fails_with 2 'give ls' stillage project
desc='add' fails_with 1 "exceed the quota: project 'team' has room for 0 more" stillage add "oci:$(cached hello)" team/new:v1
ok_run '... elsewhere there is room' stillage add -q "oci:$(cached hello)" team/own:v1
ok_run '... or with --force' stillage add -q --force "oci:$(cached hello)" team/new:v1
all_well 'all is well'

# ---- tags and repositories ---------------------------------------------------------------------------------------

quota() { make_registry "$OPEN" 'projects:' "  - {name: team, $MEMBERS, quota: {$1}}" "  - {name: team/own, $MEMBERS}"; }
put_status() { put "$1" "$2" "$T/i1"; }
quota 'tags: 3'
for name in team/a team/b team/own; do push $name v1 "$T/i1"; done
is "$(put_status team/a v2) $(put_status team/b v2) $(cut -d' ' -f2 "$REG/log/quota/team/count")" '201 403 3' 'tags of two repositories count together'
is "$(put_status team/a v2) $(put_status team/b v1) $(put_status team/own v2)" '201 201 201' 'a tag that is there may be set, and others elsewhere'
is "$(put team/b "$(digest "$T/i1")" "$T/i1")" 201 '... and manifests without tags come'
desc='add' fails_with 1 "the quota is reached: project 'team' has 3 tags and may have 3" stillage add "oci:$(cached hello)" team/c:v1
desc='tag' fails_with 1 "the quota is reached: project 'team' has 3 tags" stillage tag team/a:v1 v3
ok_run 'a tag that is removed makes room' stillage rm -q team/a:v2
is "$(put_status team/b v2) $(put_status team/b v3)" '201 403' '... for one'
miscounted 2 1
capture stillage verify
like "$RC $(<"$T/.out")" '^1 log/quota: the count of project team is 1 tags, but it has 3' 'verify: too few tags counted'
ok_run '... repairs it' stillage verify --repair
is "$(put_status team/b v3)" 403 '... by counting'
miscounted 2 9
is "$(put_status team/b v3)" 403 'if too many are counted'
all_well '... verify says nothing'
ok_run '... gc counts anew' stillage gc -q
is "$(cut -d' ' -f2 "$REG/log/quota/team/count")" 3 '... all of them'
pids=()
stillage rm -q team/b:v2
for n in 1 2 3 4 5 6; do put_status team/a p$n >"$T/p$n.status" & pids+=($!); done
wait "${pids[@]}"
is "$(cat "$T"/p[1-6].status | sort | uniq -c | tr -s ' \n' ' ')" ' 1 201 5 403 ' 'of many at once, one gets the last'
all_well 'all is well'

quota 'repositories: 2'
is "$(blob_status team/a b1) $(blob_status team/b b1) $(blob_status team/c b1) $(blob_status team/own b1)" '201 201 403 201' 'repositories are counted'
is "$(blob_status team/b b2) $(mounted team/c b1 team/a)" '201 403' '... but not twice'
desc='create' fails_with 1 "the quota is reached: project 'team' has 2 repositories and may have 2" stillage repo create team/c
ok_run 'one that is deleted makes room' stillage rm -q team/b
ok_run '... for another' stillage repo create -q team/c
is "$(blob_status team/b b1)" 403 '... and no more'
settings "$OPEN" 'projects:' "  - {name: team, $MEMBERS, quota: {repositories: 3}}"
is "$(blob_status team/b b1)" 403 'what another project had counts when that is gone'
settings "$OPEN" 'projects:' "  - {name: team, $MEMBERS}"
is "$(blob_status team/d b1) $(blob_status team/e b1)" '201 201' 'without a quota'
settings "$OPEN" 'projects:' "  - {name: team, $MEMBERS, quota: {repositories: 4}}"
is "$(blob_status team/f b1)" 403 '... what comes counts when there is one again'
all_well 'all is well'

done_testing
