# shellcheck shell=bash
# Repositories as things of their own through a web server: who may create, describe, delete and restore, attempt by attempt.
# repos-nginx.t and repos-apache.t set KIND and source this.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

: "${KIND:?}"
have "$([ "$KIND" = apache ] && echo apache2 || echo "$KIND")" || skip_all "$KIND is not installed"
[ -x "$STILLAGE_CGI" ] || skip_all "$STILLAGE_CGI is not built"

REG=$T/reg
export STILLAGE_REGISTRY=$REG
flags=()
[ "$KIND" != apache ] || flags=(--apache)
"$STILLAGE" init -q "${flags[@]}" "$REG"
for name in alice bob carol; do echo "$name-password" | "$STILLAGE" user add -q --stdin $name 2>/dev/null; done
cat >>"$REG/registry.yaml" <<'END'
access:
  - {repository: "team/**", push: [bob], delete: [bob], admin: [alice]}
  - {repository: "team/strict/**", admin: []}
  - {repository: "shut/**", pull: [user], admin: [alice]}
quotas:
  - {repository: "team/**", size: 9MB, tags: 3}
END
"$STILLAGE" add -q "oci:$(cached hello)" team/app:v1 team/app:v2
start_with_responder "$KIND" 2

# as USER METHOD PATH [BODY [CURL ARGUMENT...]]: with a password, as `nobody` without one
as() {
    local user=$1 method=$2 path=$3 body=${4:-} how=()
    shift 3
    [ $# -eq 0 ] || shift
    [ "$user" = nobody ] || how+=(-u "$user:$user-password")
    [ -z "$body" ] || how+=(--data-binary "$body")
    ask "$method" "$path" "${how[@]}" "$@"
}

# ---- the table ---------------------------------------------------------------------------------------------------
#
# Each line: METHOD PATH BODY, then what alice (admin), bob (push), carol (a user without rights) and nobody get.

attempts() {
    cat <<'END'
PUT    /v2/team/new/tags/_about        {"description":"New"}        201 403 403 401
PUT    /v2/team/new/tags/_about        {}                           409 403 403 401
PATCH  /v2/team/new/tags/_about        {"description":"Changed"}    200 403 403 401
GET    /v2/team/new/tags/_about        -                            200 200 403 401
GET    /v2/team/new/tags/_trash        -                            403 200 403 401
PUT    /v2/team/new/tags/_trash        {"tags":["v1"]}              403 404 403 401
DELETE /v2/team/new/tags/_about        -                            202 403 403 401
PUT    /v2/team/strict/x/tags/_about   {}                           403 403 403 401
PUT    /v2/other/tags/_about           {}                           403 403 403 401
PATCH  /v2/other/tags/_about           {}                           403 403 403 401
DELETE /v2/other/tags/_about           -                            403 403 403 401
DELETE /v2/team/none/tags/_about       -                            404 403 403 401
PATCH  /v2/team/none/tags/_about       {"description":"x"}          404 403 403 401
PUT    /v2/shut/x/tags/_about          {"visibility":"public"}      409 403 403 401
PUT    /v2/team/bad/tags/_about        {"visibility":"open"}        400 403 403 401
PUT    /v2/team/bad/tags/_about        {"description":7}            400 403 403 401
PUT    /v2/team/bad/tags/_about        {"description":"a\nb"}       400 403 403 401
PUT    /v2/team/bad/tags/_about        no-json                      400 403 403 401
POST   /v2/team/bad/tags/_about        {}                           405 405 405 405
PUT    /v2/team/../x/tags/_about       {}                           4.. 4.. 4.. 4..
PUT    /v2/team/_x/tags/_about         {}                           40[04] 40[04] 40[04] 40[04]
PUT    /v2/tags/_about                 {}                           40[04] 40[04] 40[04] 40[04]
PUT    /v2/_about                      {}                           405 405 405 405
GET    /v2/_about                      -                            200 200 200 401
END
}

while read -r method path body wanted; do
    [ "$body" != - ] || body=''
    read -ra statuses <<<"$wanted"
    users=(nobody carol bob alice)
    for i in 0 1 2 3; do
        as "${users[i]}" "$method" "$path" "$body"
        want_status "${statuses[3 - i]}"
        [[ $STATUS != 401 ]] || want_header_like www-authenticate '^Bearer realm='
        verdict "${users[i]}: $method $path $body"
    done
done < <(attempts)
is "$(jq -c .repositories "$REG/www/v2/_catalog")" '["team/app"]' 'nothing is left of all this'

# ---- what alice does ---------------------------------------------------------------------------------------------

as alice PUT /v2/team/web/tags/_about '{"description":"<script>alert(1)</script>","visibility":"public"}'
want_status 201
want_json '.name == "team/web" and .visibility == "public" and .decidedBy == "repository" and .quota == {"size": 9000000, "tags": 3} and .may == ["pull", "admin"]'
want_header content-type application/json
want_header cache-control no-store
verdict 'create, with all there is to say of it'
as nobody GET /v2/team/web/tags/list
want_status 200
want_json '.tags == []'
verdict 'a public repository can be read by everybody at once'
as nobody GET /v2/team/web/tags/_about
want_status 200
want_json '.description == "<script>alert(1)</script>" and .may == ["pull"] and (has("decidedBy") or has("size") | not)'
verdict '... and what it says of itself'
as carol GET /v2/_catalog
want_json '.repositories == ["team/web"]'
verdict 'it is in the list of who may see nothing else'
as alice PATCH /v2/team/web/tags/_about '{"visibility":"private"}'
want_status 200
want_json '.visibility == "private" and .description == "<script>alert(1)</script>"'
verdict 'private'
as nobody GET /v2/team/web/tags/list
want_error 401 UNAUTHORIZED
verdict '... at once'
as alice GET /v2/_about
want_json '.create == ["team/**", "shut/**"]'
verdict 'alice learns where she may create repositories'
for user in bob carol; do
    as $user GET /v2/_about
    want_json '.create == []'
    verdict "... and $user that there is no such place"
done

# ---- tokens ------------------------------------------------------------------------------------------------------

# token USER SCOPE
token() { curl -ksS -G -u "$1:$1-password" --data-urlencode "scope=$2" "$URL/v2/_token" | jq -r .token; }
PULL=$(token alice repository:team/web:pull) ADMIN=$(token alice repository:team/web:admin)
ask PATCH /v2/team/web/tags/_about --data-binary '{"description":"by token"}' -H "Authorization: Bearer $PULL"
want_status 401
want_header_like www-authenticate 'scope="repository:team/web:admin"'
verdict 'a token to pull does not administer'
ask PATCH /v2/team/web/tags/_about --data-binary '{"description":"by token"}' -H "Authorization: Bearer $ADMIN"
want_status 200
verdict 'one to administer does'
ask PUT /v2/team/more/tags/_about --data-binary '{}' -H "Authorization: Bearer $ADMIN"
want_status 401
verdict '... this repository and no other'
ROBOT=$("$STILLAGE" token create -q --user alice --repository 'team/ci/**' --actions pull,admin)
ask PUT /v2/team/ci/x/tags/_about -u "alice:$ROBOT" --data-binary '{}'
want_status 201
verdict "a robot's token administers what it is for"
ask PUT /v2/team/ci2/tags/_about -u "alice:$ROBOT" --data-binary '{}'
want_status 403
verdict '... and nothing else'
ask PUT /v2/team/cors/tags/_about -u alice:alice-password --data-binary '{}' -H 'Origin: https://evil.example' -H 'Sec-Fetch-Site: cross-site'
want_no_header access-control-allow-origin
verdict 'another site is told nothing'
ask OPTIONS /v2/team/cors/tags/_about -H 'Origin: https://evil.example' -H 'Access-Control-Request-Method: PUT'
want_status 405
want_no_header access-control-allow-origin
want_no_header access-control-allow-methods
verdict '... and its browser, which asks before, to leave it'

# ---- the trash ---------------------------------------------------------------------------------------------------

as bob DELETE /v2/team/app/manifests/v1
want_status 202
verdict 'a tag is deleted'
as bob GET /v2/team/app/tags/_trash
want_json '[.tags[] | .tag] == ["v1"] and (.tags[0].digest | startswith("sha256:")) and .tags[0].deleted > 1600000000'
verdict 'it is in the trash'
as bob PUT /v2/team/app/tags/_trash '{"tags":["v2"]}'
want_error 404 MANIFEST_UNKNOWN
verdict 'another is not'
for body in '{"tags":"v1"}' '{}' '[]' '{"tags":[7]}' '{"tags":["a b"]}' "{\"tags\":[$(printf '"x",%.0s' {1..100})\"x\"]}" "$(printf 'x%.0s' {1..70000})"; do
    as bob PUT /v2/team/app/tags/_trash "$body"
    want_status '400|413'
    verdict "restore: ${body:0:30}"
done
as bob PUT /v2/team/app/tags/_trash '{"tags":["v1"]}'
want_status 204
verdict 'it is restored'
as bob GET /v2/team/app/tags/list
want_json '.tags == ["v1", "v2"]'
verdict '... and there'
is "$(jq -r '.events[0] | select(.action == "push" and .target.tag == "v1") | .actor.name // "-"' "$REG/log/events.jsonl" | tail -n 1)" bob 'the log of events says who did'
as alice DELETE /v2/team/app/tags/_about
want_status 202
verdict 'a whole repository is deleted'
is "$("$STILLAGE" repo ls --json | jq -c '[.[].name]')" '["team/ci/x","team/cors","team/web"]' '... and gone'
is "$(jq -r '.events[0] | select(.action == "create" or (.action == "delete" and .target.tag == null)) | "\(.actor.name) \(.action) \(.target.repository)"' "$REG/log/events.jsonl" | tail -n 1)" 'alice delete team/app' 'the log says by whom'

printf 'push:\n  delete-tags: false\n' >>"$REG/registry.yaml"
as alice DELETE /v2/team/web/tags/_about
want_error 405 UNSUPPORTED
verdict 'nor can it be deleted where tags cannot'
"$STILLAGE" freeze -q
as alice PUT /v2/team/frozen/tags/_about '{}'
want_status 503
verdict 'frozen: nothing is created'
"$STILLAGE" thaw -q
ok_run 'verify finds nothing wrong' "$STILLAGE" verify

# ---- a server that only reads ------------------------------------------------------------------------------------

"$STILLAGE" init -q "${flags[@]}" "$T/open"
"$STILLAGE" repo create -q -r "$T/open" lib/app --description 'By file'
"$STILLAGE" add -q -r "$T/open" "oci:$(cached hello)" lib/other:v1
"start_$KIND" "$T/open"
ask GET /v2/lib/app/tags/_about
want_status 200
want_header content-type application/json
want_json '.description == "By file"'
verdict 'without stillage.cgi, the file is the answer'
for path in /v2/lib/other/tags/_about /v2/lib/none/tags/_about /v2/lib/app/tags/_trash /v2/_about; do
    ask GET "$path"
    want_status 404
    verdict "... and there is no $path"
done
for method in PUT PATCH DELETE; do
    ask $method /v2/lib/app/tags/_about
    want_status 405
    verdict "... nor $method"
done
done_testing
