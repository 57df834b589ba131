#!/bin/bash
# examples/login/: passwords that nginx (auth_request) and Apache (LDAP, Kerberos) check elsewhere, and certificates that clients
# show them, ending in the registry's tokens.
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
wait_up check 15 bash -c "exec 3<>/dev/tcp/127.0.0.1/$CHECK"

# A directory (LDAP) with a person whose name is like hers, too.
start_directory() {
    free_port LDAP
    mkdir "$T/ldap" "$T/ldap/db"
    printf '%s\n' 'include /etc/ldap/schema/core.schema' 'include /etc/ldap/schema/cosine.schema' 'include /etc/ldap/schema/inetorgperson.schema' \
        'modulepath /usr/lib/ldap' 'moduleload back_mdb' "pidfile $T/ldap/pid" 'database mdb' 'suffix "dc=example,dc=org"' "directory $T/ldap/db" >"$T/ldap/conf"
    {
        printf '%s\n' 'dn: dc=example,dc=org' 'objectClass: dcObject' 'objectClass: organization' 'o: Example' 'dc: example' '' \
            'dn: ou=people,dc=example,dc=org' 'objectClass: organizationalUnit' 'ou: people' ''
        for name in alice 'mallory(alice)'; do
            printf '%s\n' "dn: uid=$name,ou=people,dc=example,dc=org" 'objectClass: inetOrgPerson' "uid: $name" "cn: $name" 'sn: x' 'userPassword: directory-password' ''
        done
    } >"$T/ldap/people"
    /usr/sbin/slapadd -f "$T/ldap/conf" -l "$T/ldap/people" >"$T/log/slapadd" 2>&1
    spawn ldap /usr/sbin/slapd -f "$T/ldap/conf" -h "ldap://127.0.0.1:$LDAP" -d 0
    wait_up ldap 60 bash -c "exec 3<>/dev/tcp/127.0.0.1/$LDAP"
}

# A realm (Kerberos), with a person whose name begins like hers, too, and a key for the server.
start_realm() {
    free_port KDC
    mkdir "$T/realm"
    export KRB5_CONFIG=$T/realm/krb5.conf KRB5_KDC_PROFILE=$T/realm/kdc.conf KRB5CCNAME=FILE:$T/realm/ticket
    printf '%s\n' '[libdefaults]' 'default_realm = EXAMPLE.ORG' 'dns_canonicalize_hostname = false' 'rdns = false' 'dns_lookup_kdc = false' 'udp_preference_limit = 1' \
        '[realms]' 'EXAMPLE.ORG = {' "kdc = 127.0.0.1:$KDC" '}' >"$KRB5_CONFIG"
    printf '%s\n' '[realms]' 'EXAMPLE.ORG = {' "database_name = $T/realm/db" "key_stash_file = $T/realm/stash" "kdc_listen = 127.0.0.1:$KDC" "kdc_tcp_listen = 127.0.0.1:$KDC" \
        'supported_enctypes = aes128-cts:normal' '}' >"$KRB5_KDC_PROFILE"
    kdb5_util create -s -P master >"$T/log/kdb5" 2>&1
    printf '%s\n' 'addprinc -pw directory-password alice' 'addprinc -pw directory-password alice/admin' 'addprinc -randkey HTTP/login.example.org' \
        "ktadd -k $T/realm/http.keytab HTTP/login.example.org" | kadmin.local >"$T/log/kadmin" 2>&1
    [ "$(id -u)" -ne 0 ] || chown www-data: "$T/realm/http.keytab"
    spawn kdc krb5kdc -n
    wait_up kdc 60 bash -c "exec 3<>/dev/tcp/127.0.0.1/$KDC"
}

