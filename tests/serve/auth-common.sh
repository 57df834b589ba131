# shellcheck shell=bash
# Access control as a web server enforces it, by files, for pulls: who may what, and when that ends. auth-nginx.t and
# auth-apache.t set KIND and source this.
# shellcheck source=tests/serve/auth-setup.sh
. "$(dirname "$0")/auth-setup.sh"
# shellcheck source=tests/serve/auth-basic.sh
. "$(dirname "$0")/auth-basic.sh"

# ---- what is allowed, and what is not ----------------------------------------------------------------------------

test_public() {
    local path header
    while read -r path; do
        for header in 'X-None: 1' 'Authorization: Bearer anonymous' "Authorization: Bearer 1234567890.$(printf 'A%.0s' {1..43})" \
            'Authorization: Bearer rubbish' 'Authorization: Basic Og=='; do
            ask GET "$path" -H "$header"
            want_status 200
            verdict "public: ${path:0:50} with ${header:0:45}"
        done
    done < <(addresses public/app)
    ask GET "/v2/public/app/blobs/$PUBLIC_LAYER"
    want_header cache-control 'public, max-age=31536000, immutable'
    verdict 'what is public may be kept by every cache'
}

test_closed() {
    local path method name
    for name in secret/app secret team/app; do
        while read -r path; do
            for method in GET HEAD; do
                ask $method "$path"
                want_status 401
                [ $method = HEAD ] || want_error 401 UNAUTHORIZED
                want_challenge "repository:$name:pull"
                want_header cache-control no-store
                want_nothing
                verdict "$method ${path:0:50} without a token"
            done
            as anonymous GET "$path"
            want_error 401 UNAUTHORIZED
            want_challenge "repository:$name:pull" login_required
            want_nothing
            verdict "${path:0:50} with nobody's token"
        done < <(addresses $name)
    done
    ask GET /v2/
    want_error 401 UNAUTHORIZED
    want_challenge ''
    verdict 'GET /v2/'
    ask GET /v2/_catalog
    want_error 401 UNAUTHORIZED
    want_challenge 'registry:catalog:*'
    verdict 'GET /v2/_catalog'
    ask GET /v2/_details
    want_error 401 UNAUTHORIZED
    want_challenge 'registry:catalog:*'
    verdict 'GET /v2/_details'
    ask GET /v2/ -H 'Authorization: Bearer anonymous'
    want_status 200
    verdict "GET /v2/ with nobody's token"
}

