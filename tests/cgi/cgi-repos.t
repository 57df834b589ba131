#!/bin/bash
# stillage.cgi and repositories as things of their own: pushes to what does not exist, and the address at which they are made.
. "$(dirname "$0")/cgi-common.sh"

make_registry 'auto-create: false'
"$STILLAGE" repo create -q -r "$REG" team/app

# ---- auto-create: false ------------------------------------------------------------------------------------------

push_image team/app v1 one
is "$STATUS" 201 'a repository that was created can be pushed to'
unknown() { want_error 404 NAME_UNKNOWN; [[ $(jq -r '.errors[0].message' <"$T/b") == *"stillage repo create $1"* ]] || wrong 'the message does not say what to do'; }
cgi POST /v2/team/new/blobs/uploads/ </dev/null
unknown team/new; verdict 'an upload to another'
send "$T/layer" POST "/v2/team/new/blobs/uploads/?digest=$(digest "$T/layer")"
unknown team/new; verdict 'a blob in one piece'
cgi POST "/v2/team/new/blobs/uploads/?mount=$(digest "$T/layer")&from=team/app" </dev/null
unknown team/new; verdict 'a mount'
put_manifest "$T/image" team/new v1
unknown team/new; verdict 'a manifest'
new_session team/app
"$STILLAGE" rm -q -r "$REG" team/app
stream "$T/layer" PATCH "$SESSION"
unknown team/app; verdict 'an upload that goes on after its repository was removed'
cgi DELETE "$SESSION"
want_status 204; verdict '... can still be cancelled'
cgi GET /v2/team/new/tags/list
want_error 404 NAME_UNKNOWN; verdict 'reading is as ever'
is "$(find "$REG/www/v2" -mindepth 1 -maxdepth 1 -type d)" '' 'nothing of all this has made a folder'
configure
push_image team/new v1 one
is "$STATUS" 201 'without the setting, a push makes its repository'
"$STILLAGE" repo create -q -r "$REG" empty
cgi GET /v2/_catalog
is "$(jq -c .repositories "$T/b")" '["empty","team/new"]' 'an empty repository is in the catalog'
cgi GET /v2/empty/tags/list
is "$STATUS $(jq -c . "$T/b")" '200 {"name":"empty","tags":[]}' '... and has no tags'
done_testing