# login_server KIND: the example, made to run here; LOGIN is its address
login_server() {
    next_server "login-$1"
    LOGIN=$URL
    sed -e "s|443 ssl|$HOST|; s|\*:443|$HOST|; /ssl_certificate/d; /SSL/d; s|/srv/registry|$REG|g; s|unix:/run/stillage.sock|unix:$SOCKET|
        s|keytab:/etc/apache2|keytab:$T/realm|; s|127.0.0.1:8888|127.0.0.1:$CHECK|; s|ldap://ldap.example.org|ldap://127.0.0.1:${LDAP:-}|" "$TOP/examples/login/$1.conf" >"$SERVER_DIR/example"
    case $1 in *-certificates)
        LOGIN=https://$HOST
        sed "s|443 ssl|$HOST ssl|; s|\*:443|$HOST|; s|/srv/registry|$REG|g; s|unix:/run/stillage.sock|unix:$SOCKET|; s|/etc/ssl|$T/tls|" "$TOP/examples/login/$1.conf" >"$SERVER_DIR/example" ;;
    esac
    case $1 in
        nginx*)
            printf '%s\n' 'daemon off;' "pid $SERVER_DIR/pid;" "error_log $SERVER_DIR/error.log;" 'events {}' 'http {' 'access_log off;' \
                "client_body_temp_path $SERVER_DIR/b; fastcgi_temp_path $SERVER_DIR/f; proxy_temp_path $SERVER_DIR/p; scgi_temp_path $SERVER_DIR/s; uwsgi_temp_path $SERVER_DIR/u;" \
                "include $SERVER_DIR/example;" '}' >"$SERVER_DIR/nginx.conf"
            spawn "$SERVER" nginx -p "$SERVER_DIR" -e "$SERVER_DIR/start.log" -c "$SERVER_DIR/nginx.conf"
            ;;
        apache*)
            {
                printf '%s\n' "ServerRoot $SERVER_DIR" "PidFile $SERVER_DIR/pid" "ErrorLog $SERVER_DIR/error.log" "DefaultRuntimeDir $SERVER_DIR" "Listen $HOST"
                [ "$(id -u)" -ne 0 ] || printf 'User www-data\nGroup www-data\n'
                for module in mpm_event authz_core authn_core auth_basic authz_user proxy proxy_fcgi ssl headers $MODULES; do
                    echo "LoadModule ${module}_module /usr/lib/apache2/modules/mod_$module.so"
                done
                cat "$SERVER_DIR/example"
            } >"$SERVER_DIR/apache.conf"
            spawn "$SERVER" apache2 -X -d "$SERVER_DIR" -f "$SERVER_DIR/apache.conf"
            ;;
    esac
    wait_up "$SERVER" 15 answers "$LOGIN"
}

# both_servers KIND: that, and the registry, which sends clients there
both_servers() {
    login_server "$1"
    NAME_OF_LOGIN=$SERVER
    printf '%s\n' 'version: 1' 'access:' '  - {repository: "public/**", pull: [anonymous]}' '  - {repository: "team/**", push: [alice]}' \
        'auth:' "  url: $LOGIN" '  trust-remote-user: true' >"$REG/registry.yaml"
    "$STILLAGE" access apply -q
    start_nginx "$REG" --push "fastcgi:$SOCKET" --cgi "$STILLAGE_CGI"
    REGISTRY_SERVER=$SERVER REGISTRY_URL=$URL
}
token_at() { curl -sS -G -o "$T/answer" -w '%{http_code}' --data-urlencode 'scope=repository:team/app:pull,push' "$@"; }
token() { token_at "$@" "$LOGIN/v2/_token"; }

# The token that the last answer gives.
opens_team_app() {
    BEARER=$(jq -r .token "$T/answer")
    ask GET /v2/team/app/manifests/v1 -H "Authorization: Bearer $BEARER"
    want_status 200
    verdict '... it pulls'
    ask POST /v2/team/app/blobs/uploads/ -d '' -H "Authorization: Bearer $BEARER"
    want_status 202
    verdict '... and pushes'
}