test_tokens() {
    local path method name
    token alice:alice-password repository:secret/app:pull
    while read -r path; do
        for method in GET HEAD; do
            as "$TOKEN" $method "$path"
            want_status 200
            verdict "$method ${path:0:50} with a token for it"
        done
    done < <(addresses secret/app)
    as "$TOKEN" GET "/v2/secret/app/blobs/$SECRET_LAYER"
    want_header cache-control 'private, max-age=31536000, immutable'
    verdict 'no cache in between may keep what is private'
    as "$TOKEN" GET "/v2/secret/app/blobs/$SECRET_LAYER" -H 'Range: bytes=0-3'
    want_status 206
    verdict '... and it has ranges'
    as "$TOKEN" GET /v2/
    want_status 200
    verdict 'GET /v2/ with a token'
    as "$TOKEN" GET /v2/secret/app/manifests/none
    want_error 404 MANIFEST_UNKNOWN
    verdict 'who may pull learns what is not there'
    for path in /v2/secret/manifests/v1 /v2/team/app/manifests/v1 "/v2/team/app/blobs/$TEAM_LAYER" /v2/secret/app/nested/tags/list; do
        as "$TOKEN" GET "$path"
        want_error 401 DENIED
        name=${path#/v2/} name=${name%/*} name=${name%/*}
        want_challenge "repository:$name:pull" insufficient_scope
        want_nothing
        verdict "the token of another repository: ${path:0:40}"
    done
    as "$TOKEN" GET /v2/_catalog
    want_error 401 UNAUTHORIZED
    verdict '... nor is it for the catalog'

    token bob:bob-password repository:team/app:pull repository:secret/app:pull
    as "$TOKEN" GET "/v2/team/app/blobs/$TEAM_LAYER"
    want_status 200
    verdict 'a partial grant opens what was granted'
    as "$TOKEN" GET "/v2/secret/app/blobs/$SECRET_LAYER"
    want_error 401 DENIED
    want_nothing
    verdict '... and nothing else'
    token alice:alice-password repository:secret/app:push
    as "$TOKEN" GET /v2/secret/app/manifests/v1
    want_error 401 DENIED
    verdict 'a token for pushing does not pull'
    token alice:alice-password 'registry:catalog:*'
    as "$TOKEN" GET /v2/_catalog
    want_json '.repositories == ["public/app", "secret", "secret/app", "team/app"]'
    verdict 'the catalog of alice'
    token bob:bob-password 'registry:catalog:*'
    as "$TOKEN" GET '/v2/_catalog?n=10'
    want_json '.repositories == ["public/app", "team/app"]'
    verdict 'the catalog of bob'
    as "$TOKEN" GET /v2/_details
    [[ $(jq -r .repository "$T/b" | sort -u | tr '\n' ' ') == 'public/app team/app ' ]] || PROBLEMS+=('it names others')
    verdict 'the details for bob'
    ask GET /v2/_catalog -H 'Authorization: Bearer anonymous'
    want_json '.repositories == ["public/app"]'
    verdict 'the catalog of nobody'
    ask GET /v2/_details -H 'Authorization: Bearer anonymous'
    [[ $(jq -r .repository "$T/b" | sort -u) == public/app ]] || PROBLEMS+=('it names others')
    verdict 'the details for nobody'
    ask GET /v2/secret/app/manifests/v1 -u alice:alice-password
    want_status 200
    verdict 'a password instead of a token'
    ask GET /v2/secret/app/manifests/v1 -u bob:bob-password
    want_error 403 DENIED
    want_nothing
    verdict '... of somebody who may not'
    ask GET /v2/ -u alice:wrong
    want_error 401 UNAUTHORIZED
    verdict '... a wrong one'
    for path in /v2/team/app/tags/list?n=5 "/v2/team/app/referrers/$TEAM_LAYER?artifactType=x"; do
        ask GET "$path"
        want_error 401 UNAUTHORIZED
        verdict "what stillage.cgi answers is closed as well: ${path:0:40}"
        token bob:bob-password repository:team/app:pull
        as "$TOKEN" GET "$path"
        want_status 200
        verdict '... and open to a token'
    done
}

# ---- tokens end --------------------------------------------------------------------------------------------------

test_expiry() {
    local end
    write_rules 'auth: {token-life: 3s}'
    token alice:alice-password repository:secret/app:pull
    end=${TOKEN%%.*}
    as "$TOKEN" GET /v2/secret/app/manifests/v1
    want_status 200
    verdict 'a token of three seconds'
    sed -i 's/\[alice\]/[]/g' "$REG/registry.yaml"
    ok_run 'it ends on the second, and with it the pulls of somebody whose rights have gone' ends_at "$end"
    ask GET '/v2/_token?scope=repository:secret/app:pull' -u alice:alice-password
    want_json '.scope == ""'
    verdict '... who does not get another'
    write_rules 'auth: {token-life: 3s}'
    ok "$(test -f "$REG/auth/tokens/${TOKEN:0:8}/$TOKEN"; echo $?)" '... though nobody has removed it'
    as "$TOKEN" GET /v2/secret/app/manifests/v1
    want_error 401 UNAUTHORIZED
    want_challenge repository:secret/app:pull invalid_token
    want_nothing
    verdict '... and the challenge says so'
    as "$TOKEN" GET /v2/
    want_status 401
    verdict 'GET /v2/ does not take it either'
    OLD_TOKEN=$TOKEN
    write_rules

    token bob:bob-password repository:team/app:pull
    "$STILLAGE" user rm -q -r "$REG" bob
    as "$TOKEN" GET /v2/team/app/manifests/v1
    want_status 401
    verdict 'the token of a removed user ends at once'
    echo bob-password | "$STILLAGE" user add -q -r "$REG" --stdin bob
    token bob:bob-password repository:team/app:pull
    echo bob-password | "$STILLAGE" user passwd -q -r "$REG" --stdin bob
    as "$TOKEN" GET /v2/team/app/manifests/v1
    want_status 401
    verdict '... and with a changed password'
}

# Asks without a pause; the last 200 came before the second, the first 401 not before it.
ends_at() {
    local before after
    while true; do
        before=$(date +%s%N)
        http GET /v2/secret/app/manifests/v1 -H "Authorization: Bearer $TOKEN"
        after=$(date +%s%N)
        case $STATUS in
            200) [ "$before" -lt "${1}000000000" ] || { echo "200 at $before"; return 1; } ;;
            401) [ "$after" -ge "${1}000000000" ] || { echo "401 at $after"; return 1; }
                 return 0 ;;
            *) echo "status $STATUS"; return 1 ;;
        esac
    done
}

