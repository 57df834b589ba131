#!/bin/bash
# examples/hooks/require-signature.sh where nobody has a key: certificates of a CA like Fulcio, entries of a log like Rekor, both
# made here, in the forms of cosign; and signatures that do not count.
# shellcheck source=tests/deploy/gates-common.sh
. "$(dirname "$0")/gates-common.sh"

printf '%s\n' "KEYS=$T/none" "TRUSTED_ROOT=$T/trusted_root.json" "IDENTITIES=$T/identities" >"$HOOKS/gates.conf"

CI=https://token.actions.githubusercontent.com
WHO=https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1
MAIL=https://accounts.google.com
printf '%s\n' "$CI https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v*" "$MAIL alice@example.org" >"$T/identities"
SIGN=https://sigstore.dev/cosign/sign/v1
DATE='2023-06-01 12:00:00'

# ---- Fulcio and Rekor --------------------------------------------------------------------------------------------

cat >"$T/ca.conf" <<END_OF_CONF
[ca]
default_ca = one
[one]
new_certs_dir = $T
database = $T/index
serial = $T/serial
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = optional
[request]
distinguished_name = none
prompt = no
[none]
[sub]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
END_OF_CONF
: >"$T/index"
echo 1000 >"$T/serial"
new_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$T/$1.key"; }
# root NAME: $T/NAME.pem, a certificate that signs itself
root() {
    new_key "$1"
    openssl req -x509 -config "$T/ca.conf" -key "$T/$1.key" -subj "/CN=$1" -days 3650 -set_serial 1 -addext basicConstraints=critical,CA:TRUE -out "$T/$1.tmp" 2>>"$T/notes"
    openssl req -new -config "$T/ca.conf" -key "$T/$1.key" -subj "/CN=$1" -out "$T/$1.csr"
    issue "$1" "$1" sub "-selfsign -startdate 20200101000000Z -enddate 20500101000000Z" "/CN=$1"
}
# issue NAME CA EXTENSIONS OPTIONS SUBJECT: $T/NAME.pem, of $T/NAME.csr
issue() {
    local signer=(-cert "$T/$2.pem")
    [ "$1" != "$2" ] || signer=()
    # shellcheck disable=SC2086   # options
    openssl ca -batch -config "$T/ca.conf" -in "$T/$1.csr" -keyfile "$T/$2.key" "${signer[@]}" -extensions "$3" $4 -subj "$5" \
        -notext -out "$T/$1.pem" 2>>"$T/notes"
}
# leaf NAME CA ISSUER SAN [USAGE [OID]]: a key, and its certificate for ten minutes
leaf() {
    new_key "$1"
    openssl req -new -config "$T/ca.conf" -key "$T/$1.key" -subj /CN=x -out "$T/$1.csr"
    printf '[leaf-%s]\nkeyUsage = critical,digitalSignature\nextendedKeyUsage = %s\nsubjectAltName = critical,%s\n%s = %s\n' \
        "$1" "${5:-codeSigning}" "$4" "${6:-1.3.6.1.4.1.57264.1.8}" "$(case ${6:-8} in *1.1) printf 'DER:%s' "$(printf %s "$3" | od -An -v -tx1 | tr -d ' \n')" ;; *) echo "ASN1:UTF8String:$3" ;; esac)" >>"$T/ca.conf"
    issue "$1" "$2" "leaf-$1" "-startdate $(date -ud "$DATE" +%Y%m%d%H%M%SZ) -enddate $(date -ud "$DATE 10 minutes" +%Y%m%d%H%M%SZ)" /
}
root fulcio
root other
for name in sub other-sub; do
    new_key $name
    openssl req -new -config "$T/ca.conf" -key "$T/$name.key" -subj /CN=$name -out "$T/$name.csr"
    issue $name "$([ $name = sub ] && echo fulcio || echo other)" sub '-startdate 20200101000000Z -enddate 20500101000000Z' /CN=$name
