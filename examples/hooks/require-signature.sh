#!/bin/sh
# A gate: protected tags (common.sh) are set only if one of these keys has signed the manifest, as cosign does.
#
#     KEYS=/etc/stillage/signers        a folder of public keys, *.pub: cosign's, or openssl pkey -pubout
#
# Signatures count in all forms that cosign keeps them in: its tag sha256-<hex>.sig, referrers of that form, and bundles
# (cosign 3). So: push by digest or under another tag, sign with 'cosign sign --key', then set the tag. Keys may be ECDSA,
# RSA or Ed25519. Signatures without a key of one's own count where a trusted root is given, and who may sign: keyless.sh.
. "$(dirname "$0")/common.sh"
. "$here/keyless.sh"

KEYS=${KEYS:-/etc/stillage/signers}
protected || exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Whether a key has signed $work/payload: $work/signature.
is_signed_by() {
    case $(openssl pkey -pubin -in "$1" -noout -text 2>/dev/null) in
        ED25519*) openssl pkeyutl -verify -pubin -inkey "$1" -rawin -in "$work/payload" -sigfile "$work/signature" ;;
        ?*) openssl dgst -sha256 -verify "$1" -signature "$work/signature" "$work/payload" ;;
        *) false ;;
    esac >/dev/null 2>&1
}

is_signed() {
    for key in "$KEYS"/*.pub; do
        is_signed_by "$key" && return 0
    done
    is_signed_keyless
}

# A layer that is a payload, whose signature is an annotation. What it signs stands in the payload, and nowhere else.
check_layer() {
    said() { printf '%s' "$1" | jq -r --arg key "$2" '.annotations[$key] // ""'; }
    said "$1" dev.cosignproject.cosign/signature | base64 -d >"$work/signature" 2>/dev/null || return 1
    said "$1" dev.sigstore.cosign/certificate | openssl x509 -outform DER >"$work/certificate" 2>/dev/null
    said "$1" dev.sigstore.cosign/bundle | jq -c '.Payload + {timestamp: .SignedEntryTimestamp}' >"$work/entry" 2>/dev/null
    cp "$FOLDER/blobs/$(printf '%s' "$1" | jq -r .digest)" "$work/payload" 2>/dev/null && is_signed &&
        jq -e --arg d "$DIGEST" '.critical.type == "cosign container image signature" and
            .critical.image["docker-manifest-digest"] == $d' "$work/payload" >/dev/null 2>&1
}

# A layer that is a bundle: an envelope (DSSE) around a statement about what is signed.
check_bundle() {
    bundle=$FOLDER/blobs/$(printf '%s' "$1" | jq -r .digest)
    [ -f "$bundle" ] && jq -e '.dsseEnvelope.payload | strings' "$bundle" >/dev/null 2>&1 || return 1
    type=$(jq -r '.dsseEnvelope.payloadType // ""' "$bundle")
    jq -r .dsseEnvelope.payload "$bundle" | base64 -d >"$work/statement" 2>/dev/null || return 1
    { printf 'DSSEv1 %d %s %d ' "${#type}" "$type" "$(wc -c <"$work/statement")"; cat "$work/statement"; } >"$work/payload"
    jq -e --arg d "${DIGEST#sha256:}" '.predicateType == "https://sigstore.dev/cosign/sign/v1" and
        any(.subject[]?; .digest.sha256 == $d)' "$work/statement" >/dev/null 2>&1 || return 1
    jq -r '.verificationMaterial | .certificate.rawBytes? // .x509CertificateChain.certificates[0].rawBytes? // ""' "$bundle" |
        base64 -d >"$work/certificate" 2>/dev/null
    log=$(jq -r '.verificationMaterial.tlogEntries[0]?.logId.keyId // ""' "$bundle" | base64 -d 2>/dev/null | od -An -v -tx1 | tr -d ' \n')
    jq -c --arg log "$log" '.verificationMaterial.tlogEntries[0] // {} | {body: .canonicalizedBody, logID: $log, timestamp: .inclusionPromise.signedEntryTimestamp?,
        integratedTime: (.integratedTime | tonumber?), logIndex: (.logIndex | tonumber?)}' "$bundle" >"$work/entry" 2>/dev/null
    jq -r '.dsseEnvelope.signatures[:10][]?.sig' "$bundle" >"$work/signatures"
    while read -r signature; do
        printf '%s' "$signature" | base64 -d >"$work/signature" 2>/dev/null && is_signed && return 0
    done <"$work/signatures"
    return 1
}

attached "$DIGEST" sig | while read -r file; do
    jq -c '.layers[:20][]? | {digest, mediaType, annotations}' "$file"
done >"$work/layers"
while IFS= read -r layer; do
    case $(printf '%s' "$layer" | jq -r .mediaType) in
        application/vnd.dev.cosign.simplesigning.v1+json) check_layer "$layer" && exit 0 ;;
        application/vnd.dev.sigstore.bundle*) check_bundle "$layer" && exit 0 ;;
    esac
done <"$work/layers"
refuse "$REPOSITORY:$TAG has to be signed: push $REPOSITORY@$DIGEST, sign that with cosign and one of the keys known here, then set the tag"
