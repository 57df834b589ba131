#!/bin/bash
# The web page in a browser, on nginx with stillage.cgi: every view, searching, sorting, copying, logging in, changing,
# and what strangers have written. Pictures of the views are left in build/page/ for a person to look at.
# shellcheck source=tests/clients/page-common.sh
. "$(dirname "$0")/page-common.sh"

have_browser
have_axe
REG=$T/reg
export STILLAGE_REGISTRY=$REG

"$STILLAGE" init -q --title 'Images of Example' "$REG"
cat >>"$REG/registry.yaml" <<'END'
access:
  - {repository: "**", push: [alice], delete: [alice], admin: [alice]}
  - {repository: "public/**", pull: [anonymous]}
quotas:
  - {repository: "made/**", size: 20MB, tags: 5}
END
echo alice-password | "$STILLAGE" user add -q --stdin alice
start_with_responder nginx 2
ok_run 'images, charts and documents are pushed' /usr/bin/python3 tests/clients/page-data.py "$URL" alice alice-password
"$STILLAGE" repo set -q public/evil --description "<img src=x onerror=document.title='pwned'> <script>document.title='pwned'</script> $(printf '\xe2\x80\xae\xd7\x90%.0s' {1..50})"
"$STILLAGE" repo set -q public/hello --description 'Says hello'
"$STILLAGE" tag -q public/many:0.0.0 $(seq -f '0.%g.0' 300)

browse page.py
find "$REG/www" -name _details -delete
browse page.py without
rm "$REG/www/page-api.js"
"$STILLAGE" verify -q >"$T/found" && rc=0 || rc=$?
is "$rc" 1 'verify misses a file of the page'
like "$(<"$T/found")" 'needs a file that is missing' '... and says so'
ok_run 'verify --repair brings back a file of the page' "$STILLAGE" verify -q --repair
ok_run '... as it was' cmp templates/page/page-api.js "$REG/www/page-api.js"
sed -i 's/^title: .*/title: Others/' "$REG/registry.yaml"
printf 'accent: "#7a1f5c"\nlogo: ours.png\n' >>"$REG/registry.yaml"
ok_run 'upgrade-page renews it' "$STILLAGE" upgrade-page -q
like "$(<"$REG/www/index.html")" '<img src="ours.png"' '... with its logo'
like "$(<"$REG/www/index.html")" 'name="accent" content="#7a1f5c"' '... and its accent'
like "$(<"$REG/www/index.html")" '<title>Others</title>' '... with the title of registry.yaml'

# A registry that is open to everybody; page.py waits for a line before it looks for the first image.
REG=$T/open
export STILLAGE_REGISTRY=$REG
"$STILLAGE" init -q "$REG"
start_with_responder nginx 1
mkfifo "$T/go"
{ wait_for 60 grep -q 'empty: fits' "$T/checks" && "$STILLAGE" add -q "oci:$(cached hello)" hello:v1 && echo; } >"$T/go" 2>&1 &
: >"$T/checks"
browse page.py open <"$T/go"
done_testing
