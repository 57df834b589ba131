#!/bin/sh
# Publishes what everybody may pull on a static host, with the host's own command, which has to be installed and logged in:
#
#   sh static-host.sh netlify|cloudflare-pages|firebase /srv/registry PROJECT [PATTERN...]
#
# PROJECT is the host's own name for the site. Each of them switches from the old upload to the new one in one step.
set -eu
host=$1 registry=$2 project=$3
shift 3
site=$registry.$host
stillage site -q -r "$registry" -o "$site" --host "$host" "$@"
case $host in
    netlify) netlify deploy --prod --no-build --site "$project" --dir "$site" ;;
    cloudflare-pages) wrangler pages deploy "$site" --project-name "$project" ;;
    firebase) cd "$site" && firebase deploy --only hosting --project "$project" ;;
esac
