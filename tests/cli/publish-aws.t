#!/bin/bash
# What is sent to AWS's own endpoints, by its documentation: a bucket's own host name and TLS, the region, session tokens, the shared
# files with their profiles. A proxy of the tests' own answers for AWS, so nothing leaves this machine.
# shellcheck source=tests/cli/publish-common.sh
. "$(dirname "$0")/publish-common.sh"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=amazonaws.com \
    -addext 'subjectAltName=DNS:*.s3.eu-north-1.amazonaws.com,DNS:s3.eu-north-1.amazonaws.com,DNS:*.s3.us-east-1.amazonaws.com' \
    -keyout "$T/aws.key" -out "$T/aws.crt" 2>/dev/null
next_server aws
LOG=$SERVER_DIR/requests
spawn "$SERVER" python3 "$TESTS/cli/s3.py" "$PORT" AK S/K+ "$LOG" "$T/aws.crt" "$T/aws.key" eu-north-1 session/token+
wait_up "$SERVER" 15 answers "$URL"
unset AWS_REGION AWS_DEFAULT_REGION AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE AWS_IGNORE_CONFIGURED_ENDPOINT_URLS no_proxy NO_PROXY
export https_proxy=$URL HOME=$T/home
mkdir -p "$HOME/.aws"

image "$T/one" base one
image "$T/two" base two
make_registry 'trash: {keep: 0s}'
push lib/app v1 "$T/one"
publish() { stillage publish s3://images --ca "$T/aws.crt" "$@"; }
# as NAME=VALUE...: these variables alone, for `publish` with what follows --
as() {
    local set=()
    while [ "$1" != -- ]; do set+=("$1"); shift; done
    env "${set[@]}" "$STILLAGE" publish -r "$REG" --ca "$T/aws.crt" "${@:2}"
}
KEYS=(AWS_ACCESS_KEY_ID=AK AWS_SECRET_ACCESS_KEY=S/K+ AWS_SESSION_TOKEN=session/token+)
elsewhere() { grep -v "$1" "$LOG" || true; }

# ---- variables ---------------------------------------------------------------------------------------------------------

: >"$LOG"
ok_run 'credentials, token and region from variables' as "${KEYS[@]}" AWS_REGION=eu-north-1 -- --json s3://images/a
is "$(json .url)" https://images.s3.eu-north-1.amazonaws.com/a 'the bucket is in the host name'
is "$(elsewhere ' https://images\.s3\.eu-north-1\.amazonaws\.com/')" '' 'all requests go there'
ok_run 'again' as "${KEYS[@]}" AWS_DEFAULT_REGION=eu-north-1 -- --json s3://images/a
is "$(json .written)" 0 'with the other variable for the region: nothing is to be done'
: >"$LOG"
ok_run 'a bucket whose name has dots' as "${KEYS[@]}" -- --json --region eu-north-1 s3://im.ages
is "$(json .url)" https://s3.eu-north-1.amazonaws.com/im.ages 'is in the path, since no certificate covers it'
is "$(elsewhere ' https://s3\.eu-north-1\.amazonaws\.com/im\.ages')" '' 'of all requests'
fails_with 1 'AuthorizationHeaderMalformed.*--region' as "${KEYS[@]}" -- s3://images/a
fails_with 1 InvalidToken as "${KEYS[@]}" AWS_SESSION_TOKEN=old AWS_REGION=eu-north-1 -- s3://images/a
fails_with 1 SignatureDoesNotMatch as "${KEYS[@]}" AWS_SECRET_ACCESS_KEY=other AWS_REGION=eu-north-1 -- s3://images/a
fails_with 1 'certificate' env "${KEYS[@]}" AWS_REGION=eu-north-1 "$STILLAGE" publish -r "$REG" s3://images/a
fails_with 2 'no credentials' as -- s3://images/a

# ---- all that is done with a bucket --------------------------------------------------------------------------------------

export "${KEYS[@]}" AWS_REGION=eu-north-1
large big
: >"$LOG"
ok_run 'a blob in parts' publish -q
is "$(grep -c '^PUT https://images\..*/v2/big/blobs/sha256%3A.*?partNumber=.&uploadId=up%2Fload%3D' "$LOG")" 3 'three of them'
"$STILLAGE" rm -q -r "$REG" big
ok_run 'is removed' publish --delete --json
is "$(json '.removed > 5')" true '... with its image'
is "$(grep -c '^POST https://images\.s3\.eu-north-1\.amazonaws\.com/?delete' "$LOG")" 1 'several objects with one request'
"$STILLAGE" init -q "$T/back"
ok_run 'all of it comes back' "$STILLAGE" add -q -r "$T/back" --ca "$T/aws.crt" s3://images
names() { (cd "$1/www/v2" && find . -path '*/manifests/*' -o -path '*/blobs/*' | sort); }
is "$(names "$T/back")" "$(names "$REG")" 'as it was'
unset "${KEYS[@]%%=*}" AWS_REGION

# ---- files -----------------------------------------------------------------------------------------------------------

cat >"$HOME/.aws/credentials" <<'END'
# the keys
[default]
aws_access_key_id = AK
aws_secret_access_key = S/K+
aws_session_token = session/token+

[ci]
aws_access_key_id=AK
aws_secret_access_key=S/K+
aws_session_token=session/token+
[old]
aws_access_key_id = AK
aws_secret_access_key = S/K+
END
cat >"$HOME/.aws/config" <<END
[default]
region = eu-north-1
s3 =
  max_concurrent_requests = 20
  region = nowhere
output = json
[profile ci]
; the region comes from a variable
output=text
[profile config]
aws_access_key_id = AK
aws_secret_access_key = S/K+
region = eu-north-1
[profile all]
region = eu-north-1
endpoint_url = http://127.0.0.1:1/all
[profile own]
region = eu-north-1
endpoint_url = http://127.0.0.1:1/all
services = local
[services local]
dynamodb =
  endpoint_url = http://127.0.0.1:1/other
s3 =
  endpoint_url = http://127.0.0.1:1/own
END
push lib/app v1 "$T/two"
ok_run 'the files in ~/.aws' as -- --json s3://images
is "$(json '[.url, .written > 0] | tostring')" '["https://images.s3.eu-north-1.amazonaws.com",true]' 'have keys, token and region'
fails_with 1 'AuthorizationHeaderMalformed' as AWS_PROFILE=ci -- s3://images
ok_run 'a profile' as AWS_PROFILE=ci AWS_REGION=eu-north-1 -- -q s3://images
fails_with 1 InvalidToken as AWS_PROFILE=old AWS_REGION=eu-north-1 -- s3://images
fails_with 1 InvalidToken as AWS_PROFILE=config -- s3://images
fails_with 1 InvalidToken as AWS_ACCESS_KEY_ID=AK AWS_SECRET_ACCESS_KEY=S/K+ -- s3://images
fails_with 2 'no credentials' as AWS_PROFILE=none -- s3://images
mv "$HOME/.aws/credentials" "$T/keys"
mv "$HOME/.aws/config" "$T/config"
FILES=(AWS_SHARED_CREDENTIALS_FILE="$T/keys" AWS_CONFIG_FILE="$T/config")
ok_run 'files elsewhere' as "${FILES[@]}" -- -q s3://images

# endpoint WANTED NAME=VALUE...: where it would go
endpoint() { fails_with 1 "$1" as "${FILES[@]}" "${KEYS[@]}" "${@:2}" -- s3://images; }
endpoint ' http://127.0.0.1:1/all/images' AWS_PROFILE=all
endpoint ' http://127.0.0.1:1/own/images' AWS_PROFILE=own
endpoint ' http://127.0.0.1:1/any/images' AWS_PROFILE=own AWS_ENDPOINT_URL=http://127.0.0.1:1/any
endpoint ' http://127.0.0.1:1/s3/images' AWS_PROFILE=own AWS_ENDPOINT_URL=http://127.0.0.1:1/any AWS_ENDPOINT_URL_S3=http://127.0.0.1:1/s3/
ok_run 'no endpoint of variables and files' as "${FILES[@]}" "${KEYS[@]}" AWS_PROFILE=own AWS_ENDPOINT_URL=http://127.0.0.1:1 \
    AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true -- -q s3://images
done_testing
