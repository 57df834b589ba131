# shellcheck shell=bash
# Attacks on logging in: tokens, scopes, passwords, guessing, on a web server. attack-login-nginx.t and
# attack-login-apache.t set KIND and source this.
# shellcheck source=tests/serve/auth-setup.sh
. "$(dirname "$0")/auth-setup.sh"

test_forged_tokens() {
    local bad
    token alice:alice-password repository:secret/app:pull
    while IFS= read -r bad; do
        ask GET /v2/secret/app/manifests/v1 -H "Authorization: $bad"
        want_status '401|400|403'
        want_nothing
        verdict "not a token: ${bad:0:70}"
    done <<END
Bearer ${TOKEN%?}
Bearer ${TOKEN}A
Bearer ${TOKEN%?}$([ "${TOKEN: -1}" = A ] && echo B || echo A)
Bearer 9999999999${TOKEN:10}
Bearer 0${TOKEN}
Bearer ${TOKEN:0:10}.$(printf 'A%.0s' {1..43})
Bearer ${TOKEN:0:8}/$TOKEN
Bearer ../tokens/${TOKEN:0:8}/$TOKEN
Bearer ${TOKEN:0:11}../../../../public
Bearer -
Bearer
Bearer  
$TOKEN
Bearer: $TOKEN
Bearer $TOKEN, Bearer $TOKEN
Bearer $TOKEN anonymous
Bearer anonymous $TOKEN
Basic $TOKEN
Digest $TOKEN
Bearer\$TOKEN
Bearer 9999999999.public/app/_ok
Bearer 9999999999./pull/secret/app/_
Bearer $(printf '%%2e%.0s' {1..20})
Basic $(printf 'nobody:x' | base64)
Negotiate abc
END
    as "$TOKEN" GET /v2/secret/app/manifests/v1
    want_status 200
    verdict 'the true one'
    ask GET /v2/secret/app/manifests/v1 -H "Authorization: Bearer anonymous" -H "Authorization: Bearer $TOKEN"
    want_status '401|400|200'
    verdict 'two headers: one of them counts'
    # A server that checks one header and passes on another would let in who has one good token for somewhere else.
    for bad in "Bearer $TEAM_TOKEN" 'Bearer anonymous' 'Basic Ym9iOmJvYi1wYXNzd29yZA==' "Bearer $OLD_TOKEN"; do
        for path in manifests/v1 "blobs/$SECRET_LAYER" tags/list 'tags/list?n=1'; do
            ask GET "/v2/secret/app/$path" -H "Authorization: $bad" -H "Authorization: Bearer x" -H "authorization: $bad"
            want_status '40[013]'
            want_nothing
            verdict "several headers, none of them good: ${bad:0:20} for ${path:0:20}"
        done
    done
    ask GET "/v2/secret/app/manifests/v1?token=$TOKEN&access_token=$TOKEN"
    want_error 401 UNAUTHORIZED
    want_nothing
    verdict 'a token in the address is none'
    ask GET "/v2/secret/app/tags/list?n=1&token=$TOKEN&access_token=$TOKEN"
    want_error 401 UNAUTHORIZED
    want_nothing
    verdict '... for stillage.cgi as well'
    ask GET "/v2/$TOKEN/secret/app/manifests/v1" -u ":$TOKEN"
    want_status '40[014]'
    want_nothing
    verdict '... nor in the path'
    ask GET /v2/secret/app/manifests/v1 -u "alice:$TOKEN"
    want_status 401
    want_nothing
    verdict '... nor as a password'
    for header in Cookie X-Auth-Token Proxy-Authorization X-Authorization Stillage-Token; do
        ask GET /v2/secret/app/manifests/v1 -H "$header: Bearer $TOKEN"
        want_error 401 UNAUTHORIZED
        want_nothing
        verdict "a token in another header is none: $header"
    done
}

# ask_token QUERY [CURL ARGUMENT...]: each time from another address, or nginx would think that somebody guesses.
ASKED=0
ask_token() {
    local query=$1
    shift
    ASKED=$((ASKED + 1))
    ask GET "/v2/_token?$query" --interface "127.0.1.$((ASKED % 250 + 1))" "$@"
}

