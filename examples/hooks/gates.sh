#!/bin/sh
# Several gates, one after the other: every executable file in gates.d/ beside this one, in the order of names. The first that
# refuses decides.
#
#     cp common.sh gates.sh require-signature.sh require-sbom.sh /usr/local/lib/stillage/
#     cd /usr/local/lib/stillage && mkdir gates.d
#     printf '#!/bin/sh\nexec /usr/local/lib/stillage/require-signature.sh\n' >gates.d/10-signature && chmod 755 gates.d/*
#
# In registry.yaml:
#
#     hooks:
#       before-manifest: /usr/local/lib/stillage/gates.sh
#       time-limit: 5m
set -eu

here=$(dirname "$0")
input=$(cat)
for gate in "$here"/gates.d/*; do
    [ ! -x "$gate" ] || printf '%s' "$input" | "$gate" || exit
done
