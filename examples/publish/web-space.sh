#!/bin/sh
# Publishes what everybody may pull on shared web space with Apache, over rsync:
#
#   sh web-space.sh /srv/registry me@example.org:public_html [PATTERN...]
#
# The copy is kept beside the registry, so that only what has changed is written and sent. Content goes first, then the
# names that lead to it, so that readers never find a name without content; what is gone is removed at the very end.
set -eu
registry=$1 target=$2
shift 2
site=$registry.site
stillage site -q -r "$registry" -o "$site" --host apache "$@"
rsync -am --include '*/' --include 'sha*:*' --exclude '*' "$site/" "$target/"
rsync -a --delete-after "$site/" "$target/"
