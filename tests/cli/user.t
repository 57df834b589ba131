#!/bin/bash
# stillage user: passwords from standard input or a terminal, never from arguments; htpasswd and web servers understand it.
. "$(dirname "$0")/../lib.sh"

REG=$T/reg
"$STILLAGE" init -q "$REG"
export STILLAGE_REGISTRY=$REG
HTPASSWD=$REG/auth/htpasswd

add() { printf '%s\n' "$2" | "$STILLAGE" user add --stdin "$1"; }
passwd() { printf '%s\n' "$2" | "$STILLAGE" user passwd --stdin "$1"; }
verify() { htpasswd -vb "$HTPASSWD" "$1" "$2"; }

capture add alice 'correct horse'
is "$RC" 0 'user add --stdin'
like "$(<"$T/.err")" 'access control.*configuration' 'the first user: a hint to print the configuration again'
like "$(<"$T/.err")" 'nobody may do anything yet' '... and to write rules'
ok_run 'Apache understands the file' verify alice 'correct horse'
desc='... and that password only' fails_with 3 'verification failed' verify alice wrong
is "$(stat -c %a "$HTPASSWD")" 600 'only the account may read it'

desc='a user twice' fails_with 1 "already: 'stillage user passwd'" add alice x
ok_run 'user passwd' passwd alice 'other words'
ok_run '... the new password counts' verify alice 'other words'
desc='passwd of nobody' fails_with 1 "no user 'bob'" passwd bob x
desc='an empty password' fails_with 1 'empty' add bob ''
desc='73 bytes, of which bcrypt would ignore one' fails_with 1 'no more than 72' add bob "$(printf '%073d' 0)"
desc='a colon in the name' fails_with 1 'invalid' add a:b x
desc='a word of the rules' fails_with 1 'cannot be a user name' add anonymous x
desc='no terminal, no --stdin' fails_with 2 'use --stdin' setsid "$STILLAGE" user add bob
desc='a password among the arguments' fails_with 2 'one name' "$STILLAGE" user add bob secret
for arguments in '' add rm 'ls x' 'frobnicate x'; do
    # shellcheck disable=SC2086
    desc="user $arguments" fails_with 2 'see .stillage user --help' "$STILLAGE" user $arguments
done

ok_run 'another user' add bob secret
"$STILLAGE" user ls >"$T/ls"
is "$(<"$T/ls")" $'alice\nbob' 'user ls'

# What the CGI or another command may have left of somebody goes with them.
"$STILLAGE" token create -q --user bob --repository '**' >"$T/token"
ok_run 'user rm' "$STILLAGE" user rm bob
is "$("$STILLAGE" user ls)" alice '... is gone'
is "$("$STILLAGE" token ls)" '' '... and so are the tokens'
capture "$STILLAGE" user rm alice
like "$(<"$T/.err")" 'nobody may do anything; to open the registry to everybody, delete .*auth/htpasswd' 'the last user: a hint'
capture "$STILLAGE" access check anonymous lib/app pull
is "$RC" 1 '... and the registry stays closed'
rm "$HTPASSWD"
ok_run '... until somebody deletes the file' "$STILLAGE" access check anonymous lib/app pull
add alice 'other words' >/dev/null 2>&1
desc='user rm of nobody' fails_with 1 "no user 'bob'" "$STILLAGE" user rm bob

# Removal is complete, or says what is left, and can be repeated.
printf 'access:\n  - {repository: "**", pull: [al, alice2]}\n' >>"$REG/registry.yaml"
capture add al secret
is "$(<"$T/.err")" '' 'somebody whom a rule names'
capture add alice2 secret
capture add erin secret
like "$(<"$T/.err")" 'erin has no rights of their own yet: add a rule' 'somebody whom none does: a hint'
for user in al alice alice2; do "$STILLAGE" token create -q --user $user --repository '**' >"$T/token-$user"; done
damaged=$(printf 'd%.0s' {1..64})
echo '{' >"$REG/auth/robots/$damaged"
capture "$STILLAGE" user rm alice
is "$RC" 3 'a file that may be a token of theirs: done in part'
like "$(<"$T/.err")" "auth/robots/$damaged.*repeat the command" '... which is said'
is "$("$STILLAGE" user ls | paste -sd,)" al,alice2,erin '... the password is gone'
capture "$STILLAGE" token ls -j
is "$RC,$(jq -r '.[].user' "$T/.out" | paste -sd,)" 3,al,alice2 '... and the token that could be read, nobody else'"'"'s'
capture "$STILLAGE" user rm alice
is "$RC" 1 'the same again, with nothing done'
capture "$STILLAGE" token rm "${damaged:0:12}"
is "$RC" 3 'the damaged token goes'
like "$(<"$T/.err")" 'could not be read' '... with a warning'
desc='then there is nothing left' fails_with 1 "no user 'alice', nor a token" "$STILLAGE" user rm alice
ok_run 'tokens of somebody without a password' "$STILLAGE" token create -q --user ci --repository '**'
ok_run '... go as well' "$STILLAGE" user rm ci
for user in al alice2 erin; do ok_run "the rest: $user" "$STILLAGE" user rm -q $user; done
is "$("$STILLAGE" token ls)" '' '... leaves no token'
add alice 'other words' >/dev/null 2>&1
on_read_only_disk='mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'
if [ "$(id -u)" -eq 0 ] && unshare --mount true 2>/dev/null; then
    capture "$(command -v unshare)" --mount sh -c "$on_read_only_disk" sh "$REG" "$STILLAGE" user rm alice
    is "$RC" 1 'where nothing can go'
    is "$("$STILLAGE" user ls)" alice '... nothing is gone'
else skip 2 'mounting takes root' 'where nothing can go'; fi

# On a terminal: the pseudo-terminal of script(1). Each answer is given once the question is there.
on_terminal() {
    local fifo=$T/keys$RANDOM
    mkfifo "$fifo"
    script -qfec "'$STILLAGE' user $1 $2" "$T/screen" <"$fifo" >/dev/null 2>&1 &
    exec {keys}>"$fifo"
    wait_for 10 grep -q "Password for $2: " "$T/screen"
    printf '%s\n' "$3" >&"$keys"
    wait_for 10 grep -q 'Repeat the password: ' "$T/screen"
    printf '%s\n' "$4" >&"$keys"
    exec {keys}>&-
    wait $!
}
: >"$T/screen"
ok_run 'user add on a terminal' on_terminal add carol sesame sesame
ok_run '... asks for the password' verify carol sesame
unlike "$(<"$T/screen")" sesame '... and does not show it'
: >"$T/screen"
capture on_terminal add dave one two
is "$RC" 2 'two passwords that differ'
like "$(<"$T/screen")" 'passwords differ' '... are refused'
is "$("$STILLAGE" user ls)" $'alice\ncarol' '... and nothing is stored'

done_testing
