#!/bin/bash
# What every command has in common: help, man page, completion, and what it says to a wrong command line.
. "$(dirname "$0")/../lib.sh"

mapfile -t COMMANDS < <("$STILLAGE" help | sed -n 's/^  \([a-z-]*\) .*/\1/p')
reg=$T/reg
"$STILLAGE" init -q --apache "$reg"
export STILLAGE_REGISTRY=$reg

# The long options of a command, by its help, its man page and the completion.
options_of_help() { sed -n '/^options:/,/^examples:/s/^ *\(-., \)\?--\([a-z-]*\).*/\2/p' | sort; }
options_of_man() { sed -n 's/^\.It \(Fl . , \)\?Fl Fl \([a-z-]*\).*/\2/p' | sort; }
# shellcheck disable=SC2016
complete_words() {
    bash -c 'source <("$1" help --completion) && COMP_WORDS=("${@:2}") && COMP_CWORD=$(($# - 2)) && _stillage &&
        printf "%s\n" "${COMPREPLY[@]}"' bash "$STILLAGE" "$@"
}

# ---- the program -------------------------------------------------------------------------------------------------

ok "$([ "${#COMMANDS[@]}" -ge 9 ]; echo $?)" "the overview lists commands: ${COMMANDS[*]}"
for flag in help --help -h; do
    capture "$STILLAGE" $flag
    is "$RC:$(wc -c <"$T/.err")" 0:0 "stillage $flag succeeds"
    like "$(<"$T/.out")" '^usage: stillage COMMAND' "stillage $flag prints the overview"
done
is "$(awk 'length > 80' "$T/.out")" '' 'the overview has 80 columns'
is "$(awk '/[ \t]$/' "$T/.out")" '' 'and no space at the end of a line'
capture "$STILLAGE" --version
like "$(<"$T/.out")" '^stillage [0-9]+\.[0-9]+\.[0-9]+$' '--version'
capture "$STILLAGE"
is "$RC" 2 'no command is wrong usage'
fails_with 2 "^stillage: there is no command 'frobnicate'" "$STILLAGE" frobnicate
fails_with 2 "there is no command 'frobnicate'" "$STILLAGE" help frobnicate
if [ -w /dev/full ]; then
    for command in help 'help --man' 'help --completion' 'ls --help' --version; do
        # shellcheck disable=SC2086,SC2016
        desc="$command to a full device fails" fails_with 1 '' sh -c '"$0" "$@" >/dev/full' "$STILLAGE" $command
    done
fi

capture "$STILLAGE" help --man
if have mandoc; then is "$(mandoc -Tlint -W warning <"$T/.out")" '' 'stillage(1) is clean'
else skip 1 'mandoc is not installed' 'stillage(1) is clean'; fi
is "$(sed -n 's/^\.It Cm //p' "$T/.out" | tr '\n' ' ')" "${COMMANDS[*]} " 'stillage(1) lists all commands'

capture "$STILLAGE" help --completion
ok_run 'the completion is a shell script' bash -n "$T/.out"
is "$(complete_words stillage '' | sort | tr '\n' ' ')" "$(printf '%s\n' --help --version "${COMMANDS[@]}" | sort | tr '\n' ' ')" \
    'it completes commands'
is "$(cd "$T" && touch some-file && complete_words stillage add some-f)" some-file 'and files'

# ---- each command ------------------------------------------------------------------------------------------------

for command in "${COMMANDS[@]}"; do
    capture "$STILLAGE" "$command" --help
    cp "$T/.out" "$T/help"
    is "$RC:$(wc -c <"$T/.err")" 0:0 "$command --help succeeds, and prints to standard output"
    like "$(head -n 1 "$T/help")" "^usage: stillage $command \[OPTION\]\.\.\." "$command --help begins with its usage"
    is "$(awk 'length > 80' "$T/help")" '' "$command --help has 80 columns"
    is "$(awk '/[ \t]$/' "$T/help")" '' "$command --help has no space at the end of a line"
    ok_run "$command -h" "$STILLAGE" "$command" -h
    is "$(<"$T/.out")" "$(<"$T/help")" "$command -h prints the same"
    ok_run "help $command" "$STILLAGE" help "$command"
    is "$(<"$T/.out")" "$(<"$T/help")" "help $command prints the same"

    ok_run "help --man $command" "$STILLAGE" help --man "$command"
    cp "$T/.out" "$T/man"
    if have mandoc; then
        is "$(mandoc -Tlint -W warning <"$T/man")" '' "stillage-$command(1) is clean"
        # What is printed has all of the text: nothing of it was taken for a request.
        mandoc -Tascii <"$T/man" | sed 's/.\x08//g' >"$T/man.txt"
        is "$(sed -n '/^examples:/,$s/^ *//p' "$T/help" | sed 1d)" \
            "$(sed -n '/^EXAMPLES/,/^SEE ALSO/s/^ *//p' "$T/man.txt" | sed '1d;$d' | grep . || true)" \
            "stillage-$command(1) has the examples as they are"
    else
        skip 2 'mandoc is not installed' "stillage-$command(1) is clean"
    fi
    words=$(options_of_help <"$T/help")
    like "$words" '(^|.)help' "$command has options"
    is "$(options_of_man <"$T/man")" "$words" "help and man page of $command name the same options"
    is "$(complete_words stillage "$command" -- | sed 's/^--//' | sort)" "$words" "and so does the completion"

    desc="$command refuses an unknown option" fails_with 2 "no option '--nonsense': see 'stillage $command --help'$" \
        "$STILLAGE" "$command" --nonsense
    desc="$command refuses an unknown letter" fails_with 2 "no option '-%'" "$STILLAGE" "$command" -%
    desc="$command refuses an unknown letter before others" fails_with 2 "no option '-%'" "$STILLAGE" "$command" -%h
    desc="$command --help takes no argument" fails_with 2 "'--help' takes no argument" "$STILLAGE" "$command" --help=1
    while read -r option; do
        desc="$command $option needs its argument" fails_with 2 "option '$option' needs an argument" \
            "$STILLAGE" "$command" "$option"
    done < <(sed -n '/^options:/,/^examples:/s/^ *\(-., \)\?\(--[a-z-]*\) [^ ].*/\2/p' "$T/help" | grep -xF -f <(
        sed -n 's/^\.It .*Fl Fl \([a-z-]*\) Ar .*/--\1/p' "$T/man") || true)
    while read -r option; do
        desc="$command $option can be given once" fails_with 2 "option '$option' is given twice: see" \
            "$STILLAGE" "$command" "$option" x "$option=x"
    done < <(sed -n '/[.]\{3\}$/d; s/^\.It .*Fl Fl \(registry\|host\|ref\|title\|expires\|prefix\) Ar .*/--\1/p' "$T/man")
done

# ---- arguments ---------------------------------------------------------------------------------------------------

while read -r line; do
    read -ra words <<<"$line"
    desc="stillage $line is wrong usage" fails_with 2 '^stillage' "$STILLAGE" "${words[@]}"
done <<'END'
init
init a b
add
ls a b
ls Wrong
show
show a b
show -- --x
tag
tag a:1
tag a b
rm
rm -q
rm A
config
config lighttpd
config nginx apache
config nginx --listen a;b
config nginx --push cgi
config nginx --tls-key x
config nginx --server-name $host
serve x
serve --workers 0
serve --workers many
gc x
verify x
END

cd "$T"
unset STILLAGE_REGISTRY
desc='no registry is wrong usage' fails_with 2 '^stillage: which registry' "$STILLAGE" ls
desc='a folder that is none fails' fails_with 1 'is not a registry' "$STILLAGE" ls -r "$T"
desc='so does one that is not there' fails_with 1 'there is no registry at .*/none, and no folder: .stillage init. makes one' "$STILLAGE" ls -r "$T/none"
# shellcheck disable=SC2016
for dir in 'a b' 'a$b' 'a$1' 'a%2' 'a,b' 'a;b' 'a"b' $'a\nb'; do
    mkdir "$T/$dir"
    "$STILLAGE" init -q --apache "$T/$dir"
done
ok_run 'an option whose argument is written with dots can be repeated' "$STILLAGE" prune -r "$reg" \
    --tags 'a*' --tags 'b*' --keep-newest 1
desc='after a short form, too' fails_with 2 "option '--registry' is given twice" "$STILLAGE" ls -r "$reg" --registry "$reg"
ok_run 'a switch can be repeated' "$STILLAGE" ls -r "$reg" -j --json
ok_run 'a path with a space can be served' "$STILLAGE" config nginx -r "$T/a b"
ok_run 'also by Apache' "$STILLAGE" config apache -r "$T/a b"
fails_with 2 "'.*a.b' holds a '\\$', which a configuration of nginx cannot hold: use another path" "$STILLAGE" config nginx -r "$T/a\$b"
ok_run 'Apache minds it only' "$STILLAGE" config apache -r "$T/a\$b"
fails_with 2 "holds a '\\$', which a configuration of Apache cannot hold before a digit" "$STILLAGE" config apache -r "$T/a\$1"
fails_with 2 "holds a '%'" "$STILLAGE" config apache -r "$T/a%2"
fails_with 2 "holds a ','" "$STILLAGE" config apache -r "$T/a,b"
for dir in 'a;b' 'a"b' $'a\nb'; do
    for server in nginx apache; do fails_with 1 'which a configuration file cannot hold' "$STILLAGE" config $server -r "$T/$dir"; done
done
if [ -x "$STILLAGE_CGI" ]; then
    desc='stillage.cgi by hand says what it is' fails_with 2 'to be started by a web server' env -i "$STILLAGE_CGI"
    like "$(env -i "$STILLAGE_CGI" --help)" 'takes pushes .*STILLAGE_REGISTRY=DIR' '... and --help says how it is run'
fi
done_testing