start_responder 2
for kind in nginx apache apache-kerberos; do
    case $kind in
        apache*) have apache2 || { skip 1 'apache2 is not installed' 'its login'; continue; } ;;&
        apache)
            [ -x /usr/sbin/slapd ] || { skip 1 'slapd is not installed' 'LDAP'; continue; }
            start_directory
            MODULES='ldap authnz_ldap'
            ;;
        apache-kerberos)
            [ -e /usr/lib/apache2/modules/mod_auth_gssapi.so ] || { skip 1 'libapache2-mod-auth-gssapi is not installed' 'Kerberos'; continue; }
            if ! have kadmin.local || ! have kinit; then skip 1 'krb5-kdc is not installed' 'Kerberos'; continue; fi
            start_realm
            MODULES=auth_gssapi
            ;;
    esac
    both_servers $kind

    ask GET /v2/team/app/manifests/v1
    want_status 401
    want_header_like www-authenticate "realm=\"$LOGIN/v2/_token\""
    verdict "$kind: clients are sent there for a token"
    is "$(token -u alice:directory-password) $(jq -r .scope "$T/answer")" '200 repository:team/app:pull,push' '... the password of the directory gives one'
    opens_team_app
    ask GET /v2/secret/app/manifests/v1 -H "Authorization: Bearer $BEARER"
    want_status 401
    verdict '... what registry.yaml says, and no more'
    for who in alice:wrong bob:directory-password alice: :directory-password '*:directory-password' 'a*:directory-password'; do
        like "$(token -u "$who")" '^401$' "... not for $who"
    done
    like "$(token -H "Authorization: Bearer $BEARER"; token -H 'Authorization: Basic !' ; token -H 'Authorization: x')" '^(40[01]|500){3}$' '... nor for other headers'
    unlike "$(<"$T/answer")" '"token"' '... which give no token'
    if [ $kind = apache-kerberos ]; then
        like "$(token -u alice/admin:directory-password)" '^40[13]$' '... nor for a name of two parts'
        like "$(token -u alice@OTHER.ORG:directory-password)" '^40[13]$' '... nor for one of another realm'
        kinit alice <<<directory-password >"$T/log/kinit"
        is "$(token_at --negotiate -u : --connect-to "::${LOGIN#http://}" http://login.example.org/v2/_token)" 200 '... a ticket takes the place of the password'
        opens_team_app
    fi
    [ $kind != apache ] || is "$(token -u 'mallory(alice):directory-password') $(jq -r .scope "$T/answer")" '200 ' '... whose name is like that of another has none of their rights'
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

# ---- certificates ------------------------------------------------------------------------------------------------

mkdir "$T/tls"
# authority NAME: $T/tls/NAME.pem; certificate NAME SUBJECT CA: $T/tls/NAME.pem and .key
authority() { openssl req -x509 -newkey rsa:2048 -nodes -keyout "$T/tls/$1.key" -out "$T/tls/$1.pem" -subj "/CN=$1" -days 2 2>"$T/log/openssl"; }
certificate() {
    openssl req -newkey rsa:2048 -nodes -keyout "$T/tls/$1.key" -out "$T/tls/$1.csr" -subj "$2" 2>"$T/log/openssl"
    openssl x509 -req -in "$T/tls/$1.csr" -CA "$T/tls/$3.pem" -CAkey "$T/tls/$3.key" -CAcreateserial -days 2 -extfile <(echo subjectAltName=IP:127.0.0.1) \
        -out "$T/tls/$1.pem" 2>"$T/log/openssl"
}
authority users-ca
authority other-ca
certificate login /CN=login users-ca
certificate alice /O=Acme/CN=alice users-ca
certificate forged /CN=alice other-ca
certificate comma '/CN=x,CN=alice' users-ca
certificate bob /CN=bob users-ca
MODULES=
for kind in nginx apache; do
    have "${kind/apache/apache2}" || { skip 1 "$kind is not installed" 'certificates'; continue; }
    both_servers $kind-certificates
    shows() { token --cacert "$T/tls/users-ca.pem" --cert "$T/tls/$1.pem" --key "$T/tls/$1.key" "${@:2}"; }
    is "$(shows alice) $(jq -r .scope "$T/answer")" '200 repository:team/app:pull,push' "$kind: a certificate gives a token"
    opens_team_app
    is "$(shows bob -u alice:x -H 'Remote-User: alice') $(jq -r .scope "$T/answer")" '200 ' '... of its own user, whatever else is said'
    is "$(token -k -u alice:x -H 'REMOTE_USER: alice') $(jq -r .token "$T/answer")" '200 anonymous' '... nobody without one'
    for who in forged comma; do
        shows $who >"$T/status" 2>>"$T/notes" || true
        is "$(jq -r '.scope // ""' "$T/answer" 2>/dev/null || true)" '' "... not $who"
        : >"$T/answer"
    done
    is "$(curl -ksS -o "$T/answer" -w '%{http_code}' -d grant_type=password --cert "$T/tls/alice.pem" --key "$T/tls/alice.key" "$LOGIN/v2/_token" | grep -cE '^(405|401|403)$')" 1 '... a form is refused'
    is "$(curl -ksS -o "$T/answer" -w '%{http_code}' --cert "$T/tls/alice.pem" --key "$T/tls/alice.key" "$LOGIN/v2/team/app/manifests/v1" | grep -cE '^40[34]$')" 1 '... nothing else is there'
    stop "$REGISTRY_SERVER"
    stop "$NAME_OF_LOGIN"
done

done_testing
