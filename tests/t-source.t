#!/bin/bash
# The rules that the source keeps, as far as a program can check them.
. "$(dirname "$0")/lib.sh"
cd "$TOP"

# code FILE...: the code alone, "file:line:text", without comments and without what stands in quotes.
code() {
    perl -0777 -ne '
        s{/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\x27(?:\\.|[^\x27\\\n])+\x27}{my $m = $&; $m =~ s/[^\n]//g; $m}egs;
        my $n = 0;
        print map { $n++; "$ARGV:$n:$_\n" } split /\n/, $_, -1;' "$@"
}

# none DESCRIPTION PERL-REGEX FILE...: no line of code matches
none() {
    local what=$1 regex=$2 found
    shift 2
    found=$(code "$@" | perl -ne "my (undef, undef, \$code) = split /:/, \$_, 3; print if \$code =~ /$regex/" | head -n 10)
    is "$found" '' "$what"
}

none 'no function that can overrun or that splits arguments for a shell' \
    '\b(strcpy|strcat|stpcpy|sprintf|vsprintf|gets|strtok|atoi|atol|atoll|system|popen|mktemp|tmpnam|tempnam|alloca)\s*\(' \
    lib/*/*.[ch] cmd/*.[ch] cgi/*.[ch]
# A hook is another program: its process is ours until it begins.
own=$(ls lib/*/*.[ch] | grep -vx lib/registry/hook-run.c)
# shellcheck disable=SC2086
none 'lib/ prints nothing' \
    '\b(printf|vprintf|puts|putchar|dprintf|perror|psignal|syslog)\s*\(|\bstd(out|err)\b' $own
none 'lib/ does not end the process' '(?<![_\w])(exit|quick_exit|err|errx|error)\s*\(' lib/*/*.c
# shellcheck disable=SC2086
none 'lib/ does not read the environment, the arguments or standard input' \
    '\b(getenv|secure_getenv|setenv|putenv|environ|argv|argc|optarg|getopt\w*|stdin|STDIN_FILENO|getchar|scanf)\b' $own
none 'lib/ knows nothing of the programs' '#\s*include\s+"(\.\.|cmd|cgi)' lib/*/*.[ch]

# Each folder of lib/ uses those before it. Only the making of a repository asks the rules who may pull it.
upwards() {
    local folder header line before=
    for folder in base oci registry access images bundle care; do
        before+=" $folder"
        grep -Ho '#include "[^"]*"' lib/"$folder"/*.[ch] | while IFS=: read -r file line; do
            header=${line#*\"}
            case "$before " in
            *" $(basename "$(dirname "$(ls lib/*/"${header%\"}")")") "*) ;;
            *) echo "$file uses ${header%\"}" ;;
            esac
        done
    done
}
is "$(upwards)" 'lib/registry/repo.c uses access.h' 'the folders of lib/ build on each other in one direction'

none 'nothing is left to do' '\b(TODO|FIXME|XXX)\b' lib/*/*.[ch] cmd/*.[ch] cgi/*.[ch]
is "$(grep -nE '\b(TODO|FIXME|XXX)\b' lib/*/*.[ch] cmd/*.[ch] cgi/*.[ch] templates/* || true)" '' 'not in a comment either'

is "$(ls -A | grep -vxE 'cmd|lib|cgi|templates|tests|examples|build|Makefile|README\.md|LICENSE|\.(ci|git|gitignore|clang-format|clang-tidy)' || true)" \
    '' 'nothing else lies at the top level'
is "$(wc -l lib/*/*.[ch] cmd/*.[ch] cgi/*.[ch] tests/*.[ch] tests/*.t tests/*.sh | awk '$2 != "total" && $1 > 500')" '' \
    'no file has more than 500 lines'
is "$(awk 'FNR == 1 { start = 0 } /^{/ { start = FNR } /^}/ { if (start && FNR - start + 1 > 80) print FILENAME ":" start; start = 0 }' \
    lib/*/*.c cmd/*.c cgi/*.c tests/*.c)" '' 'no function has more than 80 lines'

is "$(awk 'length($0) > 110 && !/"|\\$/ { print FILENAME ":" FNR }' lib/*/*.[ch] cmd/*.[ch] cgi/*.[ch] tests/*.[ch])" '' \
    'no line has more than 110 columns, unless a text does'

# Names say where a thing is.
globals() {
    nm -g --defined-only "$TOP/build/libstillage.a" 2>/dev/null | awk 'NF == 3 { print $3 }'
}
is "$(globals | grep -v '^stl_' || true)" '' 'every symbol of lib/ begins with stl_'
is "$(nm -g --defined-only "$TOP/build/libstillage.a" 2>/dev/null | awk 'NF == 3 && $2 ~ /[BDCG]/ { print $3 }')" '' \
    'lib/ has no global variable'
is "$(objdump -t "$TOP/build/libstillage.a" 2>/dev/null | awk 'NF > 4 && $(NF - 2) ~ /^\.t?(data|bss)$/ && $NF !~ /^\./ { print $NF }')" '' \
    'and no variable that keeps its value'

is "$(for header in lib/*/*.h cgi/*.h cmd/*.h; do [ "$(head -n 1 "$header")" = '/*' ] || echo "$header"; done)" '' \
    'every header begins with what it is for'
done_testing