done
new_key rekor
new_key other-log
der() { openssl x509 -in "$T/$1.pem" -outform DER | base64 -w0; }
log_key() { openssl pkey -in "$T/$1.key" -pubout -outform DER; }
for log in rekor other-log; do log_key $log | openssl dgst -sha256 -binary | base64 -w0 >"$T/$log.id"; done
# trust LOGS [CHANGE]: the trusted root
trust() {
    jq -n --arg sub "$(der sub)" --arg root "$(der fulcio)" --arg key "$(log_key rekor | base64 -w0)" --arg id "$(<"$T/rekor.id")" \
        --argjson logs "$1" '{mediaType: "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            certificateAuthorities: [{certChain: {certificates: [{rawBytes: $sub}, {rawBytes: $root}]}, validFor: {start: "2022-04-13T20:06:15.000Z"}}],
            tlogs: [{baseUrl: "https://rekor.example", publicKey: {rawBytes: $key, keyDetails: "PKIX_ECDSA_P256_SHA_256", validFor: {start: "2021-01-12T11:53:27Z"}},
                logId: {keyId: $id}}][:$logs]} | '"${2:-.}" >"$T/trusted_root.json"
}

# entry LOG TIME BODY: what the log says: $T/entry is what it signs, $T/set its signature
entry() {
    jq -njSc --arg body "$(base64 -w0 <<<"$3")" --argjson time "$2" --arg id "$(base64 -d "$T/$1.id" | od -An -v -tx1 | tr -d ' \n')" \
        '{body: $body, integratedTime: $time, logID: $id, logIndex: 123456789}' >"$T/entry"
    openssl dgst -sha256 -sign "$T/$1.key" "$T/entry" | base64 -w0 >"$T/set"
}

# ---- what cosign makes -------------------------------------------------------------------------------------------

layout app one
AT=$(date -ud "$DATE 2 minutes" +%s)
BUNDLE=application/vnd.dev.sigstore.bundle.v0.3+json

# make_bundle: $T/bundle. CERT is the certificate's name, BY the key, OF the digest, LOG and TIME the entry's; SAID, LOGGED_CERT
# and LOGGED_SIG change what the log has, AFTER (jq) the finished bundle.
make_bundle() {
    local by=${BY:-$CERT} type=application/vnd.in-toto+json sig
    printf '{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"%s"}}],"predicateType":"%s","predicate":{}}' "${OF:-${D#*:}}" "${KIND:-$SIGN}" >"$T/statement"
    { printf 'DSSEv1 %d %s %d ' ${#type} $type "$(stat -c %s "$T/statement")"; cat "$T/statement"; } >"$T/pae"
    sig=$(openssl dgst -sha256 -sign "$T/$by.key" "$T/pae" | base64 -w0)
    entry "${LOG:-rekor}" "${TIME:-$AT}" "$(jq -nc --arg kind "${SAID:-dsse}" --arg sig "${LOGGED_SIG:-$sig}" --arg cert "$(base64 -w0 "$T/${LOGGED_CERT:-$CERT}.pem")" '{
        apiVersion: "0.0.1", kind: $kind, spec: {dsse: {signatures: [{signature: $sig, verifier: $cert}]},
            intoto: {content: {envelope: {signatures: [{sig: ($sig | @base64), publicKey: $cert}]}}},
            hashedrekord: {signature: {content: $sig, publicKey: {content: $cert}}}, rekord: {}}[$kind]}')"
    jq -c --arg p "$(base64 -w0 "$T/statement")" --arg t $type --arg s "$sig" --arg c "$(der "$CERT")" --arg set "$(<"$T/set")" \
        --arg id "$(<"$T/${LOG:-rekor}.id")" --arg bundle $BUNDLE '{mediaType: $bundle, verificationMaterial: {certificate: {rawBytes: $c},
            tlogEntries: [{logIndex: (.logIndex | tostring), logId: {keyId: $id}, kindVersion: {kind: "dsse", version: "0.0.1"}, integratedTime: (.integratedTime | tostring),
                inclusionPromise: {signedEntryTimestamp: $set}, canonicalizedBody: .body}]},
          dsseEnvelope: {payload: $p, payloadType: $t, signatures: [{sig: $s}]}} | '"${AFTER:-.}" "$T/entry" >"$T/bundle"
}