# What becomes public or private, and new repositories, without a reload.
test_changes() {
    make_layout "$T/layout" "$SECRET of new"
    "$STILLAGE" add -q -r "$REG" "oci:$T/layout" public/new:v1 secret/new:v1
    http GET /v2/public/new/manifests/v1
    is "$STATUS" 200 'a new public repository is open'
    http GET /v2/secret/new/manifests/v1
    is "$STATUS" 401 'a new private one is closed'
    sed -i 's/anonymous/user/' "$REG/registry.yaml"
    "$STILLAGE" access apply -q -r "$REG"
    http GET /v2/public/new/manifests/v1
    is "$STATUS" 401 'what is not public any more is closed'
    write_rules
    token alice:alice-password repository:public/new:pull   # any request to stillage.cgi brings the files into line
    http GET /v2/public/new/manifests/v1
    is "$STATUS" 200 'and open when it is public again'
}

# The read path does not need stillage.cgi; what is public can be pulled with every client while it is down.
test_without_cgi() {
    token alice:alice-password repository:secret/app:pull
    kill -STOP -- "-${PID_OF[$RESPONDER]}"
    as "$TOKEN" GET /v2/secret/app/manifests/v1
    want_status 200
    verdict 'without stillage.cgi: a token is good'
    ask GET '/v2/_token?service=stillage&scope=repository%3Apublic%2Fapp%3Apull'
    want_status 200
    want_header cache-control no-store
    want_header_like content-type '^application/json'
    want_json '.token == "anonymous" and .access_token == "anonymous" and .expires_in == 300'
    verdict "without stillage.cgi: nobody's token is handed out"
    as anonymous GET /v2/public/app/manifests/v1
    want_status 200
    verdict 'without stillage.cgi: with it, what is public is pulled'
    kill -CONT -- "-${PID_OF[$RESPONDER]}"
}

# ---- limits, as the server passes them on ------------------------------------------------------------------------

# Of twelve who push at the same time, as many get through as there is room for, to the byte and to the tag.
test_quota() {
    local i
    write_rules 'quotas: [{repository: "drop/*", size: 1000, tags: 3}]'
    token bob:bob-password repository:drop/bytes:pull,push repository:drop/many:pull,push
    : >"$T/config"
    for i in 10 11 12 13 14 15 16 17 18 19 20 21; do
        printf '%0250d' "$i" >"$T/part$i"
        printf 'url = "%s/v2/drop/bytes/blobs/uploads/?digest=%s"\ndata-binary = "@%s"\n' "$URL" "$(digest "$T/part$i")" "$T/part$i"
    done | parallel_requests
    is "$(sort "$T/codes" | uniq -c | tr -s ' \n' ' ')" ' 4 201 8 403 ' 'twelve blobs of 250 bytes at once, with room for 1000: four are taken'
    is "$(find "$REG/www/v2/drop/bytes/blobs" -type f | wc -l)" 4 '... and are there'
    ask POST "/v2/drop/bytes/blobs/uploads/?digest=$(printf x | sha256sum | sed 's/^/sha256:/; s/ .*//')" -d x -H "Authorization: Bearer $TOKEN"
    want_error 403 DENIED
    want_json '.errors[0].message | test("exceed the quota: repository .drop/bytes. has room for 0 more")'
    verdict '... one byte more is not'
    as "$TOKEN" POST "/v2/drop/many/blobs/uploads/?digest=$(digest "$T/part10")" --data-binary "@$T/part10"
    printf '{"schemaVersion":2,"mediaType":"%s","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"%s","size":250},"layers":[]}' \
        "$MANIFEST" "$(digest "$T/part10")" >"$T/manifest"
    for i in 10 11 12 13 14 15 16 17 18 19 20 21; do
        printf 'url = "%s/v2/drop/many/manifests/t%d"\nrequest = PUT\nheader = "Content-Type: %s"\ndata-binary = "@%s"\n' "$URL" $i "$MANIFEST" "$T/manifest"
    done | parallel_requests
    is "$(sort "$T/codes" | uniq -c | tr -s ' \n' ' ')" ' 3 201 9 403 ' 'twelve tags at once, with room for three: three are set'
    as "$TOKEN" GET /v2/drop/many/tags/list
    want_json '.tags | length == 3'
    verdict '... and are there'
    write_rules
}

