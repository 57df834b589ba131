#!/bin/bash
# Addresses, methods, headers and installations, right and wrong: every error has its status, code and message, and
# nothing that a client sends is a 500.
. "$(dirname "$0")/cgi-common.sh"

make_registry
push_image app v1 one
push_image lib/app/x v1 one
UUID=00000000-0000-4000-8000-000000000000

# ---- addresses -------------------------------------------------------------------------------------------------------

for path in /v2/ /v2 '/v2/?x=y' '/%76%32/'; do
    cgi GET "$path"
    want_status 200
    want_header content-type application/json
    want_header docker-distribution-api-version registry/2.0
    want_header content-length 2
    verdict "GET $path"
done
for path in / '' v2/ /v1/ /v3/ /v2x /V2/ /v2/app /v2/app/ /v2/app/tags /v2/app/tags/ /v2/app/tags/list/ /v2/app/tags/x \
    /v2/app/manifests /v2/app/manifests/ /v2/app/blobs/ /v2/app/referrers/ /v2/manifests/v1 /v2//manifests/v1 /v2/app/x/v1 \
    '/v2/app/blobs/uploads//' /v2/tags/list; do
    cgi GET "$path"
    want_error 404 UNSUPPORTED
    verdict "GET '$path' is no address"
done
for name in App a..b a/../b ../a a//b -a a- a_-b .a a. a___b a/ 'a%2fb' 'a%5cb' 'a%00b' 'a%0ab' 'a%0d%0aX:y' a%20b 'a%' 'a%4' 'a%zz' \
    'a%c3%a9' 'a%c3' 'a%ff' "$(printf '\303\251')" 'a*b' 'a?b' "$(printf 'a%.0s' {1..256})" %41pp; do
    cgi GET "/v2/$name/tags/list"
    want_error '400|404' 'NAME_INVALID|UNSUPPORTED'
    verdict "the name '${name:0:30}'"
done
cgi GET "/v2/$(printf 'a%.0s' {1..255})/tags/list"
want_error 404 NAME_UNKNOWN
verdict 'a name of 255 characters'
cgi GET "/v2/$(printf 'a/%.0s' {1..127})a/tags/list"
want_error 404 NAME_UNKNOWN
verdict 'a name of 128 parts'
for path in /v2/app/manifests/v1 '/v2/a%70p/manifests/%761' /v2/lib/app/x/manifests/v1; do
    cgi GET "$path"
    want_status 200
    verdict "GET $path"
done
for path in /v2/app/../../registry.yaml /v2/app/blobs/../../../../registry.yaml '/v2/app/manifests/..%2f..%2f_catalog' \
    /v2/app/manifests/.. /v2/_manifests/x/tags/list /v2/app/_manifests/tags/list; do
    cgi GET "$path"
    want_error '400|404'
    verdict "GET $path"
done
cgi GET "/v2/$(head -c 70000 /dev/zero | tr '\0' a)/tags/list"
want_error 414
verdict 'an address of 70000 bytes'
cgi GET "/v2/app/tags/list?$(head -c 70000 /dev/zero | tr '\0' a)=1"
want_error 414
verdict 'a query of 70000 bytes'
cgi GET "/v2/app/tags/list?$(printf 'a=%s&' {1..200})"
want_error 414
verdict 'a query of 200 parameters'
for query in '%' 'n=%0a' 'last=%00' 'n=1&last=%0d%0aX-Evil:%201' 'last=%7f' 'account=%zz'; do
    cgi GET "/v2/app/tags/list?$query"
    want_error 400
    want_no_header x-evil
    verdict "the query '$query'"
done
for query in '?' '?&&' '?=' '?n' '?&n=1&' '?n=1=1' '?unknown=1' '?account=J%C3%B6rg%20B' '?last=%ff'; do
    cgi GET "/v2/app/tags/list$query"
    want_status '200|400'
    verdict "the query '$query' is no trouble"
done

# Servers that do not pass REQUEST_URI
cgi GET '' SCRIPT_NAME=/v2 PATH_INFO=/app/manifests/v1
want_status 200
verdict 'SCRIPT_NAME and PATH_INFO'
cgi GET '' SCRIPT_NAME= PATH_INFO=/v2/app/tags/list QUERY_STRING=n=0
want_status 200
want_json '.tags == []'
verdict 'with a query'
cgi GET '' PATH_INFO=$'/v2/a\npp/tags/list'
want_error 400 NAME_INVALID
verdict 'PATH_INFO, which is decoded, with a control character'
cgi GET '' PATH_INFO=/v2/app%2fx/tags/list
want_error 400 NAME_INVALID
verdict 'PATH_INFO is not decoded twice'

# ---- methods ---------------------------------------------------------------------------------------------------------

refused() { # METHOD PATH ALLOW
    cgi "$1" "$2" CONTENT_LENGTH=0
    want_error 405 UNSUPPORTED
    want_header allow "$3"
    verdict "$1 $2"
}
refused POST /v2/ 'GET, HEAD'
refused PUT /v2/_catalog 'GET, HEAD'
refused DELETE /v2/app/tags/list 'GET, HEAD'
refused POST /v2/app/manifests/v1 'GET, HEAD, PUT, DELETE'
refused PATCH /v2/app/manifests/v1 'GET, HEAD, PUT, DELETE'
refused GET /v2/app/blobs/uploads/ POST
refused PUT /v2/app/blobs/uploads/ POST
refused POST /v2/app/blobs/uploads/$UUID 'GET, HEAD, PATCH, PUT, DELETE'
refused PUT "/v2/app/blobs/$EMPTY" 'GET, HEAD, DELETE'
refused PUT "/v2/app/referrers/$EMPTY" 'GET, HEAD'
refused get /v2/ 'GET, HEAD'
refused '' /v2/ 'GET, HEAD'
refused "$(printf 'X%.0s' {1..5000})" /v2/ 'GET, HEAD'
refused $'GET\r\nX-Evil: 1' /v2/ 'GET, HEAD'
want_no_header x-evil
verdict 'a method does not make a header'

