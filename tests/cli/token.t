#!/bin/bash
# stillage token: shown once, stored hashed, listed, removed.
. "$(dirname "$0")/../lib.sh"

REG=$T/reg
"$STILLAGE" init -q "$REG"
export STILLAGE_REGISTRY=$REG

"$STILLAGE" token create --user ci --repository 'team/**' --actions pull,push --expires 90d >"$T/token" 2>"$T/hint"
token=$(<"$T/token")
like "$token" '^stl_[A-Za-z0-9_-]{43}$' 'create prints the token, alone'
like "$(<"$T/hint")" 'only once.*docker login -u ci' '... and tells about it on standard error'
ok "$(grep -rqF -e "${token#stl_}" "$REG" && echo 1 || echo 0)" 'it is nowhere in the registry'
file=$REG/auth/robots/$(printf %s "$token" | sha256sum | cut -c1-64)
ok "$(test -f "$file"; echo $?)" '... but its hash is'
is "$(stat -c '%a' "$file") $(stat -c '%a' "$REG/auth/robots")" '600 700' '... for the account only'

like "$(<"$T/hint")" 'no users and no rules: everybody may do everything' '... and that it guards nothing yet'

"$STILLAGE" token create -q --user ci --repository lib/app --expires never >"$T/other" 2>"$T/err"
is "$(<"$T/err")" '' '--quiet: no hint'
isnt "$(<"$T/other")" "$token" 'each token is another'
"$STILLAGE" token ls -j >"$T/ls"
is "$(jq -c 'length' "$T/ls")" 2 'token ls'
is "$(jq -c '.[] | select(.repository == "team/**") | [.user, .actions, (.expires - .created)]' "$T/ls")" '["ci","pull,push",7776000]' '... with user, actions and 90 days'
is "$(jq -c '.[] | select(.repository == "lib/app") | [.actions, .expires]' "$T/ls")" '["pull",null]' '... pull and no end'
like "$("$STILLAGE" token ls)" 'team/\*\* .*pull,push .*20[0-9]{2}-' '... as text'

"$STILLAGE" token create -q --user ci --repository lib/named --name 'Jenkins, old ä' >"$T/named"
is "$("$STILLAGE" token ls -j | jq -c '.[] | select(.repository == "lib/named") | [.name, .used]')" '["Jenkins, old ä",null]' 'a token has a name, and was never used'
like "$("$STILLAGE" token ls)" 'lib/named .* used never  Jenkins, old ä' '... as text'
"$STILLAGE" token rm -q "$("$STILLAGE" token ls -j | jq -r '.[] | select(.repository == "lib/named").id')"

id=$(jq -r '.[] | select(.repository == "lib/app").id' "$T/ls")
ok_run 'token rm' "$STILLAGE" token rm "${id:0:6}"
is "$("$STILLAGE" token ls -j | jq -r '.[].repository')" 'team/**' '... removes that one'
desc='... once' fails_with 1 'no token' "$STILLAGE" token rm "$id"

refused() { desc="refused: $1" fails_with "$2" "$3" "$STILLAGE" token create "${@:4}"; }
refused 'no user' 2 'needs --user' --repository '**'
refused 'no repository' 2 'needs --user and --repository' --user ci
refused 'an impossible user' 1 'user name' --user 'a b' --repository '**'
refused 'an impossible pattern' 1 'not a pattern' --user ci --repository 'Team/**'
refused 'an unknown action' 2 'not an action' --user ci --repository '**' --actions pull,fly
refused 'no time at all' 2 'not a time' --user ci --repository '**' --expires 0d
refused 'a date' 2 'not a time' --user ci --repository '**' --expires 2027-01-01
refused 'a name of two lines' 1 'one line of at most' --user ci --repository '**' --name $'a\nb'
refused 'a long name' 2 'is too long' --user ci --repository '**' --name "$(printf '%065d' 0)"
refused 'an argument' 2 'give create, ls, or rm' --user ci --repository '**' extra
is "$("$STILLAGE" token ls -j | jq length)" 1 'nothing was made of these'

done_testing
