#!/bin/bash
# Completion in bash, zsh and fish: commands, options, and the names of repositories and tags. That each command has its options
# there is t-help.t's.
. "$(dirname "$0")/../lib.sh"
. "$TESTS/images.sh"

reg=$T/reg
"$STILLAGE" init -q "$reg"
image_hello "$T/hello"
"$STILLAGE" add -q -r "$reg" "oci:$T/hello" lib/app:1.0 lib/app:2.0 tools:x
mkdir "$T/empty" "$T/bin"
ln -s "$STILLAGE" "$T/bin/stillage"
PATH=$T/bin:$PATH
cd "$T/empty"

fails_with 2 "there is no completion for 'ksh'" "$STILLAGE" help --completion ksh
is "$("$STILLAGE" help --completion)" "$("$STILLAGE" help --completion bash)" 'bash is what is not named'
is "$("$STILLAGE" version)" "$("$STILLAGE" --version)" 'stillage version'

# cases COMPLETE: it takes the words of a command line, bash's way of dividing them, and prints what the last may become.
cases() {
    is "$("$1" stillage hel | tr '\n' ' ')" 'help ' "$1: commands"
    is "$("$1" stillage ls -r "$reg" li | tr '\n' ' ')" 'lib/app ' "$1: repositories"
    is "$("$1" stillage ls -r "$reg" '' | sort | tr '\n' ' ')" 'lib/app tools ' "$1: all of them"
    if [ "$1" = in_bash ]; then
        is "$("$1" stillage show -r "$reg" lib/app : | tr '\n' ' ')" '1.0 2.0 ' "$1: tags"
        is "$("$1" stillage show -r "$reg" lib/app : 2 | tr '\n' ' ')" '2.0 ' "$1: one of them"
    else
        is "$("$1" stillage show -r "$reg" lib/app: | tr '\n' ' ')" 'lib/app:1.0 lib/app:2.0 ' "$1: tags"
        is "$("$1" stillage show -r "$reg" lib/app:2 | tr '\n' ' ')" 'lib/app:2.0 ' "$1: one of them"
    fi
    is "$("$1" stillage user -r "$reg" '')" '' "$1: users are no repositories"
    is "$("$1" stillage ls --j | tr '\n' ' ')" '--json ' "$1: options"
}

in_bash() {
    # shellcheck disable=SC2016
    bash -c 'source <(stillage help --completion bash) && COMP_WORDS=("$@") && COMP_CWORD=$(($# - 1)) && _stillage &&
        printf "%s\n" "${COMPREPLY[@]}"' bash "$@" | sed '/^$/d'
}
# What zsh's own functions would be given; it chooses among that by itself.
in_zsh() {
    zsh -fc 'compadd() { shift; print -rl -- $@ }
        _describe() { print -rl -- ${commands%%:*} }
        _files() { : }
        words=(stillage "") CURRENT=2 PREFIX=
        eval "$(stillage help --completion zsh)" >/dev/null
        words=("$@") CURRENT=$# PREFIX=${@[-1]}
        _stillage' zsh "$@" | grep -e "^${*: -1}" || true
}
in_fish() { fish --no-config -c 'stillage help --completion fish | source; complete -C "$argv"' -- "$@" | cut -f 1; }

for shell in bash zsh fish; do
    if have $shell; then cases in_$shell; else skip 7 "$shell is not installed" "in_$shell"; fi
done
done_testing