# Requests on standard input, each begins with "url"; all at once, with TOKEN. Their status codes go to $T/codes.
parallel_requests() {
    awk -v token="$TOKEN" '/^url/ && NR > 1 { print "next" }
        { print }
        /^url/ { print "header = \"Authorization: Bearer " token "\"\noutput = /dev/null\nwrite-out = \"%{http_code}\\n\"" }' >"$T/config"
    curl -k --no-progress-meter --globoff --parallel --parallel-max 12 --parallel-immediate -K "$T/config" >"$T/codes"
}

# Read-only for maintenance: the server passes on what stillage.cgi says, and an upload that has begun goes on afterwards.
test_frozen() {
    local session request
    token alice:alice-password repository:team/app:pull,push,delete
    as "$TOKEN" POST /v2/team/app/blobs/uploads/ -d ''
    session=${HEADERS[location]}
    as "$TOKEN" PATCH "$session" --data-binary first -H 'Content-Type: application/octet-stream'
    want_status 202
    verdict 'an upload begins'
    "$STILLAGE" freeze -q -r "$REG" --reason 'back at "noon"'
    for request in "PATCH $session" "PUT $session?digest=$TEAM_LAYER" 'POST /v2/team/app/blobs/uploads/' "DELETE $session" 'PUT /v2/team/app/manifests/v2' \
        'DELETE /v2/team/app/manifests/v1' "DELETE /v2/team/app/blobs/$TEAM_LAYER"; do
        as "$TOKEN" "${request%% *}" "${request#* }" -d ''
        want_error 503 DENIED
        want_header_like retry-after '^[0-9]+$'
        want_json '.errors[0].message | test("back at .noon.$")'
        verdict "frozen: ${request:0:40}"
    done
    for request in "blobs/$TEAM_LAYER" manifests/v1 tags/list 'tags/list?n=1'; do
        as "$TOKEN" GET "/v2/team/app/$request"
        want_status 200
        verdict "frozen: pulls go on: ${request:0:20}"
    done
    token bob:bob-password repository:team/app:pull
    as "$TOKEN" GET /v2/team/app/manifests/v1
    want_status 200
    verdict 'frozen: so does logging in'
    ask POST /v2/team/app/blobs/uploads/ -d ''
    want_error 401 UNAUTHORIZED
    verdict 'frozen: who may not push learns nothing of it'
    "$STILLAGE" thaw -q -r "$REG"
    token alice:alice-password repository:team/app:pull,push
    as "$TOKEN" GET "$session"
    want_status 204
    want_header range 0-4
    verdict 'thawed: the upload is where it was'
    as "$TOKEN" PUT "$session?digest=$(printf 'first and second' | sha256sum | sed 's/^/sha256:/; s/ .*//')" --data-binary ' and second' -H 'Content-Type: application/octet-stream'
    want_status 201
    verdict '... and goes on to its end'
}

