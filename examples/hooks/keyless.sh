# shellcheck shell=sh
# shellcheck disable=SC2154   # here, work: they belong to who sources it
# Sourced by require-signature.sh: signatures without a key of one's own ('cosign sign' in a CI job). The key lives for a few
# minutes. A certificate of Fulcio says whose it was, and Rekor, a log, when it was used. This asks nobody: it knows what is in
#
#     TRUSTED_ROOT=/etc/stillage/trusted_root.json   the certificates of Fulcio and the keys of Rekor: the file that cosign and
#                                                    gh use, too ('cosign trusted-root create', 'gh attestation trusted-root')
#     IDENTITIES=/etc/stillage/identities            who may sign, a line for each: the issuer, then who, in which * stands for
#                                                    anything, also '/':
#                https://token.actions.githubusercontent.com https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v*
#
# Where the trusted root has logs (tlogs), the signature has to be in one of them, with its signed entry timestamp, and the
# certificate has to have been valid then. Without logs, it has to be valid when the tag is set. Entries of Rekor 2, which have
# no such timestamp, do not count.

TRUSTED_ROOT=${TRUSTED_ROOT:-/etc/stillage/trusted_root.json}
IDENTITIES=${IDENTITIES:-/etc/stillage/identities}

# What the trusted root has of $1 (an array of it) that was valid at the time $2; $3 is where that stands.
trusted() {
    jq -c --arg what "$1" --argjson at "$2" "def time: sub(\"\\\\.[0-9]+\"; \"\") | fromdate;
        .[\$what][]? | select($3 | (.start // \"1970-01-01T00:00:00Z\" | time) <= \$at and ((.end | not) or (.end | time) >= \$at))" "$TRUSTED_ROOT"
}

# Whether a log has $work/signature by $work/certificate: $work/entry is what it says of that. Sets SIGNED_AT.
is_logged() {
    SIGNED_AT=$(jq -r '.integratedTime | numbers | floor' "$work/entry")
    [ -n "$SIGNED_AT" ] || return 1
    jq -jSc '{body, integratedTime, logIndex, logID}' "$work/entry" >"$work/logged"
    jq -r .timestamp "$work/entry" | base64 -d >"$work/timestamp" 2>/dev/null || return 1
    log=$(jq -r .logID "$work/entry")
    trusted tlogs "$SIGNED_AT" '.publicKey.validFor // {}' | while read -r line; do
        [ "$(printf '%s' "$line" | jq -r .logId.keyId | base64 -d | od -An -v -tx1 | tr -d ' \n')" = "$log" ] || continue
        printf '%s' "$line" | jq -r .publicKey.rawBytes | base64 -d >"$work/log-key"
        openssl dgst -sha256 -verify "$work/log-key" -keyform DER -signature "$work/timestamp" "$work/logged" && echo yes
    done 2>/dev/null | grep -q yes || return 1
    jq -e --arg signature "$(base64 -w0 <"$work/signature")" --arg certificate "$(base64 -w0 <"$work/certificate")" '.body | @base64d | fromjson |
        {hashedrekord: [.spec.signature? | [.content?, .publicKey.content?]],
         dsse: [.spec.signatures[]? | [.signature, .verifier]],
         intoto: [.spec.content.envelope.signatures[]? | [(.sig | @base64d), .publicKey]]}[.kind] |
        any(.[]; .[0] == $signature and (.[1] | @base64d | gsub("-----[A-Z ]*-----|\\s"; "")) == $certificate)' "$work/entry" >/dev/null 2>&1
}

# Whether Fulcio has made the certificate, and it was valid then.
is_of_root() {
    trusted certificateAuthorities "$SIGNED_AT" '.validFor // {}' | jq -r '.certChain.certificates[].rawBytes |
        "-----BEGIN CERTIFICATE-----\n\(.)\n-----END CERTIFICATE-----"' >"$work/roots.pem"
    openssl x509 -inform DER -in "$work/certificate" -out "$work/certificate.pem" &&
        openssl verify -no-CApath -no-CAstore -CAfile "$work/roots.pem" -attime "$SIGNED_AT" "$work/certificate.pem"
}

# Whether it says that it is for one of those who may sign.
is_known() {
    od -An -v -tu1 "$work/certificate" | jq -s . | jq -rf "$here/certificate.jq" >"$work/who" 2>/dev/null && read -r said who <"$work/who" || return 1
    while read -r issuer pattern; do
        [ "$issuer" = "$said" ] || continue
        # shellcheck disable=SC2254
        case $who in $pattern) return 0 ;; esac
    done <"$IDENTITIES"
    return 1
}

# Whether $work/signature is that of $work/payload, by somebody who may sign, in whose name $work/certificate (DER) was made.
is_signed_keyless() {
    [ -s "$work/certificate" ] && [ -f "$TRUSTED_ROOT" ] && [ -f "$IDENTITIES" ] || return 1
    openssl x509 -inform DER -in "$work/certificate" -noout -pubkey >"$work/key.pem" 2>/dev/null && is_signed_by "$work/key.pem" || return 1
    SIGNED_AT=$(date +%s)
    ! jq -e '.tlogs[]?' "$TRUSTED_ROOT" >/dev/null || is_logged || return 1
    is_of_root >/dev/null 2>&1 && is_known
}