# What the gate sees of a repository.
mkdir -p "$T/repo/blobs" "$T/repo/manifests" "$T/repo/referrers"
jq -nc --arg d "$D" --arg path "$T/repo" '{target: {repository: "app", digest: $d}, repositoryPath: $path, tags: ["v1"]}' >"$T/input"
echo '{"manifests":[{"digest":"sha256:1"}]}' >"$T/repo/referrers/$D"
# shellcheck disable=SC2016   # they are the arguments of sh
gate() { capture sh -c 'exec "$0" <"$1"' "$HOOKS/require-signature.sh" "$T/input"; }
accepted() { gate; is "$RC" 0 "$1"; }
refused() { gate; is "$RC $(cut -c1-24 "$T/.out")" '1 app:v1 has to be signed:' "$1"; }
# taken VERDICT DESCRIPTION: with such a bundle
taken() {
    make_bundle
    cp "$T/bundle" "$T/repo/blobs/sha256:2"
    printf '{"layers":[{"mediaType":"%s","digest":"sha256:2"}]}' $BUNDLE >"$T/repo/manifests/sha256:1"
    "$1" "$2"
}

leaf ci sub $CI "URI:$WHO"
leaf old sub $CI "URI:$WHO" codeSigning 1.3.6.1.4.1.57264.1.1
leaf mail sub $MAIL email:alice@example.org
trust 1
refused 'no signature'
CERT=ci taken accepted 'a bundle of a certificate that was valid when it signed'
CERT=old taken accepted '... whose issuer stands where it used to'
CERT=mail taken accepted '... of somebody with an address of mail'
CERT=ci SAID=intoto taken accepted '... in another form of the log'
# shellcheck disable=SC2016   # jq's
CERT=ci AFTER='.verificationMaterial.certificate as $c | .verificationMaterial.x509CertificateChain.certificates = [$c] | del(.verificationMaterial.certificate)' \
    taken accepted '... in the form of earlier bundles'

# ---- what does not count -----------------------------------------------------------------------------------------

leaf evil sub $CI URI:https://github.com/evil/app/.github/workflows/release.yml@refs/tags/v1
leaf branch sub $CI "URI:${WHO%/tags*}/heads/v1"
leaf issuer sub https://evil.example "URI:$WHO"
leaf swapped sub $CI email:alice@example.org
leaf two sub $CI "URI:$WHO,URI:https://github.com/evil"
leaf dns sub $CI "DNS:${WHO#https://}"
leaf comma sub $MAIL 'email:"x,email:alice@example.org"'
leaf tls sub $CI "URI:$WHO" serverAuth
leaf foreign other-sub $CI "URI:$WHO"
leaf below ci $CI "URI:$WHO"
leaf self other $CI "URI:$WHO"
for attempt in 'evil another identity' 'branch a branch, not a tag' 'issuer another issuer' "swapped one issuer's identity from another" 'two two identities' \
    'dns an identity of another kind' 'comma an identity that holds another' 'tls a certificate for servers' 'foreign another root' 'below a certificate made with a certificate' \
    'self another root, without anything between'; do
    CERT=${attempt%% *} taken refused "${attempt#* }"
done
printf '%s\n' "$CI $WHO" >"$T/identities"
leaf newline sub $CI "URI:$WHO" codeSigning '1.3.6.1.4.1.57264.1.4 = DER:0a0a
1.3.6.1.4.1.57264.1.8'
CERT=newline taken accepted 'whatever else the certificate says'
CERT=ci TIME=$((AT + 3600)) taken refused 'signed when the certificate had expired'
CERT=ci TIME=$((AT - 3600)) taken refused '... or before it was valid'
CERT=ci TIME=$(date +%s) taken refused '... or now'
CERT=ci OF=$(printf '%064d' 0) taken refused 'the signature of another digest'
CERT=ci KIND=https://slsa.dev/provenance/v1 taken refused 'a statement that is no signature'
CERT=ci BY=mail taken refused 'signed with another key'
CERT=ci LOG=other-log taken refused 'another log'
CERT=ci LOGGED_CERT=mail taken refused 'logged with another certificate'
CERT=ci LOGGED_SIG=AAAA taken refused 'another signature is in the log'
CERT=ci SAID=rekord taken refused 'another kind of entry'
CERT=ci AFTER="(.verificationMaterial.tlogEntries[0].integratedTime) = \"$((AT + 1))\"" taken refused 'a time that was changed'
CERT=ci AFTER='.verificationMaterial.tlogEntries = []' taken refused 'not logged'
CERT=ci AFTER='del(.verificationMaterial.tlogEntries[0].inclusionPromise)' taken refused '... without a timestamp'
CERT=ci AFTER='.verificationMaterial = {publicKey: {hint: "x"}}' taken refused 'no certificate'
CERT=ci AFTER='.verificationMaterial.certificate.rawBytes = "AAAA"' taken refused 'a certificate that is none'
trust 1 '.certificateAuthorities[0].validFor.end = "2023-01-01T00:00:00.000Z"'
CERT=ci taken refused 'a CA whose time was over'
trust 1 '.tlogs[0].publicKey.validFor.end = "2023-01-01T00:00:00Z"'
CERT=ci taken refused '... a log whose time was over'
trust 1
: >"$T/identities"
CERT=ci taken refused 'nobody may sign'
rm "$T/identities"
CERT=ci taken refused '... or no file says who'
printf '%s\n' "$CI *" >"$T/identities"
CERT=evil taken accepted 'everybody of an issuer may'