# The other way to run stillage.cgi, as a process for each request.
test_plain_cgi() {
    stop "$MAIN"
    if [ "$KIND" = nginx ]; then
        start_fcgiwrap 2
        start_nginx "$REG" --push "fcgiwrap:$SOCKET" --cgi "$STILLAGE_CGI"
    else
        # mod_cgid runs the program as Apache's own account.
        [ "$(id -u)" -ne 0 ] || chown -R www-data "$REG"
        use_copies
        start_apache "$REG" --push cgi --cgi "$STILLAGE_CGI"
    fi
    token alice:alice-password repository:secret/app:pull,push
    as "$TOKEN" GET "/v2/secret/app/manifests/v1"
    want_status 200
    verdict 'plain CGI: a token is handed out, and pulls'
    as "$TOKEN" POST /v2/secret/app/blobs/uploads/ -d ''
    want_status 202
    verdict '... and pushes'
    as "$TOKEN" POST /v2/team/app/blobs/uploads/ -d ''
    want_error 401 DENIED
    want_challenge repository:team/app:pull,push insufficient_scope
    verdict '... but not elsewhere'
    ask POST /v2/secret/app/blobs/uploads/ -d '' -H 'Remote-User: alice'
    want_error 401 UNAUTHORIZED
    verdict '... and nobody pushes without one'
    ask POST /v2/_token -d grant_type=password -d username=alice -d password=alice-password -d scope=repository:secret/app:pull
    want_json '.scope == "repository:secret/app:pull"'
    verdict '... a token by form'
    ask GET /v2/_token -u alice:wrong
    want_error 401 UNAUTHORIZED
    verdict '... none for a wrong password'
    stop "$SERVER"
    [ "$(id -u)" -ne 0 ] || chown -R root "$REG"
}
# nginx compares the times with a regular expression: that one alone, asked about every pair of digits in every place. What
# follows speaks for the other answer.
test_clock() {
    local what
    next_server clock
    {
        echo "daemon off; pid $SERVER_DIR/pid; error_log $SERVER_DIR/error.log; events {} http { access_log off;"
        for what in client_body proxy fastcgi scgi uwsgi; do echo "${what}_temp_path $SERVER_DIR/$what;"; done
        # shellcheck disable=SC2016
        sed -n '/^map "$msec /,/^}/p' "$T/$MAIN/nginx.conf" | sed 's/\$msec \$stillage_token/$arg_now $arg_end/'
        # shellcheck disable=SC2016,SC2028
        echo "server { listen $HOST;" 'location / { return 200 "$arg_now $arg_end $stillage_alive\n"; } } }'
    } >"$SERVER_DIR/nginx.conf"
    spawn "$SERVER" nginx -p "$SERVER_DIR" -e "$SERVER_DIR/error.log" -c "$SERVER_DIR/nginx.conf"
    wait_up "$SERVER" 15 answers "$URL"
    awk -v url="$URL" 'function padded(digits, with) { while (length(digits) < 10) digits = digits with; return digits }
        BEGIN {
            for (places = 9; places > 0; places--)
                for (now = 0; now < 10; now++)
                    for (end = 0; end < 10; end++) {
                        place = substr("179518518", 1, places)
                        printf "url = \"%s/?now=%s.123&end=%s.x\"\n", url, padded(place now, 9), padded(place end, 0)
                    }
        }' >"$SERVER_DIR/questions"
    curl -sS -K "$SERVER_DIR/questions" >"$SERVER_DIR/answers"
    is "$(wc -l <"$SERVER_DIR/answers")" 900 'nginx says of 900 pairs of times which is the later one'
    awk '{ if (($2 + 0 > int($1)) != ($3 == 1)) print }' "$SERVER_DIR/answers" >"$SERVER_DIR/wrong"
    is "$(head -n 5 "$SERVER_DIR/wrong")" '' '... and errs in none'
    stop "$SERVER"
}

# ------------------------------------------------------------------------------------------------------------------

test_public
test_closed
test_tokens
test_expiry
test_changes
test_quota
test_frozen
test_without_cgi
SERVER=$MAIN
test_plain_cgi
ok_run 'after all that the registry is whole' "$STILLAGE" verify -r "$REG"
test_basic
[ "$KIND" != nginx ] || test_clock
done_testing
