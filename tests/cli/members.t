#!/bin/bash
# Members of projects that 'stillage project' and the projects' admins add; and everybody who tries more than they may.
# shellcheck source=tests/cli/project-common.sh
. "$(dirname "$0")/project-common.sh"

make_registry 'access:' '  - {repository: "a/special", push: [eve], admin: [eve]}' 'auth: {user-tokens: 1d}' \
    'projects:' '  - {name: a, admin: [alice], quota: {tags: 50}}' '  - {name: a/b, admin: [anna]}' '  - {name: ab, admin: [abel]}'
for user in alice anna abel gus dave mike ada eve; do printf '%s-password\n' $user | "$STILLAGE" user add -q -r "$REG" --stdin $user; done

# form FIELD...: the answer to the form goes to $T/answer; prints the status
form() {
    local text
    text=$(printf '&%s' grant_type=password "$@")
    printf '%s' "${text#&}" >"$T/form"
    env -i STILLAGE_REGISTRY="$REG" REQUEST_METHOD=POST REQUEST_URI=/v2/_token QUERY_STRING= REMOTE_ADDR=192.0.2.1 \
        CONTENT_TYPE=application/x-www-form-urlencoded CONTENT_LENGTH="$(stat -c %s "$T/form")" "$STILLAGE_CGI" <"$T/form" >"$T/raw"
    sed '1,/^\r$/d' "$T/raw" >"$T/answer"
    sed -n '1s/^Status: \([0-9]*\).*/\1/p' "$T/raw"
}
# as USER FIELD...
as() { form "username=$1" "password=$1-password" "${@:2}"; }

# ---- adding and removing -----------------------------------------------------------------------------------------

is "$(as alice project=a) $(<"$T/answer")" '200 {}' 'nobody was added yet'
is "$(as alice project=a member=gus role=guest) $(<"$T/answer")" '200 {"gus":"guest"}' 'an admin adds a guest'
ok_run '... whoever runs the registry adds a developer' stillage project add -q a dave developer
is "$(as alice project=a member=mike role=maintainer) $(as alice project=a member=ada role=admin)" '200 200' '... and so on'
is "$(as ada project=a member=zoe role=guest)" 200 'who was made an admin adds others'
is "$(as ada project=a member=zoe role=none) $(jq -c . "$T/answer")" '200 {"gus":"guest","dave":"developer","mike":"maintainer","ada":"admin"}' '... and removes them'
is "$(as ada project=a member=zoe role=none)" 404 '... once'
like "$(stillage project ls)" $'^a  private  .*\n  admin       alice, ada\n  maintainer  mike\n  developer   dave\n  guest       gus\n' 'project ls'
is "$(stillage project ls --json | jq -c '.[0].members')" '{"guest":["gus"],"developer":["dave"],"maintainer":["mike"],"admin":["alice","ada"]}' '... --json'
fails_with 1 "registry.yaml has no project 'c'" stillage project add c dave guest
fails_with 1 "'owner' is not a role: use guest, developer, maintainer or admin" stillage project add a dave owner
fails_with 1 "'bob' was not added to the project 'a'" stillage project rm a bob
fails_with 1 "'anonymous' cannot be a user name" stillage project add a anonymous guest
fails_with 1 "user name 'group:x' is invalid" stillage project add a group:x guest
fails_with 2 'give ls, add PROJECT USER ROLE, rm PROJECT USER, or robot PROJECT NAME ROLE' stillage project add a dave
capture stillage access check dave a/x push
is "$(<"$T/.out")" "allowed: 'dave' was made a member of the project of a/x ('stillage project ls' tells the role)" 'access check says so'
is "$(stat -c %a "$REG/auth/projects" "$REG/auth/projects/a" | tr '\n' ' ')" '700 600 ' 'nobody else reads that'

# ---- who may what ------------------------------------------------------------------------------------------------

while read -r user repository wanted; do
    is "$(may "$user" "$repository")" "$wanted" "$user in $repository: ${wanted:-nothing}"
done <<'END'
gus a/x pu
dave a/x pu pu
dave a pu pu
mike a/x pu pu de
ada a/x pu pu de ad
ada a pu pu de ad
ada a/b
ada a/b/x
ada ab
ada ab/x
ada aa
anna a/x
abel a/x
gus a/b/x
dave a/special pu
ada a/special pu de
eve a/special pu pu ad
anonymous a/x
END

# The same by requests, each with a token that was asked for everything.
printf blob >"$T/b"
printf '%s' "$(digest "$T/b")" >"$T/b.digest"
image "$T/i" text
tries() {
    local t
    t=$(token "$1:$1-password" "repository:$2:pull,push,delete,admin")
    printf '{"description":"%s"}' "$1" >"$T/about"
    printf '%s %s %s %s' "$(with_token "$t" request GET "/v2/$2/tags/list?n=1")" \
        "$(with_token "$t" request POST "/v2/$2/blobs/uploads/?digest=$(<"$T/b.digest")" "$T/b")" \
        "$(with_token "$t" request DELETE "/v2/$2/manifests/none")" "$(with_token "$t" request PATCH "/v2/$2/tags/_about" "$T/about")"
}
is "$(tries ada a/x)" '404 201 404 200' 'an admin pushes the first blob'
while read -r user repository wanted; do
    is "$(tries "$user" "$repository")" "$wanted" "requests of $user in $repository"
