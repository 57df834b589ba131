# shellcheck shell=bash
# Sourced by lib.sh: real web servers, FastCGI programs and Debian's registry:2, each on a port or socket of its own,
# in the foreground, stopped when the test ends. And one way to ask them: http.
#
# Each start_* sets HOST (127.0.0.1:PORT), URL (http://HOST) and SERVER, the name that `stop` and `server_log` take.
# They write to the test's own folder only, and read nothing of the machine's /etc/nginx or /etc/apache2.

SERVER_COUNT=0
HOST='' URL='' SERVER='' SOCKET=''

# next_server KIND: SERVER, its folder SERVER_DIR, PORT, HOST, URL
next_server() {
    SERVER_COUNT=$((SERVER_COUNT + 1))
    SERVER=$1$SERVER_COUNT
    SERVER_DIR=$T/$SERVER
    mkdir -p "$SERVER_DIR"
    free_port PORT
    HOST=127.0.0.1:$PORT
    URL=http://$HOST
}

server_log() { cat "$T/log/$1" "$T/$1"/*.log 2>/dev/null || true; }

# Any answer at all, 401 and 404 included. -k: the certificates of the tests are self-signed.
answers() { [ "$(curl -ks --max-time 5 -o /dev/null -w '%{http_code}' "$1/v2/" || true)" != 000 ]; }

# render KIND REG FLAGS...: the configuration that users get, made to run in SERVER_DIR as whoever runs the test.
render() {
    local kind=$1 reg=$2
    shift 2
    "$STILLAGE" config "$kind" -r "$reg" --standalone "$SERVER_DIR" --listen "$HOST" "$@" >"$SERVER_DIR/$kind.conf"
    case " $* " in *' --tls-certificate '*) URL=https://$HOST ;; esac
}

# start_nginx REG [FLAG OF stillage config...]
start_nginx() {
    next_server nginx
    render nginx "$@"
    # Root's own nginx reads with root's rights; a test that is about rights says NGINX_USER=www-data.
    [ -z "${NGINX_USER:-}" ] || sed -i "s/^user root;/user $NGINX_USER;/" "$SERVER_DIR/nginx.conf"
    # What a machine's own configuration may say.
    [ -z "${NGINX_HTTP:-}" ] || sed -i "s/^http {/& $NGINX_HTTP/" "$SERVER_DIR/nginx.conf"
    local flags=()
    # A second `daemon` directive would be an error.
    grep -Eq '^[[:space:]]*daemon[[:space:]]' "$SERVER_DIR/nginx.conf" || flags=(-g 'daemon off;')
    spawn "$SERVER" nginx -p "$SERVER_DIR" -e "$SERVER_DIR/start.log" -c "$SERVER_DIR/nginx.conf" "${flags[@]}"
    wait_up "$SERVER" 15 answers "$URL"
}

# start_apache REG [FLAG OF stillage config...]
start_apache() {
    next_server apache
    render apache "$@"
    spawn "$SERVER" apache2 -d "$SERVER_DIR" -f "$SERVER_DIR/apache.conf" -DFOREGROUND
    wait_up "$SERVER" 15 answers "$URL"
}

# start_caddy REG --push fastcgi:SOCKET [FLAG OF stillage config...], and the same for lighttpd
start_caddy() {
    next_server caddy
    render caddy "$@"
    spawn "$SERVER" env XDG_CONFIG_HOME="$SERVER_DIR" XDG_DATA_HOME="$SERVER_DIR" caddy run --adapter caddyfile --config "$SERVER_DIR/caddy.conf"
    wait_up "$SERVER" 15 answers "$URL"
}

start_lighttpd() {
    next_server lighttpd
    render lighttpd "$@"
    spawn "$SERVER" lighttpd -D -f "$SERVER_DIR/lighttpd.conf"
    wait_up "$SERVER" 15 answers "$URL"
}

# next_socket NAME: sets SERVER and SOCKET
next_socket() {
    SERVER_COUNT=$((SERVER_COUNT + 1))
    SERVER=$1$SERVER_COUNT
    SOCKET=$T/$SERVER.sock
}

# start_fcgiwrap WORKERS [COMMAND BEFORE IT...]: sets SOCKET. Give it to start_nginx as --push "fcgiwrap:$SOCKET".
start_fcgiwrap() {
    local workers=$1
    shift
    next_socket fcgiwrap
    spawn "$SERVER" "$@" fcgiwrap -c "$workers" -f -s "unix:$SOCKET"
    open_socket
}

# start_responder WORKERS [COMMAND BEFORE IT...]: stillage.cgi as a persistent FastCGI program for the registry $REG.
# Sets SOCKET; for start_nginx: --push "fastcgi:$SOCKET".
start_responder() {
    local workers=$1
    shift
    next_socket responder
    spawn "$SERVER" "$@" env STILLAGE_REGISTRY="${REG:-$T/reg}" spawn-fcgi -n -s "$SOCKET" -- "$STILLAGE_CGI" --workers "$workers"
    open_socket
}

# start_with_responder nginx|apache WORKERS: the responder, RESPONDER, and a web server before it, for the registry $REG.
# Web servers are another user: what they may look at is part of the tests.
start_with_responder() {
    start_responder "$2"
    RESPONDER=$SERVER
    NGINX_USER=www-data
    "start_$1" "$REG" --push "fastcgi:$SOCKET" --cgi "$STILLAGE_CGI"
}

# The web server's workers are another user when the tests run as root; the umask is not for this, as the CGI gets it too.
open_socket() {
    wait_up "$SERVER" 10 test -S "$SOCKET"
    chmod 0666 "$SOCKET"
}

# start_registry2 [LINE OF config.yml...]: Debian's docker-registry (2.8), delete enabled. What the tests compare with.
start_registry2() {
    next_server registry
    cat >"$SERVER_DIR/config.yml" <<END
version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage:
  cache: {blobdescriptor: inmemory}
  filesystem: {rootdirectory: $SERVER_DIR/data}
  delete: {enabled: true}
http: {addr: "$HOST"}
END
    [ $# -eq 0 ] || printf '%s\n' "$@" >>"$SERVER_DIR/config.yml"
    spawn "$SERVER" docker-registry serve "$SERVER_DIR/config.yml"
    wait_up "$SERVER" 15 answers "$URL"
}

# self_signed DIR: DIR/tls.crt and DIR/tls.key for 127.0.0.1 and localhost
self_signed() {
    mkdir -p "$1"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
        -addext 'subjectAltName=IP:127.0.0.1,DNS:localhost' -keyout "$1/tls.key" -out "$1/tls.crt" 2>"$T/log/openssl"
}

# ---- asking ------------------------------------------------------------------------------------------------------

# http METHOD PATH [CURL ARGUMENT...]: sets STATUS; headers of the last answer by `header`, body in $T/b. PATH goes over
# the wire as it stands, dots and all. Status 000: no answer. URL is asked unless PATH is a whole URL.
http() {
    local method=$1 target=$2 how=(-X "$1")
    shift 2
    [ "$method" = HEAD ] && how=(--head)
    [ "$method" = GET ] && how=()
    case $target in http*) ;; *) target=$URL$target ;; esac
    if may_ask "$@"; then
        printf '%s\0' $(($# + 2)) "$method" "$target" "$@" >&"$ASK_TO"
        read -r -t 90 STATUS ERROR_CODE <&"$ASK_FROM" || STATUS=000
    else
        : >"$T/h"
        : >"$T/b"
        curl -ksS --path-as-is --globoff --max-time 60 "${how[@]}" -D "$T/h" -o "$T/b" -w '%{http_code}\n' "$@" \
            "$target" 2>"$T/curl.err" >"$T/status" || true
        read -r STATUS <"$T/status" || STATUS=000
        [ "$method" != HEAD ] || : >"$T/b"      # curl writes the headers to -o as well
        find_error_code
    fi
    read_headers
}

# find_error_code: sets ERROR_CODE to that of the first error in $T/b, if that is a body of errors in the specification's form
find_error_code() { ERROR_CODE=$("$TOP/build/ask" "$T/b"); }

# may_ask [CURL ARGUMENT...]: whether tests/support/ask.c can ask that, which spares the start of a curl. It answers the test itself
# alone, and none of its subshells.
ASK_TO='' ASK_FROM=''
may_ask() {
    [ "$BASHPID" = "$$" ] || return 1
    while [ $# -gt 0 ]; do
        case $1:${2:-} in -H:@*) return 1 ;; -H:* | -u:*:* | -d:* | --data-binary:* | --interface:*) ;; *) return 1 ;; esac
        [ $# -gt 1 ] || return 1
        shift 2
    done
    [ -n "$ASK_TO" ] || start_asking
}

start_asking() {
    mkfifo "$T/ask.to" "$T/ask.from"
    exec {ASK_TO}<>"$T/ask.to" {ASK_FROM}<>"$T/ask.from"
    # shellcheck disable=SC2016
    spawn ask sh -c 'exec "$1/build/ask" "$2/h" "$2/b" "$2/curl.err" <"$2/ask.to" >"$2/ask.from"' sh "$TOP" "$T"
}

# Hundreds of questions are asked: without a process for each header.
declare -A HEADERS=()
read_headers() {
    local line name value
    while IFS= read -r line; do
        line=${line%$'\r'}
        case $line in
            HTTP/*) HEADERS=(); continue ;;      # after "100 Continue" only the last block counts
            *:*) ;;
            *) continue ;;
        esac
        name=${line%%:*} value=${line#*:}
        name=${name,,} value=${value#"${value%%[! ]*}"}
        HEADERS[$name]=${HEADERS[$name]+${HEADERS[$name]}$'\n'}$value
    done <"$T/h"
    [ -s "$T/h" ] || HEADERS=()
}

# header NAME: its value in the last answer; one line for each if the server sent it more than once.
header() { printf '%s\n' "${HEADERS[${1,,}]-}"; }

body() { head -c 4000 "$T/b"; }

# error_code: errors[0].code of a JSON error body, if that is what it is
error_code() { jq -r '.errors[0].code // empty' <"$T/b" 2>/dev/null || true; }

# ---- one answer, many demands, one test --------------------------------------------------------------------------
#
# Names of headers in lower case.
#   ask HEAD /v2/app/manifests/v1
#   want_status 200
#   want_header content-type application/vnd.oci.image.manifest.v1+json
#   verdict 'HEAD of a manifest by tag'

PROBLEMS=()

ask() { PROBLEMS=(); http "$@"; }

want_status() { [[ $STATUS =~ ^($1)$ ]] || PROBLEMS+=("status $STATUS, wanted $1: $(body | head -c 300)$(<"$T/curl.err")"); }

# Exactly one header of that name, with exactly that value.
want_header() {
    local got=${HEADERS[$1]-}
    [ "$got" = "$2" ] || PROBLEMS+=("$1: '${got//$'\n'/\' and \'}', wanted '$2'")
}

want_header_like() {
    local got=${HEADERS[$1]-}
    [[ $got != *$'\n'* && $got =~ $2 ]] || PROBLEMS+=("$1: '${got//$'\n'/\' and \'}', wanted /$2/")
}

want_no_header() { [ -z "${HEADERS[$1]+is there}" ] || PROBLEMS+=("$1: '${HEADERS[$1]}', wanted none"); }

want_body() { cmp "$1" "$T/b" >"$T/.cmp" 2>&1 || PROBLEMS+=("body: $(<"$T/.cmp")"); }

# want_json FILTER: jq says true
want_json() { jq -e "$1" <"$T/b" >/dev/null 2>"$T/.jq" || PROBLEMS+=("not so: $1 $(<"$T/.jq"): $(body | head -c 500)"); }

# want_error STATUS CODE: the specification's form. HEAD has the status alone. Both may be regular expressions.
want_error() {
    want_status "$1"
    [ "${2:-}" != '' ] || return 0
    want_header_like content-type '^application/json(;.*)?$'
    [[ $ERROR_CODE =~ ^($2)$ ]] || PROBLEMS+=("no error $2: $(body | head -c 500)")
}

verdict() { if [ ${#PROBLEMS[@]} -eq 0 ]; then pass "$1"; else fail "$1" "${PROBLEMS[@]}"; fi; }

# ---- flat copies -------------------------------------------------------------------------------------------------

# start_site HOST DIR: serves what `stillage site --host HOST` made, by the server's stock configuration and that file.
start_site() {
    next_server "site-$1"
    "configure_site_$1" "$2"
    wait_up "$SERVER" 15 answers "$URL"
}

configure_site_nginx() {
    sed "s/listen 80;/listen $HOST;/" "$1/nginx.conf" >"$SERVER_DIR/site.conf"
    cat >"$SERVER_DIR/nginx.conf" <<END
daemon off;
pid "$SERVER_DIR/nginx.pid";
error_log "$SERVER_DIR/error.log";
events { worker_connections 768; }
http {
    sendfile on;
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    gzip on;
    access_log off;
    client_body_temp_path "$SERVER_DIR/b";
    fastcgi_temp_path "$SERVER_DIR/f";
    proxy_temp_path "$SERVER_DIR/p";
    scgi_temp_path "$SERVER_DIR/s";
    uwsgi_temp_path "$SERVER_DIR/u";
    include "$SERVER_DIR/site.conf";
}
END
    spawn "$SERVER" nginx -p "$SERVER_DIR" -e "$SERVER_DIR/start.log" -c "$SERVER_DIR/nginx.conf"
}

# What Debian's Apache has switched on, and the modules that shared hosting adds.
configure_site_apache() {
    local module
    {
        printf '%s\n' "ServerRoot $SERVER_DIR" "PidFile $SERVER_DIR/pid" 'ServerName localhost' "Listen $HOST" "ErrorLog $SERVER_DIR/error.log"
        for module in mpm_event authz_core authz_host alias dir autoindex mime negotiation deflate filter setenvif env reqtimeout rewrite headers; do
            echo "LoadModule ${module}_module /usr/lib/apache2/modules/mod_$module.so"
        done
        [ "$(id -u)" -ne 0 ] || printf '%s\n' 'User www-data' 'Group www-data'
        printf '%s\n' 'TypesConfig /etc/mime.types' "DocumentRoot $1" 'AddOutputFilterByType DEFLATE application/json text/html' \
            "<Directory $1>" 'Options Indexes FollowSymLinks' 'AllowOverride All' 'Require all granted' '</Directory>'
    } >"$SERVER_DIR/apache.conf"
    spawn "$SERVER" apache2 -d "$SERVER_DIR" -f "$SERVER_DIR/apache.conf" -DFOREGROUND
}

configure_site_caddy() {
    {
        printf '{\n\tadmin off\n\tauto_https off\n}\n'
        sed "s|^:80 {|http://$HOST {|" "$1/Caddyfile"
    } >"$SERVER_DIR/Caddyfile"
    spawn "$SERVER" env XDG_CONFIG_HOME="$SERVER_DIR" XDG_DATA_HOME="$SERVER_DIR" caddy run --adapter caddyfile --config "$SERVER_DIR/Caddyfile"
}

configure_site_lighttpd() {
    cat >"$SERVER_DIR/lighttpd.conf" <<END
server.modules = ( "mod_indexfile", "mod_access", "mod_redirect" )
server.document-root = "$SERVER_DIR"
server.bind = "127.0.0.1"
server.port = $PORT
server.errorlog = "$SERVER_DIR/error.log"
index-file.names = ( "index.php", "index.html" )
url.access-deny = ( "~", ".inc" )
include_shell "/usr/share/lighttpd/create-mime.conf.pl"
include "$1/lighttpd.conf"
END
    spawn "$SERVER" lighttpd -D -f "$SERVER_DIR/lighttpd.conf"
}

# Hosts of other people, by the rules that they document.
configure_site_netlify() { configure_site_elsewhere netlify "$1"; }
configure_site_cloudflare-pages() { configure_site_elsewhere cloudflare-pages "$1"; }
configure_site_firebase() { configure_site_elsewhere firebase "$1"; }
configure_site_elsewhere() { spawn "$SERVER" python3 "$TESTS/serve/site-elsewhere.py" "$1" "$2" "$PORT"; }
