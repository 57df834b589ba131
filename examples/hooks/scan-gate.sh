#!/bin/sh
# A gate for pushes: refuses an image with private keys or credentials among its files. In registry.yaml:
#
#     hooks:
#       before-manifest: /usr/local/lib/stillage/scan-gate.sh
#
# The manifest becomes visible only if this exits with 0; else the client is shown the first line of output. Standard input is
# a JSON document (lib/push/hook.h); the layers lie in its "repositoryPath". A scanner can be called where the names are
# checked, and so can a check of signatures:
#
#     trivy rootfs --exit-code 1 --severity CRITICAL "$unpacked"
#
# Needs jq and GNU tar.
set -eu

FORBIDDEN='(^|/)(id_(rsa|dsa|ecdsa|ed25519)|\.aws/credentials|\.netrc|\.pypirc|\.docker/config\.json|[^/]*\.(p12|pfx))$|(^|/)etc/ssl/private/.'

input=$(cat)
ask() { printf '%s' "$input" | jq -r "$1"; }

blobs=$(ask .repositoryPath)/blobs
ask '.manifest.layers[]? | select(.mediaType | test("tar")) | .digest' | while read -r digest; do
    # A non-distributable layer comes from elsewhere, and need not be there.
    [ -e "$blobs/$digest" ] || continue
    # tar detects how a layer is compressed.
    found=$(tar -tf "$blobs/$digest" | grep -E "$FORBIDDEN" | head -n 1) || true
    if [ -n "$found" ]; then
        echo "layer $digest holds '$found': take it out of the image, and do not use that secret any more"
        exit 1
    fi
done