done <<'END'
gus a/x 200 401 401 401
dave a/x 200 201 401 401
mike a/x 200 201 404 401
ada a/x 200 201 404 200
anna a/x 401 401 401 401
abel a/x 401 401 401 401
ada a/b/x 401 401 401 401
ada ab/x 401 401 401 401
END

# ---- who may manage ----------------------------------------------------------------------------------------------

TOKEN=$("$STILLAGE" token create -q -r "$REG" --user alice --repository 'a/**' --actions pull,push,delete,admin)
while IFS='|' read -r wanted what fields; do
    read -ra fields <<<"$fields"
    is "$(form "${fields[@]}")" "$wanted" "$what"
    unlike "$(<"$T/answer")" '"(dave|gus)"' '... and nothing is told'
done <<END
403|a guest|username=gus password=gus-password project=a member=gus role=admin
403|a developer|username=dave password=dave-password project=a member=dave role=admin
403|a maintainer|username=mike password=mike-password project=a member=mike role=admin
403|... lists nobody|username=mike password=mike-password project=a
403|the admin of a project within it|username=anna password=anna-password project=a member=anna role=admin
403|the admin of one with a longer name|username=abel password=abel-password project=a member=abel role=admin
403|an admin, of the project within|username=ada password=ada-password project=a/b member=ada role=admin
403|an admin, of the one with a longer name|username=ada password=ada-password project=ab member=ada role=admin
403|an admin, of none|username=ada password=ada-password project=a/x member=ada role=admin
403|... of a name that is none|username=ada password=ada-password project=../a member=ada role=admin
403|who administers a repository of it alone|username=eve password=eve-password project=a member=eve role=admin
403|... also by its name|username=eve password=eve-password project=a/special member=eve role=admin
403|a token of an admin|username=alice password=$TOKEN project=a member=alice role=guest
401|a wrong password|username=alice password=x project=a member=bob role=admin
401|nobody|username= password= project=a member=bob role=admin
400|no role that there is|username=alice password=alice-password project=a member=bob role=owner
400|no role|username=alice password=alice-password project=a member=bob
400|a group|username=alice password=alice-password project=a member=group:devs role=guest
400|everybody|username=alice password=alice-password project=a member=anonymous role=guest
400|all users|username=alice password=alice-password project=a member=user role=guest
400|a path|username=alice password=alice-password project=a member=../x role=guest
END
is "$(jq -c . "$REG/auth/projects/a")" '{"gus":"guest","dave":"developer","mike":"maintainer","ada":"admin"}' 'none of this has changed anything'
is "$(ls "$REG/auth/projects")" a '... nor made anything'

about() { with_token "$(token "$1:$1-password" registry:catalog:*)" answer_of /v2/_about | jq -c '[.create, .projects]'; }
answer_of() { env -i STILLAGE_REGISTRY="$REG" REQUEST_METHOD=GET REQUEST_URI="$1" QUERY_STRING= HTTP_AUTHORIZATION="$CREDENTIALS" "$STILLAGE_CGI" </dev/null | sed '1,/^\r$/d'; }
is "$(about ada) $(about anna) $(about mike)" '[["a/**"],["a"]] [["a/b/**"],["a/b"]] [[],null]' 'admins are told of what'

# ---- robots ------------------------------------------------------------------------------------------------------

is "$(as alice project=a token=create name=ci role=developer expires=30d)" 201 'an admin makes a robot'
is "$(jq -c '[.name, .user, .repository, .actions, (.expires | fromdate) - (.created | fromdate)]' "$T/answer")" '["ci","a+ci","a/**",["pull","push"],2592000]' \
    '... that is a developer of the project'
