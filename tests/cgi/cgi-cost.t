#!/bin/bash
# What an operation costs: how many system calls about files it makes, and how often it waits for the disk. Each bound is what
# was measured, and a little more: who exceeds one reads something twice, or syncs what need not be.
. "$(dirname "$0")/cgi-common.sh"
have strace && strace -qq -o /dev/null true 2>/dev/null || skip_all 'strace may not trace'
[ ! "${SANITIZED:-}" ] || skip_all 'sanitizers make calls of their own'

# costs CALLS SYNCS WHAT: of the trace, from where the registry is opened, so that nothing depends on how programs begin
costs() {
    local calls syncs
    read -r calls syncs < <(awk '/registry\.yaml/ { on = 1 } on && !/resumed>/ && /^([0-9]+ +)?[a-z_0-9]+\(/ { calls++ }
        /(fsync|fdatasync|syncfs)\(/ { syncs++ } END { print calls + 0, syncs + 0 }' "$T/trace")
    note "$3: $calls calls, $syncs syncs"
    if [ "$calls" -gt 0 ] && [ "$calls" -le "$1" ]; then pass "$3: at most $1 calls"
    else fail "$3: at most $1 calls" "$calls calls"; fi
    if [ "$syncs" -le "$2" ]; then pass "$3: it waits at most $2 times"
    else fail "$3: it waits at most $2 times" "$syncs times"; fi
}
TRACE=(strace -f -qq -o "$T/trace" -e trace=%file,%desc)
tool() { "${TRACE[@]}" "$STILLAGE" "$@" -r "$REG" -q >"$T/.out" 2>"$T/.err"; }

# request CALLS SYNCS WHAT STATUS COMMAND...
request() {
    RUN_UNDER=("${TRACE[@]}")
    "${@:5}"
    RUN_UNDER=()
    want_status "$4"
    verdict "$3"
    costs "$1" "$2" "$3"
}

# ---- a push --------------------------------------------------------------------------------------------------------

make_registry
push_image app v1 one
echo two >"$T/two"
request 64 0 'a session' 202 cgi POST /v2/app/blobs/uploads/
session=$(location)
request 112 4 'a blob' 201 send "$T/two" PUT "$session?digest=$(digest "$T/two")"
make_image app two
request 155 7 'a manifest with a new tag' 201 put_manifest "$T/image" app v2
request 135 5 'the same again' 201 put_manifest "$T/image" app v2
request 155 5 'a tag that moves' 201 put_manifest "$T/image" app v1
make_image app three
request 127 5 'a manifest without a tag' 201 put_manifest "$T/image" app "$(digest "$T/image")"
put_manifest "$T/image" app v3
request 144 6 'a tag that is deleted' 202 cgi DELETE /v2/app/manifests/v3
request 167 8 'a manifest that is deleted' 202 cgi DELETE "/v2/app/manifests/$(digest "$T/image")"

# ---- the tool ------------------------------------------------------------------------------------------------------

tool export -o "$T/app.tar" app:v1
costs 350 0 export
tool gc
costs 352 1 gc
tool verify
costs 640 1 verify
REG=$T/other
"$STILLAGE" init -q "$REG"
tool import "$T/app.tar"
costs 530 42 import
tool import "$T/app.tar"
costs 190 12 'the same import again'

# ---- much of it -----------------------------------------------------------------------------------------------------

REG=$T/reg
# A push does not look at what else there is, if that is much.
for n in {1..40}; do echo "$n" >"$T/more"; push_blob app "$T/more"; done
make_image app four
request 184 7 'a manifest in a repository with many blobs' 201 put_manifest "$T/image" app v4

# ---- with users ------------------------------------------------------------------------------------------------------

# pushes CALLS SYNCS CALLS SYNCS WHAT SETTING...: a blob, and an image with a new tag, by a user with a token. What the settings
# say of others costs nothing; a project with a quota costs the same however much it holds.
pushes() {
    printf '%s\n' 'version: 1' "${@:6}" >"$REG/registry.yaml"
    cgi GET '/v2/_token?scope=repository:app:pull,push' HTTP_HOST=a REMOTE_ADDR=127.0.0.1 HTTP_AUTHORIZATION='Basic YWxpY2U6cGFzc3dvcmQ='
    BEARER=HTTP_AUTHORIZATION="Bearer $(jq -r .token "$T/b")"
    echo "first $5" >"$T/first"
    send "$T/first" POST "/v2/app/blobs/uploads/?digest=$(digest "$T/first")" "$BEARER"
    echo "blob $5" >"$T/two"
    mkdir -p "$(dirname "$(store_file "$(digest "$T/two")")")"
    request "$1" "$2" "$5: a blob" 201 send "$T/two" POST "/v2/app/blobs/uploads/?digest=$(digest "$T/two")" "$BEARER"
    request "$3" "$4" "$5: a manifest" 201 put_manifest "$T/image" app "w$((++TAGS))" "$BEARER"
}
TAGS=0
push_image app five five
echo password | "$STILLAGE" user add -q -r "$REG" --stdin alice
ALICE='access: [{repository: app, push: [alice]}]'
OTHERS='projects: [{name: other, developer: [bob], quota: {size: 1GB}}]'
PROGRAMS='auth: {user-tokens: 90d, oidc: [{issuer: "https://a.org", audience: a, rules: [{claims: {a: b}, push: [other]}]}]}'
pushes 117 3 200 6 'users' "$ALICE"
pushes 117 3 200 6 'projects of others' "$ALICE" "$OTHERS"
pushes 117 3 200 6 'tokens for programs' "$ALICE" "$PROGRAMS"
pushes 117 3 200 6 'a project' 'projects: [{name: app, developer: [alice]}]'
pushes 150 5 205 8 'a project with a quota' 'projects: [{name: app, developer: [alice], quota: {size: 1GB, tags: 1000}}]'

# Pulls are served by the web server alone, which knows nothing of all this.
serves() {
    printf '%s\n' 'version: 1' 'apache: true' "$@" >"$REG/registry.yaml"
    for server in nginx apache; do "$STILLAGE" config $server -r "$REG" --push fastcgi:/run/stillage.sock || return; done
}
serves "$ALICE" >"$T/users"
serves "$ALICE" "$OTHERS" "$PROGRAMS" >"$T/teams"
same_file "$T/users" "$T/teams" 'a pull costs the same'

done_testing
