#!/bin/bash
# Pushed content decides nothing in Apache: with every module of Debian that loads together with others, and their settings.
# shellcheck disable=SC2034
KIND=apache
# shellcheck source=tests/serve/content-common.sh
. "$(dirname "$0")/content-common.sh"

MODULES=$(apache2ctl -V 2>/dev/null | sed -n 's/.*HTTPD_ROOT="\(.*\)"/\1/p')/mods-available
[ -d "$MODULES" ] || MODULES=/etc/apache2/mods-available

# Modules that others need come first. Those that are left out want settings of their own, or another MPM than mod_php.
all_modules() {
    local name first='proxy session dav dbd ldap cache xml2enc slotmem_shm slotmem_plain watchdog http2 filter proxy_balancer'
    for name in $first; do [ ! -e "$MODULES/$name.load" ] || echo "$name"; done
    find "$MODULES" -name '*.load' -printf '%f\n' | sed 's/\.load$//' | sort |
        grep -vxE "mpm_.*|php.*|${first// /|}|cgid|heart.*|lbmethod_heartbeat|cern_meta|proxy_http2|ssl|md|suexec"
}

# What is set before the registry's own: as Debian has it, and as an administrator may have it for other sites.
# shellcheck disable=SC2016
other_settings() {
    local name php
    php=$(find /usr/lib/apache2/modules -name 'libphp*.so' | head -n 1)
    printf '%s\n' 'LoadModule mpm_prefork_module /usr/lib/apache2/modules/mod_mpm_prefork.so' \
        "Define APACHE_RUN_DIR $SERVER_DIR" "Define APACHE_LOG_DIR $SERVER_DIR" "Define APACHE_LOCK_DIR $SERVER_DIR"
    for name in $(all_modules); do grep -hi '^[[:space:]]*LoadModule' "$MODULES/$name.load"; done
    [ -z "$php" ] || printf 'LoadModule php_module %s\n<FilesMatch ".+[.]ph(?:ar|p|tml)$">\nSetHandler application/x-httpd-php\n</FilesMatch>\n' "$php"
    for name in $(all_modules); do [ ! -e "$MODULES/$name.conf" ] || printf 'Include %s\n' "$MODULES/$name.conf"; done
    cat <<'END'
MIMEMagicFile /etc/apache2/magic
AddHandler type-map .var
AddHandler send-as-is .asis
AddHandler cgi-script .cgi
AddHandler lua-script .lua
AddHandler imap-file .map
AddType application/x-httpd-php .phar
AddEncoding x-gzip .gz
AddLanguage de .de
AddOutputFilter INCLUDES .shtml
Substitute "s/needle/found/"
ExtFilterDefine upper mode=output cmd="/usr/bin/tr a-z A-Z"
AddOutputFilterByType INCLUDES;SUBSTITUTE;Sed;DEFLATE text/html application/xml application/json image/svg+xml
AddOutputFilterByType BROTLI_COMPRESS text/html application/json
<Location />
OutputSed "s/needle/found/"
</Location>
AddOutputFilterByType upper text/x-sub
ExpiresActive On
ExpiresByType text/html "access plus 1 year"
CheckSpelling On
DirectoryIndex index.php index.html
AddDefaultCharset UTF-8
END
}

start_loaded() {
    next_server apache
    render apache "$@"
    { other_settings; grep -vE '^(LoadModule mpm_event|Thread|MaxRequestWorkers|MinSpare|MaxSpare)' "$SERVER_DIR/apache.conf"; } >"$SERVER_DIR/all.conf"
    spawn "$SERVER" apache2 -d "$SERVER_DIR" -f "$SERVER_DIR/all.conf" -DFOREGROUND
    wait_up "$SERVER" 15 answers "$URL"
}

# A table that somebody has written to lead Apache astray: no handler, no proxy, no file elsewhere.
forge_bundle() {
    local type
    printf 'never\n' >"$T/elsewhere"
    for type in proxy:http://127.0.0.1:1/ application/x-httpd-php server-status proxy:fcgi://127.0.0.1:1/a text/html; do
        sed -i "s#\(bait.php/manifests/type-1 [^|]*|\).*#\1$type#" "$1/serve/apache.map"
        start_loaded "$1"
        ask GET /v2/bait.php/manifests/type-1
        case $type in
            proxy:* | server-status) want_error 404 MANIFEST_UNKNOWN ;;
            *) want_status 200; want_body "$T/manifest-1" ;;
        esac
        verdict "a bundle that calls a manifest $type"
        stop "$SERVER"
    done
}

# A flat copy on hosting whose other sites run programs: .htaccess is all that it can say.
start_hosted() {
    next_server apache
    {
        printf '%s\n' "ServerRoot $SERVER_DIR" "PidFile $SERVER_DIR/pid" 'ServerName localhost' "Listen $HOST" "ErrorLog $SERVER_DIR/error.log"
        other_settings
        [ "$(id -u)" -ne 0 ] || printf '%s\n' 'User www-data' 'Group www-data'
        printf '%s\n' 'TypesConfig /etc/mime.types' "DocumentRoot $1" "<Directory $1>" \
            'Options All MultiViews' 'AllowOverride FileInfo Options' 'Require all granted' '</Directory>'
    } >"$SERVER_DIR/apache.conf"
    spawn "$SERVER" apache2 -d "$SERVER_DIR" -f "$SERVER_DIR/apache.conf" -DFOREGROUND
    wait_up "$SERVER" 15 answers "$URL"
}

test_flat_copy() {
    ok_run 'a flat copy' "$STILLAGE" site -q -r "$REG" -o "$T/flat" --host apache
    start_hosted "$T/flat"
    # A tag that ends like a file in German is sent as German, which no client minds.
    eval "all_$(declare -f tags)"
    tags() { all_tags | grep -vx x.html.de; }
    find "$T/blobs" -type f ! -name html -delete # no manifest refers to them, so they do not come along
    test_content bait.php
    ask GET /
    want_status 200
    want_header x-frame-options DENY
    want_header content-security-policy "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    verdict 'the page is in no frame'
    stop "$SERVER"
}

content_tests
test_bundle
test_flat_copy
if find /usr/lib/apache2/modules -name 'libphp*.so' | grep -q .; then pass 'mod_php was among the modules'; else
    skip 1 'libapache2-mod-php is not installed' 'mod_php was among the modules'; fi
use_copies
# Apache runs it as www-data, who has to own the registry then; the responder below is this account's.
[ "$(id -u)" -ne 0 ] || chown -R www-data:www-data "$REG"
start_loaded "$REG" --push cgi --cgi "$STILLAGE_CGI"
ask GET '/v2/bait.php/tags/list?n=1'
want_status 200
want_json '.tags == ["index.html"]'
verdict 'stillage.cgi itself is still run'
stop "$SERVER"
[ "$(id -u)" -ne 0 ] || chown -R root:root "$REG"
start_responder 2
test_sent_by_cgi start_loaded "$REG" --push "fastcgi:$SOCKET" --cgi "$STILLAGE_CGI"
done_testing
