#!/bin/bash
# README.md and examples/README.md: short enough for one sitting, their links lead somewhere, their commands and options exist, and
# those that need no network run as they stand.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
cd "$T"
README=$TOP/README.md MANUAL=$TOP/examples/README.md
export PATH=$TOP/build:$PATH

is "$(($(wc -l <"$README") < 200))" 1 'the README has less than 200 lines'

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
    awk '/^    / { sub(/^ +/, ""); if (sub(/ \\$/, "")) { line = line $0 " "; next } print line $0; line = "" }' "$1" | sed 's/ \{2,\}#.*//'
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

# What takes a network, another machine, a domain or root, and which test does the same; the rest runs here.
elsewhere() {
    case $1 in
        *' make quickstart') echo deploy/check-on.sh ;;
        'make && make install') echo deploy/deb.t ;;
        'make deb && '*) echo deploy/deb-life.sh ;;
        'make image && '* | 'docker run '* | 'docker exec '*) echo deploy/image.t ;;
        'apt-get install nginx-light certbot' | certbot\ * | 'cd /usr/local/'* | 'sh nginx-fastcgi/install.sh '* | 'systemctl '*) echo deploy/deploy.t ;;
        'stillage user add bob') echo cli/user.t ;;
        \$EDITOR\ *) echo text/readme.t ;;
        'docker login '* | 'docker push '* | 'docker pull '*) echo clients/tutorial.t ;;
        \$\ stillage\ * | 'made an empty '* | 'added hello'* | 'serving registry '*) echo deploy/check-on.sh ;;
        'stillage add docker://'*) echo add/add-docker.t ;;
        'stillage publish s3:'*) echo cli/publish.t ;;
        'stillage replicate '*) echo cli/replicate.t ;;
        'stillage push '*' docker://'*) echo add/push-registry.t ;;
        'stillage serve -r /media/'*) echo bundle/bundle-serve.t ;;
        'export '* | projects:* | '- name:'* | visibility:* | maintainer:* | developer:* | immutable:*) echo text/readme.t ;;
    esac
}
commands "$README" >"$T/commands"
: >"$T/absent"
while read -r line; do
    where=$(elsewhere "$line")
    [ -n "$where" ] || printf '%s\n' "$line"
    [ -z "$where" ] || [ -e "$TESTS/$where" ] || echo "$where" >>"$T/absent"
done <"$T/commands" >"$T/here"
is "$(<"$T/absent")" '' 'the tests are there that run what this one does not'
is "$(grep -cv '^stillage \|^docker save ' "$T/here" || true)" 0 'and all else is for stillage'

# Everything below /srv and /etc is in $T, and `docker save` has been run before.
sed -i "s|/srv/|$T/|g; s|/etc/nginx/conf.d/|$T/|" "$T/here"
mkdir build bin
cp -r "$(cached hello)" build/app
skopeo copy -q oci:build/app docker-archive:app.tar:lib/app:1.0 2>"$T/.err"
printf '#!/bin/sh\n[ "$*" = "save lib/app:1.0" ] && cat "%s/app.tar"\n' "$T" >bin/docker
chmod 0755 bin/docker
PATH=$T/bin:$PATH
"$STILLAGE" init -q "$T/far"
export STILLAGE_REGISTRY=$T/registry
# Rules come last: for them there has to be a registry with users.
mapfile -t lines < <(grep -vE "^stillage (token|access) " "$T/here")
for line in "${lines[@]}"; do
    [[ $line != 'stillage export '* ]] || ok_run 'what is carried is there' stillage add -q oci:build/app team/app:v1.0
    ok_run "$line" bash -c "$line"
done
is "$((${#lines[@]} > 18))" 1 'the README has commands'

# The settings of the registry for a team.
sed -n '/^    projects:/,/^$/p' "$README" | sed 's/^    //' >>"$T/registry/registry.yaml"
for user in alice bob; do echo geheim-genug | stillage user add -q --stdin $user; done
mapfile -t lines < <(grep -E "^stillage (token|access) " "$T/here")
for line in "${lines[@]}"; do ok_run "$line" bash -c "$line"; done
is "${#lines[@]}" 3 'so have rules'
for question in 'bob team/app push' 'alice team/app delete' 'anonymous team/app pull'; do
    # shellcheck disable=SC2086
    ok_run "$question" stillage access check $question
done
capture stillage access check anonymous team/app push
is "$RC" 1 'but not everybody may push'
done_testing
