#!/bin/bash
# README.md and examples/README.md: short enough for one sitting, their links lead somewhere, their commands and options exist, and
# those that need no network run as they stand.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
cd "$T"
README=$TOP/README.md MANUAL=$TOP/examples/README.md
export PATH=$TOP/build:$PATH

is "$(($(wc -l <"$README") <= 250))" 1 'the README has at most 250 lines'

# ---- links --------------------------------------------------------------------------------------------------------

# anchors FILE: of its headings
anchors() { sed -n 's/^##* //p' "$1" | tr '[:upper:]' '[:lower:]' | sed 's/[^a-z0-9 -]//g; s/ /-/g'; }
# dead FILE: links that lead nowhere
dead() {
    local target file
    grep -oE '\]\([^)]+\)' "$1" | sed 's/^](\(.*\))$/\1/' | while read -r target; do
        file=${target%%#*}
        file=${file:+${1%/*}/$file}
        file=${file:-$1}
        [ -e "$file" ] || echo "$target"
        case $target in *'#'*) anchors "$file" | grep -qx -- "${target#*#}" || echo "$target" ;; esac
    done
}
is "$(tr '\n' ' ' <"$README" >"$T/one"; dead "$README")" '' 'every link of the README leads somewhere'
is "$(dead "$MANUAL")" '' 'and so does every one of the manual'
printf '[a](nowhere.md) [b](#no-heading)\n' >"$T/dead.md"
is "$(dead "$T/dead.md" | paste -sd ' ')" 'nowhere.md #no-heading' 'a dead link is noticed'
# shellcheck disable=SC2016
for word in $(grep -ohE '`(examples|lib|tests|cmd|cgi|templates)/[A-Za-z0-9_./-]+`' "$README" "$MANUAL" "$TOP/lib/SECURITY.md" | tr -d '\140' | sort -u); do
    [ -e "$TOP/$word" ] || echo "$word"
done >"$T/missing"
is "$(<"$T/missing")" '' 'every file that they name is there'

# ---- commands and options -----------------------------------------------------------------------------------------

# commands FILE: lines of code, one command each, without comments
commands() {
    awk '/^    / { sub(/^ +/, ""); if (sub(/ \\$/, "")) { line = line $0; next } print line $0; line = "" }' "$1" | sed 's/ \{2,\}#.*//'
}
# unknown FILE: commands of stillage that do not exist, and options that their help does not name
unknown() {
    local line command option
    commands "$1" | grep -oE '(^|\| |\$ )stillage [a-z].*' | sed 's/^[|$] //' | while read -r line; do
        read -r _ command _ <<<"$line"
        stillage "$command" --help >"$T/help" 2>&1 || { echo "$command"; continue; }
        for option in $(grep -oE -- ' --[a-z][a-z-]*' <<<"${line%% -- *}" || true); do
            grep -qE -- "$option\b" "$T/help" || echo "$command $option"
        done
    done
}
is "$(unknown "$README")" '' 'the README names commands and options that exist'
is "$(unknown "$MANUAL")" '' 'and so does the manual'
printf '    stillage ls --nonsense\n    stillage nonsense\n' >"$T/wrong.md"
is "$(unknown "$T/wrong.md" | paste -sd ';')" 'ls --nonsense;nonsense' 'others are noticed'
# shellcheck disable=SC2013,SC2016
for target in $(grep -ohE '(`|^    |&& )make [a-z][a-z-]*' "$README" "$MANUAL" | grep -oE '[a-z-]+$' | sort -u); do
    grep -qE "^$target:" "$TOP/Makefile" || echo "$target"
done >"$T/missing"
is "$(<"$T/missing")" '' 'the targets of make exist'

# ---- what runs as it stands ---------------------------------------------------------------------------------------

# section TITLE: its commands, except those that need a network, docker or systemd; /srv becomes $T
section() {
    sed -n "/^## $1\$/,/^## /p" "$README" >"$T/section"
    commands "$T/section" | grep '^stillage ' | grep -vE 'docker|s3:|mirror\.example|serve|/etc/nginx' | sed "s|/srv/|$T/|g"
}
mkdir build
"$STILLAGE" init -q "$T/far"
export STILLAGE_REGISTRY=$T/registry
cp -r "$(cached hello)" build/app
mapfile -t lines < <(section 'Publish images'; echo 'stillage add oci:build/app team/app:v1.0'; section 'Carry images'; section 'Look after it')
for line in "${lines[@]}"; do ok_run "$line" bash -c "$line"; done
is "$((${#lines[@]} > 14))" 1 'the README has commands'

# The settings of the registry for a team.
sed -n '/^    projects:/,/^$/p' "$README" | sed 's/^    //' >>"$T/registry/registry.yaml"
for user in alice bob; do echo geheim-genug | stillage user add -q --stdin $user; done
ok_run 'its settings are accepted' stillage access apply
for question in 'bob team/app push' 'alice team/app delete' 'anonymous team/app pull'; do
    # shellcheck disable=SC2086
    ok_run "$question" stillage access check $question
done
capture stillage access check anonymous team/app push
is "$RC" 1 'but not everybody may push'
done_testing