ROBOT=$(jq -r .token "$T/answer") ID=$(jq -r .id "$T/answer")
robot_tries() {
    local t
    t=$(token "$1" "repository:$2:pull,push,delete,admin")
    printf '%s %s %s' "$(with_token "$t" request GET "/v2/$2/tags/list?n=1")" \
        "$(with_token "$t" request POST "/v2/$2/blobs/uploads/?digest=$(<"$T/b.digest")" "$T/b")" "$(with_token "$t" request DELETE "/v2/$2/manifests/none")"
}
is "$(robot_tries "a+ci:$ROBOT" a/x)" '200 201 401' '... pulls and pushes there'
is "$(robot_tries "a+ci:$ROBOT" a/b/x) $(robot_tries "a+ci:$ROBOT" ab/x)" '401 401 401 401 401 401' '... and nowhere else'
is "$(may a+ci a/x)|$(may a+ci a/b/x)" 'pu pu|' 'access check knows it'
is "$(as ada project=a token=ls) $(jq -c '.tokens | map([.user, .token])' "$T/answer")" '200 [["a+ci",null]]' 'every admin lists them, without their secrets'
is "$(as anna project=a/b token=create name=ci role=guest)" 201 'a project within it has its own'
is "$(as ada project=a token=ls) $(jq '.tokens | length' "$T/answer")" '200 1' '... not listed here'
"$STILLAGE" token create -q -r "$REG" --user dave --repository 'a/**' --actions pull >"$T/made"
DAVES=$("$STILLAGE" token ls -r "$REG" --json | jq -r '.[] | select(.user == "dave").id')
while IFS='|' read -r wanted what fields; do
    read -ra fields <<<"$fields"
    is "$(form "${fields[@]}")" "$wanted" "$what"
    unlike "$(<"$T/answer")" 'stl_|a[+]ci' '... and nothing is told'
done <<END
403|a maintainer makes no robot|username=mike password=mike-password project=a token=create name=x role=guest
403|... and lists none|username=mike password=mike-password project=a token=ls
403|... and removes none|username=mike password=mike-password project=a token=rm id=$ID
403|nor does the admin of another project|username=anna password=anna-password project=a token=rm id=$ID
401|nor who has a wrong password|username=alice password=x project=a token=create name=x role=guest
403|... or a robot|username=a%2Bci password=$ROBOT project=a token=create name=x role=guest
403|... which adds no member either|username=a%2Bci password=$ROBOT project=a member=gus role=admin
400|a robot is no admin|username=alice password=alice-password project=a token=create name=x role=admin
400|... and has a role|username=alice password=alice-password project=a token=create name=x
400|... that there is|username=alice password=alice-password project=a token=create name=x role=owner
400|... and a name|username=alice password=alice-password project=a token=create role=guest
400|... not one of the project within|username=alice password=alice-password project=a token=create name=b%2Bci role=guest
400|... of letters|username=alice password=alice-password project=a token=create name=../x role=guest
400|it does not live for ever|username=alice password=alice-password project=a token=create name=x role=guest expires=400d
400|... nor for no time|username=alice password=alice-password project=a token=create name=x role=guest expires=0d
400|another verb|username=alice password=alice-password project=a token=fly name=x role=guest
400|the token of a user is none of a robot|username=alice password=alice-password project=a token=rm id=$DAVES
400|rm without an id|username=alice password=alice-password project=a token=rm
END
is "$("$STILLAGE" token ls -r "$REG" --json | jq -c 'map(.user) | sort')" '["a+b+ci","a+ci","alice","dave"]' 'nothing was made or removed'
HELD=$(token "a+ci:$ROBOT" repository:a/x:pull,push)
is "$(with_token "$HELD" request GET '/v2/a/x/tags/list?n=1')" 200 'a robot is logged in'
is "$(as ada project=a token=rm "id=$ID") $(with_token "$HELD" request GET '/v2/a/x/tags/list?n=1') $(may a+ci a/x)" '200 401 ' '... and is not, nor a member, when it is removed'
ROBOT=$(stillage project robot -q a/b deploy maintainer --expires 12h)
is "$(may a+b+deploy a/b/x)|$(robot_tries "a+b+deploy:$ROBOT" a/b/x)" 'pu pu de|404 201 404' 'whoever runs the registry makes one by command'
fails_with 1 'a robot is no admin' stillage project robot a x admin
fails_with 2 'expires: a time' stillage project robot a x guest --expires soon
echo 'a-long-password' | "$STILLAGE" user add -q -r "$REG" --stdin a+old
fails_with 1 "'a.old' is a user with a password: give the robot another name" stillage project robot a old guest

# ---- the end of it -----------------------------------------------------------------------------------------------

HELD=$(token dave:dave-password repository:a/x:pull,push)
is "$(with_token "$HELD" request GET '/v2/a/x/tags/list?n=1')" 200 'a token that dave holds'
is "$(as ada project=a member=dave role=none)" 200 'dave is removed'
is "$(with_token "$HELD" request GET '/v2/a/x/tags/list?n=1') $(may dave a/x)" '401 ' '... and his token ends at once'
is "$(as alice project=a member=ada role=none) $(as ada project=a member=ada role=admin)" '200 403' 'an admin who is removed does not come back'
for damage in '' '[]' '{"gus":' '{"gus":"owner"}' '{"gus":1}'; do
    printf '%s' "$damage" >"$REG/auth/projects/a"
    is "$(may gus a/x)" '' "a list that is '$damage' gives nobody anything"
done
is "$(may alice a/x)" 'pu pu de ad' '... but those whom registry.yaml names keep theirs'

done_testing