# ---- without a log, and in the form of cosign 2 ------------------------------------------------------------------

trust 0
CERT=ci taken refused 'no log is trusted: what has expired does not count'
DATE='now - 1 minute' leaf now sub $CI "URI:$WHO"
CERT=now AFTER='.verificationMaterial.tlogEntries = []' taken accepted '... and what is valid does'
trust 1

# attached CERT CHANGE: by the tag of cosign 2
attached() {
    printf '{"critical":{"identity":{"docker-reference":""},"image":{"docker-manifest-digest":"%s"},"type":"cosign container image signature"},"optional":null}' \
        "${OF:-$D}" >"$T/repo/blobs/sha256:3"
    sig=$(openssl dgst -sha256 -sign "$T/$1.key" "$T/repo/blobs/sha256:3" | base64 -w0)
    entry rekor "$AT" "$(jq -nc --arg sig "$sig" --arg cert "$(base64 -w0 "$T/$1.pem")" \
        '{apiVersion: "0.0.1", kind: "hashedrekord", spec: {signature: {content: $sig, publicKey: {content: $cert}}}}')"
    jq -c --arg s "$sig" --arg c "$(<"$T/$1.pem")" --arg set "$(<"$T/set")" '{layers: [{mediaType: "application/vnd.dev.cosign.simplesigning.v1+json", digest: "sha256:3",
        annotations: ({"dev.cosignproject.cosign/signature": $s, "dev.sigstore.cosign/certificate": $c,
            "dev.sigstore.cosign/bundle": ({SignedEntryTimestamp: $set, Payload: .} | tojson)} | '"${2:-.}"')}]}' "$T/entry" >"$T/repo/manifests/sha256-${D#*:}.sig"
}
rm "$T/repo/referrers/$D"
attached ci
accepted 'annotations of cosign 2'
attached below
refused '... with a certificate that no CA made'
OF=sha256:$(printf '%064d' 0) attached ci
refused '... of another digest'
attached ci 'del(."dev.sigstore.cosign/bundle")'
refused '... not logged'
attached ci '."dev.sigstore.cosign/bundle" |= sub("123456789"; "123456788")'
refused '... changed'

# ---- in a registry -----------------------------------------------------------------------------------------------

printf 'hooks:\n  before-manifest: %s\n' "$HOOKS/require-signature.sh" >>"$REG/registry.yaml"
"$STILLAGE" add -q "oci:$T/app" app:dev
desc='a tag in a registry' fails_with 1 "app:v1 has to be signed: push app@$D" "$STILLAGE" tag app:dev v1
CERT=ci make_bundle
cp -r "$T/app" "$T/sig"
oci_name "$T/sig" "$(EXTRA="{\"artifactType\":\"$BUNDLE\",\"subject\":$IMAGE}" oci_manifest "$T/sig" "$(empty_blob "$T/sig")" "$(oci_blob "$T/sig" $BUNDLE <"$T/bundle")")" bundle
"$STILLAGE" add -q "oci:$T/sig:bundle" app:bundle
ok_run '... is set when the bundle is there' "$STILLAGE" tag -q app:dev v1

done_testing
