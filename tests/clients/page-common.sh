# shellcheck shell=bash
# Sourced by the tests of the web page: a browser, and what it says.
. "$(dirname "$0")/../lib.sh"

# Python would leave a folder beside page_browser.py.
export PYTHONDONTWRITEBYTECODE=1
PICTURES=$TOP/build/page

have_browser() {
    have nginx || skip_all 'nginx is not installed'
    [ -x "$STILLAGE_CGI" ] || skip_all "$STILLAGE_CGI is not built"
    [ -x /usr/bin/chromium ] || skip_all 'chromium is not installed'
    [ -x /usr/bin/chromedriver ] || skip_all 'chromium-driver is not installed'
    /usr/bin/python3 -c 'import selenium' 2>/dev/null || skip_all 'python3-selenium is not installed'
    mkdir -p "$PICTURES"
}

# What the script looks at, axe-core looks at as well (page_browser.py).
have_axe() {
    export AXE=$TOP/build/axe.min.js
    [ -e "$AXE" ] || { unset AXE; skip 1 'axe-core is not here: tests/packages.sh gets it' 'axe-core finds every view accessible'; }
}

# browse SCRIPT [ARGUMENT...]: the checks of a script that uses page_browser.py, at URL.
browse() {
    local line rc=0
    HOME=$T TMPDIR=$T /usr/bin/python3 "tests/clients/$1" "$URL" "$PICTURES" "${@:2}" >"$T/checks" 2>"$T/browser.err" || rc=$?
    ok $rc "the browser came to the end: $*"
    while IFS= read -r line; do
        case $line in
            'ok '*) pass "${line#ok }" ;;
            'not ok '*) fail "${line#not ok }" ;;
            *) diag "$line" ;;
        esac
    done <"$T/checks"
    sed '/^Stacktrace/,$d; s/^/# /' "$T/browser.err" >&2
}

# fill_places SERVER: REG has something for each view, behind SERVER and stillage.cgi. alice may see and change everything.
fill_places() {
    REG=$T/reg
    export STILLAGE_REGISTRY=$REG
    "$STILLAGE" init -q "$REG"
    printf '%s\n' 'apache: true' 'logo: ours.png' 'accent: "#7a1f5c"' 'access:' '  - {repository: "**", push: [alice], delete: [alice], admin: [alice]}' \
        '  - {repository: "public/**", pull: [anonymous]}' >>"$REG/registry.yaml"
    printf iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg== | base64 -d >"$REG/www/ours.png"
    "$STILLAGE" upgrade-page -q
    echo alice-password | "$STILLAGE" user add -q --stdin alice
    start_with_responder "$1" 2
    ok_run 'images, charts and documents are pushed' /usr/bin/python3 tests/clients/page-data.py "$URL" alice alice-password
    "$STILLAGE" repo set -q public/hello --description 'Says hello'
    "$STILLAGE" repo set -q team/app --description 'What the team makes'
}

# From here on, everybody may see everything, and there is no process.
open_places() {
    sed -i '/^access:/,$d' "$REG/registry.yaml"
    rm "$REG/auth/htpasswd"
    "$STILLAGE" access apply -q
}
