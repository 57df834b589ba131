#!/bin/bash
# examples/login/: passwords that nginx (auth_request) and Apache (LDAP) check elsewhere, ending in the registry's tokens.
. "$(dirname "$0")/../lib.sh"

have nginx || skip_all 'nginx is not installed'
have python3 || skip_all 'python3 is not installed'
[ -x "$STILLAGE_CGI" ] || skip_all "$STILLAGE_CGI is not built"

REG=$T/reg
export STILLAGE_REGISTRY=$REG
"$STILLAGE" init -q "$REG"
"$STILLAGE" add -q "oci:$(cached hello)" public/app:v1 team/app:v1 secret/app:v1

# ---- those who check ---------------------------------------------------------------------------------------------

# A program behind auth_request.
free_port CHECK
spawn check python3 -c '
import http.server, base64, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        good = self.headers.get("Authorization") == "Basic " + base64.b64encode(b"alice:directory-password").decode()
        self.send_response(200 if good else 401)
        if not good: self.send_header("WWW-Authenticate", "Basic realm=x")
        self.end_headers()
    do_HEAD = do_GET
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()' "$CHECK"
free_port LDAP
spawn ldap python3 "$TESTS/serve/ldap.py" "$LDAP" alice directory-password
wait_up check 15 bash -c "exec 3<>/dev/tcp/127.0.0.1/$CHECK"
wait_up ldap 15 bash -c "exec 3<>/dev/tcp/127.0.0.1/$LDAP"

# login_server KIND: the example, made to run here; LOGIN is its address
login_server() {
    next_server "login-$1"
    LOGIN=$URL
    sed -e "s|443 ssl|$HOST|; s|\*:443|$HOST|; /ssl_certificate/d; /SSL/d; s|/srv/registry|$REG|g; s|unix:/run/stillage.sock|unix:$SOCKET|
        s|127.0.0.1:8888|127.0.0.1:$CHECK|; s|ldap://ldap.example.org|ldap://127.0.0.1:$LDAP|" "$TOP/examples/login/$1.conf" >"$SERVER_DIR/example"
    case $1 in
        nginx)
            printf '%s\n' 'daemon off;' "pid $SERVER_DIR/pid;" "error_log $SERVER_DIR/error.log;" 'events {}' 'http {' 'access_log off;' \
                "client_body_temp_path $SERVER_DIR/b; fastcgi_temp_path $SERVER_DIR/f; proxy_temp_path $SERVER_DIR/p; scgi_temp_path $SERVER_DIR/s; uwsgi_temp_path $SERVER_DIR/u;" \
                "include $SERVER_DIR/example;" '}' >"$SERVER_DIR/nginx.conf"
            spawn "$SERVER" nginx -p "$SERVER_DIR" -e "$SERVER_DIR/start.log" -c "$SERVER_DIR/nginx.conf"
            ;;
        apache)
            {
                printf '%s\n' "ServerRoot $SERVER_DIR" "PidFile $SERVER_DIR/pid" "ErrorLog $SERVER_DIR/error.log" "DefaultRuntimeDir $SERVER_DIR" "Listen $HOST"
                [ "$(id -u)" -ne 0 ] || printf 'User www-data\nGroup www-data\n'
                for module in mpm_event authz_core authn_core auth_basic authz_user ldap authnz_ldap proxy proxy_fcgi; do
                    echo "LoadModule ${module}_module /usr/lib/apache2/modules/mod_$module.so"
                done
                cat "$SERVER_DIR/example"
            } >"$SERVER_DIR/apache.conf"
            spawn "$SERVER" apache2 -X -d "$SERVER_DIR" -f "$SERVER_DIR/apache.conf"
            ;;
    esac
    wait_up "$SERVER" 15 answers "$LOGIN"
}

start_responder 2
for kind in nginx apache; do
    have "${kind/apache/apache2}" || { skip 1 "$kind is not installed" 'its login'; continue; }
    login_server $kind
    NAME_OF_LOGIN=$SERVER
    printf '%s\n' 'version: 1' 'access:' '  - {repository: "public/**", pull: [anonymous]}' '  - {repository: "team/**", push: [alice]}' \
        'auth:' "  url: $LOGIN" '  trust-remote-user: true' >"$REG/registry.yaml"
    "$STILLAGE" access apply -q
    start_nginx "$REG" --push "fastcgi:$SOCKET" --cgi "$STILLAGE_CGI"
    REGISTRY_SERVER=$SERVER REGISTRY_URL=$URL

    ask GET /v2/team/app/manifests/v1
    want_status 401
    want_header_like www-authenticate "realm=\"$LOGIN/v2/_token\""
    verdict "$kind: clients are sent there for a token"
    token() { curl -sS -G -o "$T/answer" -w '%{http_code}' --data-urlencode 'scope=repository:team/app:pull,push' "$@" "$LOGIN/v2/_token"; }
    is "$(token -u alice:directory-password) $(jq -r .scope "$T/answer")" '200 repository:team/app:pull,push' '... the password of the directory gives one'
    BEARER=$(jq -r .token "$T/answer")
    ask GET /v2/team/app/manifests/v1 -H "Authorization: Bearer $BEARER"
    want_status 200
    verdict '... it pulls'
    ask POST /v2/team/app/blobs/uploads/ -d '' -H "Authorization: Bearer $BEARER"
    want_status 202
    verdict '... and pushes'
    ask GET /v2/secret/app/manifests/v1 -H "Authorization: Bearer $BEARER"
    want_status 401
    verdict '... what registry.yaml says, and no more'
    for who in alice:wrong bob:directory-password alice: :directory-password; do
        like "$(token -u "$who")" '^401$' "... not for $who"
    done
    like "$(token -H "Authorization: Bearer $BEARER"; token -H 'Authorization: Basic !' ; token -H 'Authorization: x')" '^(40[01]|500){3}$' '... nor for other headers'
    unlike "$(<"$T/answer")" '"token"' '... which give no token'
    is "$(token) $(jq -r .token "$T/answer")" '200 anonymous' '... and whoever does not log in gets the anonymous one'
    is "$(curl -sS -o "$T/answer" -w '%{http_code}' -d 'grant_type=password&username=alice&password=directory-password' "$LOGIN/v2/_token" | grep -cE '^(405|401|403)$')" 1 '... a form is refused'
    is "$(curl -sS -o "$T/answer" -w '%{http_code}' -u alice:directory-password "$LOGIN/v2/team/app/manifests/v1" | grep -cE '^40[34]$')" 1 '... nothing else is there'
    for header in 'Remote-User: alice' 'X-Remote-User: alice' 'REMOTE_USER: alice'; do
        is "$(token -H "$header") $(jq -r .token "$T/answer")" '200 anonymous' "... $header is nobody"
    done
    if have skopeo; then
        clients_setup
        ok_run "... skopeo" skopeo_run copy --src-tls-verify=false --src-creds alice:directory-password "docker://${REGISTRY_URL#http://}/team/app:v1" "dir:$T/pulled-$kind"
    fi
    stop "$REGISTRY_SERVER"
    stop "$NAME_OF_LOGIN"
done

done_testing