# ---- errors ----------------------------------------------------------------------------------------------------------

cgi GET /v2/app/manifests/none
want_error 404 MANIFEST_UNKNOWN
want_json '.errors | length == 1 and (.[0] | .detail.name == "app" and .detail.reference == "none")'
want_header cache-control no-store
want_header content-length "$(stat -c %s "$T/b")"
verdict 'an error says what it is about'
cgi HEAD /v2/app/manifests/none
want_status 404
want_header_like content-length '^[1-9]'
[ ! -s "$T/b" ] || PROBLEMS+=('a body')
verdict 'the error of a HEAD has no body'
for path in manifests/v1 "manifests/$EMPTY" "blobs/$EMPTY" tags/list; do
    cgi GET "/v2/nobody/$path"
    want_error 404 NAME_UNKNOWN
    verdict "nobody/${path:0:16}"
done
cgi GET "/v2/app/blobs/$EMPTY"
want_error 404 BLOB_UNKNOWN
verdict 'a blob that is not there'
cgi GET "/v2/app/manifests/$EMPTY"
want_error 404 MANIFEST_UNKNOWN
verdict 'a manifest that is not there'
cgi GET /v2/app/blobs/sha256:xyz
want_error 400 DIGEST_INVALID
verdict 'a digest that is none'
cgi GET '/v2/app/blobs/%22%3Cscript%3E'
want_error 400
want_header x-content-type-options nosniff
want_json '.errors[0].detail.reference == "\"<script>"'
verdict 'what was asked for is quoted as JSON'
is "$(cat "$T/cgi.err")" '' 'errors of a client are not in the server log'

# ---- the installation ------------------------------------------------------------------------------------------------

GOOD=$REG
broken() { # DESCRIPTION LOG
    cgi GET /v2/app/tags/list
    want_error 503 UNKNOWN
    want_json '.errors[0].message | test("administrator.*log$")'
    [[ $(<"$T/b") != *"$T"* ]] || PROBLEMS+=("the answer shows a path: $(body)")
    [[ $(<"$T/cgi.err") =~ $2 ]] || PROBLEMS+=("the log has: $(<"$T/cgi.err")")
    verdict "$1"
}
REG=
broken 'no STILLAGE_REGISTRY' 'STILLAGE_REGISTRY is not set'
REG=$T/nowhere
broken 'a registry that is not there' "cannot open registry $T/nowhere"
mkdir "$T/empty"
REG=$T/empty
broken 'a folder that is no registry' 'is not a registry'
mkdir "$T/bad"
REG=$T/bad
printf 'version: 1\nnonsense: 3\n' >"$REG/registry.yaml"
broken 'a wrong registry.yaml: the log has file and line' 'registry.yaml:2: unknown key'
printf 'version: 9\n' >"$REG/registry.yaml"
broken 'a registry of a newer version' 'version 9'
REG=$GOOD

"$STILLAGE_CGI" --help >"$T/out" 2>&1 </dev/null && rc=0 || rc=$?
is "$rc" 0 'started by hand it says what it is'
like "$(<"$T/out")" 'web server' 'in words'
# Apache passes a query without '=' as arguments.
cgi GET '/v2/?--workers+5' && env -i STILLAGE_REGISTRY="$REG" REQUEST_METHOD=GET REQUEST_URI='/v2/?--workers+5' \
    "$STILLAGE_CGI" --workers 5 </dev/null | grep -q '^Status: 200' && rc=0 || rc=$?
ok "$rc" 'arguments of a CGI mean nothing'

# ---- traps in the tree -----------------------------------------------------------------------------------------------

echo secret >"$T/secret"
ln -s "$T/secret" "$REG/www/v2/app/blobs/$EMPTY"
cgi GET "/v2/app/blobs/$EMPTY"
want_status '4..|5..'
[[ $(<"$T/b") != *secret* ]] || PROBLEMS+=('it was followed')
verdict 'a link in the place of a blob'
rm "$REG/www/v2/app/blobs/$EMPTY"
mkfifo "$REG/www/v2/app/blobs/$EMPTY"
cgi GET "/v2/app/blobs/$EMPTY"
want_status '4..|5..'
verdict 'a pipe in the place of a blob'
rm "$REG/www/v2/app/blobs/$EMPTY"
ln -s "$T/secret" "$REG/www/v2/app/manifests/evil"
cgi GET /v2/app/manifests/evil
want_error 500 UNKNOWN
[[ $(<"$T/b") != *secret* ]] || PROBLEMS+=('it was followed')
verdict 'a link to somewhere else in the place of a tag'
mkdir "$T/other"
ln -s "$T/other" "$REG/www/v2/linked"
printf x >"$T/x"
send "$T/x" POST "/v2/linked/sub/blobs/uploads/?digest=$(digest "$T/x")"
want_status '4..|5..'
is "$(ls -A "$T/other")" '' 'nothing is written through a link to a folder'
chmod 000 "$REG/www/v2/app/tags" 2>/dev/null
if [ "$(id -u)" -ne 0 ]; then
    put_manifest "$T/image" app v9
    want_error 503
    verdict 'what may not be written'
fi
chmod 755 "$REG/www/v2/app/tags"

done_testing