# What nobody can be granted is not granted, however it is written, and leaves nothing behind.
test_scopes() {
    local scope name i
    while IFS= read -r scope; do
        ask_token "service=stillage&scope=$scope" -u alice:alice-password
        want_status '200|400'
        want_no_header x-evil
        [ "$STATUS" = 400 ] || want_json '.scope == ""'
        verdict "no scope: ${scope:0:70}"
    done <<'END'
repository:a%0d%0aX-Evil:%201:pull
repository:../../auth:pull
repository:..%2f..%2fauth:pull
repository:/etc:pull
repository:secret/app/../../x:push
repository:secret/app/../app:pull
repository:secret//app:pull
repository:/secret/app:pull
repository:secret/app/:pull
repository:secret%2f%2fapp:pull
repository:secret%252fapp:pull
repository:./secret/app:pull
repository:secret/_refs:pull
repository:secret/app/_manifests:pull
repository:SECRET/APP:pull
repository:secret\app:pull
repository:-:push
repository:*:pull
repository:**:*
repository:secret/*:pull
repository:secret/?pp:pull
repository:secret/app%00:pull
repository:secret/app%0a:pull
repository:secret/app:pull%00
repository:secret/app:PULL
repository:secret/app:all
repository:secret/app:%20pull
repository:secret/app:
repository::pull
repository:secret/app
:secret/app:pull
Repository:secret/app:pull
repository(x:secret/app:fly
registry:catalog
registry::*
registry:*:*
END
    token alice:alice-password 'repository:secret/app:*'
    ok "$(find "$REG/auth/tokens" -mindepth 2 \( -name etc -o -name '..?*' -o -name auth -o -name '*[*?]*' -o -name SECRET \) | grep -q . && echo 1 || echo 0)" \
        'no such scope became a file'
    ask_token 'scope=repository:team/app:*,repository:secret/app:pull,delete' -u bob:bob-password
    want_json '.scope == "" or .scope == "repository:team/app:pull"'
    verdict 'a scope in a scope'
    ask_token 'scope=repository:team/app:*&scope=repository:secret/app:*&scope=registry:catalog:*' -u bob:bob-password
    want_json '.scope == "repository:team/app:pull registry:catalog:*"'
    verdict 'all that there is: only what is allowed'
    as "$(jq -r .token "$T/b")" DELETE /v2/team/app/manifests/v1
    want_error 401 DENIED
    verdict '... and no more than that'
    ask_token 'scope=repository:secret/app:*'
    want_json '.token == "anonymous"'
    verdict 'all, for nobody'
    for scope in 100 101 1000; do
        name=$(for ((i = 0; i < scope; i++)); do printf '&scope=repository:team/n%d:pull' $i; done)
        ask_token "service=stillage$name" -u bob:bob-password
        if [ $scope = 100 ]; then want_status 200; else want_status '400|414|431'; fi
        verdict "$scope scopes"
        printf 'grant_type=password&username=bob&password=bob-password&scope=%s' "$(tr -d '\n' <<<"${name//&scope=/+}")" >"$T/form"
        ask POST /v2/_token --data-binary "@$T/form"
        if [ $scope = 100 ]; then want_status 200; else want_error 400 UNSUPPORTED; fi
        verdict "$scope scopes in a form"
    done
    ask_token "scope=repository:$(printf 'a%.0s' {1..7000}):pull" -u bob:bob-password
    want_status '200|400|414'
    [ "$STATUS" != 200 ] || want_json '.scope == ""'
    verdict 'a name of 7000 characters'
}

# Passwords and names of all kinds; who one is, is what the password says, and nothing else.
test_credentials() {
    local bad password answers=()
    for bad in alice:wrong nobody:wrong; do
        ask GET /v2/_token -u "$bad"
        want_error 401 UNAUTHORIZED
        want_header_like www-authenticate '^Basic realm="stillage"$'
        verdict "no token for $bad"
        answers+=("$(sed '/^[Dd]ate:/d' "$T/h")$(<"$T/b")")
    done
    is "${answers[0]}" "${answers[1]}" 'a wrong password and no such user: the same answer'
    # shellcheck disable=SC1003
    for password in 'with:colon:s' ':' $'caf\xc3\xa9' $'\xff\xfe' ' spaces ' 'per%20cent+plus&amp' '"quote\' "$(printf 'p%.0s' {1..72})"; do
        echo "$password" | "$STILLAGE" user passwd -q -r "$REG" --stdin bob
        ask GET /v2/_token -u "bob:$password"
        want_status 200
        verdict "a password: ${password:0:20}"
        ask POST /v2/_token --data-urlencode grant_type=password --data-urlencode username=bob --data-urlencode "password=$password"
        want_status 200
        verdict '... by form'
        ask GET /v2/_token -u "bob:${password%?}"
        want_error 401 UNAUTHORIZED
        verdict '... without its last byte'
        rm -rf "$REG/auth/failures"
    done
    for bad in 'pp' 0 $'\xff'; do
        ask GET /v2/_token -u "bob:$password$bad"
        want_error 401 UNAUTHORIZED
        verdict 'more than the 72 bytes that bcrypt looks at'
    done
    echo bob-password | "$STILLAGE" user passwd -q -r "$REG" --stdin bob
    rm -rf "$REG/auth/failures"
    for bad in 'alice:alice-password\0' 'alice:alice-password\0x' 'alice\0:alice-password' '\0alice:alice-password' 'alice' 'alice\n:alice-password' \
        '\xff:alice-password' 'ALICE:alice-password' ' alice:alice-password' 'alice :alice-password'; do
        # shellcheck disable=SC2059
        ask GET /v2/_token -H "Authorization: Basic $(printf "$bad" | base64 -w0)"
        want_status '401|400'
        verdict "credentials that are none: $bad"
    done
    for bad in 8000 100000; do
        head -c $bad /dev/zero | tr '\0' p >"$T/huge"
        { printf 'alice:'; cat "$T/huge"; } | base64 -w0 >"$T/huge64"
        ask GET /v2/_token -H "Authorization: Basic $(<"$T/huge64")"
        want_status '400|401|431|494'
        verdict "a password of $bad bytes"
        { printf 'grant_type=password&username=alice&password='; cat "$T/huge"; } >"$T/form"
        ask POST /v2/_token --data-binary "@$T/form"
        want_status '400|401|413|429'
        verdict '... by form'
    done
    rm -rf "$REG/auth/failures"
}

# Who asks for a token in one name and shows the password of another.
test_mismatches() {
    local form='grant_type=password&scope=repository:secret/app:pull'
    ask_token 'account=alice&username=alice&user=alice&client_id=alice&scope=repository:secret/app:pull' -u bob:bob-password
    want_json '.scope == ""'
    verdict 'account=alice with the password of bob'
    ask POST /v2/_token -d "$form&username=bob&password=bob-password&account=alice" -u alice:alice-password
    want_json '.scope == ""'
    verdict "a form of bob's, a header of alice's: the form counts"
    ask POST /v2/_token -d "$form&username=alice&password=wrong" -u alice:alice-password
    want_error 401 UNAUTHORIZED
    verdict 'a wrong form, a right header'
    ask POST /v2/_token -d "$form&username=alice&username=bob&password=bob-password"
    want_json '.scope == ""'
    verdict 'two names in a form'
    ask POST "/v2/_token?username=alice&password=alice-password&grant_type=password&scope=repository:secret/app:pull" -d ''
    want_status 400
    verdict 'a password in the address is none'
    token bob:bob-password repository:team/app:pull
    ask_token scope=repository:team/app:pull -H "Authorization: Bearer $TOKEN"
    want_json '.token == "anonymous"'
    verdict 'a token does not get another one'
    for body in 'grant_type=refresh_token&refresh_token=x&service=stillage' "grant_type=refresh_token&refresh_token=$TOKEN" \
        'grant_type=authorization_code&code=x' 'grant_type=client_credentials&client_id=alice&client_secret=alice-password' \
        '{"grant_type":"password","username":"alice","password":"alice-password"}' 'grant_type=PASSWORD&username=alice&password=alice-password' \
        'grant%5ftype=password&username=alice&password=alice-password' 'grant_type=password&username=alice&password=alice-password%00' \
        'grant_type=password&username=alice%00&password=alice-password' 'grant_type=password&username=&password='; do
        ask POST /v2/_token -d "$body"
        want_status '400|401'
        ! jq -e .token "$T/b" >/dev/null 2>&1 || PROBLEMS+=("$(body)")
        verdict "no token for ${body:0:60}"
    done
    ask_token 'offline_token=true&scope=repository:team/app:pull' -u bob:bob-password
    want_json '.scope == "repository:team/app:pull" and (has("refresh_token") | not)'
    verdict 'there are no refresh tokens'
    rm -rf "$REG/auth/failures"
}

# Neither another account nor the web server's own can find out a token, or read a password's hash.
test_accounts() {
    local account path
    [ "$(id -u)" -eq 0 ] || { skip 1 'only root can become somebody else' 'other accounts'; return; }
    token alice:alice-password repository:secret/app:pull
    for account in nobody www-data; do
        for path in auth auth/tokens "auth/tokens/${TOKEN:0:8}" "auth/tokens/${TOKEN:0:8}"/{pull/secret/app,sets,users} auth/public auth/robots auth/failures; do
            capture setpriv --reuid "$account" --regid "$account" --clear-groups ls "$REG/$path/"
            isnt "$RC" 0 "$account cannot list ${path:0:30}"
        done
        for path in auth/htpasswd "auth/tokens/${TOKEN:0:8}/$TOKEN" "auth/tokens/${TOKEN:0:8}/pull/secret/app/_$TOKEN" log/events.jsonl; do
            # The server's group may have been let in, to check passwords itself.
            [ "$account$path" != www-dataauth/htpasswd ] || continue
            capture setpriv --reuid "$account" --regid "$account" --clear-groups cat "$REG/$path"
            isnt "$RC" 0 "$account cannot read ${path:0:30}"
        done
    done
}

test_logs() {
    local secret
    token alice:alice-password repository:secret/app:pull,push
    as "$TOKEN" GET /v2/secret/app/manifests/v1
    as "$TOKEN" GET "/v2/secret/app/tags/list?n=1"
    as "$TOKEN" POST /v2/secret/app/blobs/uploads/ -d ''
    for secret in "$TOKEN" "${TOKEN:11}" alice-password "$(printf alice:alice-password | base64)"; do
        if grep -rqaF -e "$secret" "$T/log" "$T/$SERVER"/*.log "$REG/log"; then fail "in a log: ${secret:0:12}"; else pass 'neither tokens nor passwords are in any log'; fi
    done
}

test_guessing() {
    local i header path way own robot
    token bob:bob-password repository:team/app:pull
    own=$TOKEN
    for i in 1 2 3 4 5; do http GET /v2/_token -u bob:guess$i; done
    ask GET /v2/_token -u bob:bob-password
    want_error 429 TOOMANYREQUESTS
    want_header_like retry-after '^[0-9]+$'
    verdict 'after five wrong passwords the right one has to wait as well'
    # Six more, and it is two minutes: this machine may be busy.
    find "$REG/auth/failures" -type f -exec sh -c 'printf xxxxxx >>"$1"' - {} \;
    for header in 'X-Forwarded-For: 192.0.2.77' 'X-Real-IP: 192.0.2.78' 'Forwarded: for=192.0.2.79' 'Remote-Addr: 192.0.2.80' 'REMOTE_ADDR: 192.0.2.81' 'Client-IP: 192.0.2.82'; do
        ask GET /v2/_token -u bob:bob-password -H "$header"
        want_error 429 TOOMANYREQUESTS
        verdict "... also who says that they are elsewhere: $header"
    done
    ask POST /v2/_token -d 'grant_type=password&username=bob&password=bob-password'
    want_error 429 TOOMANYREQUESTS
    verdict '... also by form'
    ask GET /v2/team/app/manifests/v1 -u bob:bob-password
    want_error 429 TOOMANYREQUESTS
    want_nothing
    verdict '... also for what is private'
    ask GET /v2/_token -u alice:alice-password
    want_status 200
    verdict '... but nobody else has'
    ask GET /v2/_token -u bob:bob-password --interface 127.0.0.2
    want_status 200
    verdict '... nor has who knows the password, from elsewhere'
    as "$own" GET /v2/team/app/manifests/v1
    want_status 200
    verdict '... and a token that was there before stays good'
    rm -r "$REG/auth/failures"
    # Only what is wrong counts: a job behind one address with many others asks as often as it likes.
    robot=$("$STILLAGE" token create -q -r "$REG" --user alice --repository 'team/**' --actions pull)
    for ((i = 0; i < 120; i++)); do
        printf 'url = "%s/v2/_token?scope=repository:team/app:pull"\nuser = "alice:%s"\noutput = /dev/null\nwrite-out = "%%{http_code}\\n"\n' "$URL" "$robot"
        [ $i = 119 ] || echo next
    done >"$T/config"
    is "$(curl -ks -K "$T/config" | sort | uniq -c | xargs)" '120 200' 'a hundred and twenty log-ins with a right token are not counted'
    # Each way to try a password; the name is another every time, so that it is the address which is slowed down.
    while read -r path way; do
        for ((i = 0; i < 100; i++)); do
            printf 'url = "%s%s"\noutput = /dev/null\nwrite-out = "%%{http_code}\\n"\n' "$URL" "$path"
            case $way in
                basic) printf 'user = "n%d:x"\n' $i ;;
                form) printf 'data = "grant_type=password&username=n%d&password=x"\n' $i ;;
                both) printf 'data = "grant_type=password&username=n%d&password=x"\nheader = "Authorization: Bearer x"\n' $i ;;
            esac
            [ $i = 99 ] || echo next
        done >"$T/config"
        curl -k --no-progress-meter --path-as-is --parallel --parallel-max 100 --parallel-immediate -K "$T/config" 2>/dev/null | sort | uniq -c >"$T/codes"
        ok "$(awk '$2 == 429 && $1 >= 20 { found = 1 } END { print !found }' "$T/codes")" "a hundred guesses in a row, $path $way: many of them are not looked at: $(tr '\n' ' ' <"$T/codes")"
    done <<'END'
/v2/_token basic
/v2/_token form
/v2/_token both
/v2/%5ftoken form
/v2/_%74oken?x form
/v2/secret/app/manifests/v1 basic
/v2/secret/app/tags/list?n=1 basic
END
    http GET /v2/public/app/manifests/v1
    is "$STATUS" 200 '... and what is public goes on'
    rm -rf "$REG/auth/failures"
}

# Where registry.yaml trusts REMOTE_USER, a server that has not checked the password must not name anybody.
test_remote_user() {
    write_rules 'auth: {trust-remote-user: true}'
    for user in alice:wrong alice: :; do
        for header in 'X-None: 1' 'Remote-User: alice' 'X-Remote-User: alice'; do
            ask DELETE /v2/secret/app/manifests/v1 -u $user -H "$header"
            want_status '401|429'
            verdict "REMOTE_USER is trusted: DELETE as '$user' with $header"
            ask GET /v2/secret/app/manifests/v1 -u $user -H "$header"
            want_status '401|429'
            want_nothing
            verdict "REMOTE_USER is trusted: GET as '$user' with $header"
        done
    done
    rm -rf "$REG/auth/failures"
    write_rules
}

# ------------------------------------------------------------------------------------------------------------------

token bob:bob-password repository:team/app:pull
TEAM_TOKEN=$TOKEN
make_old_token
test_forged_tokens
test_scopes
test_credentials
test_accounts
test_logs
test_mismatches
test_guessing
test_remote_user
ok_run 'after all that the registry is whole' "$STILLAGE" verify -r "$REG"
done_testing
