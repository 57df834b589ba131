#!/bin/bash
# projects: in registry.yaml: who may do what in them, and what else holds there.
. "$(dirname "$0")/gc-common.sh"

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
may() {
    local action text=
    for action in pull push delete admin; do
        if "$STILLAGE" access check -q -r "$REG" "$1" "$2" $action 2>>"$T/notes"; then text+="${action:0:2} "; fi
    done
    printf '%s' "${text% }"
}
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
prune: 'b/x' is not in the project 'a'|  [{name: a, prune: [{repository: b/x, keep-newest: 1}]}]
the rule removes nothing|  [{name: a, prune: [{tags: x}]}]
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

done_testing
