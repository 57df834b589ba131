#!/bin/bash
# The rules that the source keeps, as far as a program can check them.
. "$(dirname "$0")/../lib.sh"
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
own=$(ls lib/*/*.[ch] | grep -vx lib/push/hook-run.c)
# shellcheck disable=SC2086
none 'lib/ prints nothing' \
    '\b(printf|vprintf|puts|putchar|dprintf|perror|psignal|syslog)\s*\(|\bstd(out|err)\b' $own
none 'lib/ does not end the process' '(?<![_\w])(exit|quick_exit|err|errx|error)\s*\(' lib/*/*.c
# shellcheck disable=SC2086
none 'lib/ does not read the environment, the arguments or standard input' \
    '\b(getenv|secure_getenv|setenv|putenv|environ|argv|argc|optarg|getopt\w*|stdin|STDIN_FILENO|getchar|scanf)\b' $own
none 'lib/ knows nothing of the programs' '#\s*include\s+"(\.\.|cmd|cgi)' lib/*/*.[ch]

# Each folder uses those before it and none behind it; cmd/ and cgi/ are the programs and know nothing of each other. In lib/
# no module leads back to itself: a module is a header with its source. Other folders use the headers that are the face of a
# folder; each other header says "Only lib/FOLDER uses this". Prints what is against that, from the #include lines.
arrows() {
    perl -e '
        my (%rank, %home, %uses, %own, %brings, %face, @bad);
        my @folders = map { "lib/$_" } @ARGV;
        @rank{@folders} = 0 .. $#folders;
        @rank{"cmd", "cgi"} = (@folders + 0) x 2;
        for my $header (map { glob "$_/*.h" } @folders) {
            my ($folder, $name) = $header =~ m{(.*)/(.*)};
            push @bad, "$header: $home{$name} has one of that name" if $home{$name};
            $home{$name} = $folder;
            open my $in, "<", $header or die "$header: $!";
            my ($comment) = join("", <$in>) =~ m{^(.*?)\*/}s;
            $own{$name} = $1 if $comment =~ m{Only[\s*]+(lib/\w+)[\s*]+uses[\s*]+this\.};
            push @bad, "$header: it is not in $own{$name}" if $own{$name} && $own{$name} ne $folder;
        }
        my %listed = map { $_ => 1 } @folders;
        push @bad, map { "$_ has no place in the order" } grep { -d && !$listed{$_} } glob "lib/*";
        for my $file (map { glob "$_/*.[ch]" } sort keys %rank) {
            my ($folder, $module) = $file =~ m{(.*)/(.*)\.[ch]$};
            open my $in, "<", $file or die "$file: $!";
            for (<$in>) {
                my ($name) = /^\s*#\s*include\s*"([^"]+)"/ or next;
                next if $name =~ m{^\.\./\.\./templates/};
                my $from = -e "$folder/$name" ? $folder : $home{$name};
                if (!defined $from) { push @bad, "$file: there is no $name"; next }
                push @bad, "$file uses $from/$name"
                    if $from ne $folder && ($rank{$from} >= $rank{$folder} || $own{$name});
                $face{$name} = 1 if $from ne $folder;
                push @{$brings{"$module.h"}}, $name if $file =~ /\.h$/;
                (my $used = "$from/$name") =~ s{\.h$}{};
                $uses{"$folder/$module"}{$used} = 1 if $folder =~ /^lib/ && $used ne "$folder/$module";
            }
        }
        my @open = keys %face;
        while (my $name = pop @open) {
            push @open, grep { !$face{$_}++ } @{$brings{$name} || []};
        }
        push @bad, map { "$home{$_}/$_ does not say that only $home{$_} uses it" } grep { !$face{$_} && !$own{$_} } sort keys %home;
        my %reached;
        for my $module (keys %uses) {
            my @next = keys %{$uses{$module}};
            while (my $used = pop @next) {
                push @next, keys %{$uses{$used} || {}} unless $reached{$module}{$used}++;
            }
        }
        my %told;
        for my $module (sort keys %reached) {
            next if !$reached{$module}{$module} || $told{$module};
            my @circle = grep { $reached{$module}{$_} && $reached{$_}{$module} } sort keys %reached;
            @told{@circle} = (1) x @circle;
            push @bad, "a circle: @circle";
        }
        print map { "$_\n" } @bad;' -- "$@"
}
is "$(arrows base http oci config store access push publish remote source add bundle export import records maintain gc verify replica site)" '' \
    'the folders of lib/ and the programs build on each other in one direction, and so do the modules of lib/'

# What a file calls does not lead back to it, as the linker sees it. The table of the commands calls nothing: it only names them.
call_circles() {
    perl -e '
        my (%home, %calls, %reached, %told);
        for my $object (@ARGV) {
            (my $file = $object) =~ s{^build/(.*)\.o$}{$1};
            next if $file eq "cmd/commands";
            for (`nm $object`) {
                my ($kind, $name) = /(\S) (\S+)$/ or next;
                $home{$name} = $file if $kind =~ /[TDBRC]/;
                $calls{$file}{$name} = 1 if $kind eq "U";
            }
        }
        for my $file (keys %calls) {
            my @next = $file;
            while (my $from = pop @next) {
                for my $to (map { $home{$_} // () } keys %{$calls{$from}}) {
                    push @next, $to unless $to eq $from || $reached{$file}{$to}++;
                }
            }
        }
        for my $file (grep { $reached{$_}{$_} && !$told{$_} } sort keys %reached) {
            my @circle = grep { $reached{$file}{$_} && $reached{$_}{$file} } sort keys %reached;
            @told{@circle} = (1) x @circle;
            print "@circle\n";
        }' "$@"
}
objects() { ls "$@" | sed 's,^\(.*\)\.c$,build/\1.o,'; }
# shellcheck disable=SC2046   # names without spaces
is "$(call_circles $(objects lib/*/*.c cmd/*.c); call_circles $(objects lib/*/*.c cgi/*.c))" '' \
    'no file of lib/, cmd/ or cgi/ leads back to itself by what it calls'

# A step that can fail has a line of its own.
is "$(perl -0777 -ne 'print "$ARGV: $&\n" while /(?:return|=) [^;{}?]*\berr\)\s*\|\|[^;{}?]*\|\|[^;{}?]*\berr\)\s+\? -1\s+: 0;/g' lib/*/*.c cmd/*.c cgi/*.c)" \
    '' 'no sequence of steps is the condition of a result'

is "$(perl -0777 -ne '
    while (/\bif (\((?:[^()"\x27]++|"(?:\\.|[^"\\])*"|\x27(?:\\.|[^\x27\\])+\x27|(?1))*+\))/g) {
        my ($steps, $at) = ($1, $-[0]);
        $steps =~ s/stl_json_\w+(\((?:[^()]++|(?1))*+\))//g;
        print "$ARGV:", 1 + (substr($_, 0, $at) =~ tr/\n//), "\n" if 3 < grep { /\berr\)/ } split /\|\|/, $steps;
    }' lib/*/*.c cmd/*.c cgi/*.c)" '' 'no condition has more than three steps that can fail, but for members of JSON'

is "$(grep -ln '\bEINTR\b' lib/*/*.c cmd/*.c cgi/*.c | tr '\n' ' ')" \
    'lib/base/io.c lib/base/message.c lib/push/blobs.c lib/push/fetcher.c lib/push/hook-run.c lib/source/archive.c cmd/password.c cgi/workers.c ' \
    'calls that a signal interrupts are repeated in lib/base, but for copies in the kernel and waits that have a limit'

# Where a name is also a key of JSON, or a part of a URL, only review can tell.
is "$(grep -nE '"(\.\./|%s/)?(www|_manifests|_refs|store|uploads|imports|snapshots|trash/|locks|auth/|log|reserve|frozen|tmp|_catalog|_ping)[/"]' \
    lib/{store,access,push,publish,source,add,bundle,export,import,records,maintain,gc,verify,replica,site}/*.c cgi/*.c cmd/{ls,rm,replicate,serve,snapshot,show}.c |
    grep -vE '^lib/store/layout|: *(/?\*|//)|object_add|/\* ' || true)" '' 'paths of the registry stand in lib/store/layout.h alone'

# The compiler's own limits.h includes the next one of that name, quoted.
is "$(cd "$(gcc -print-file-name=include)" && ls -- *.h | grep -Fx "$(cd "$TOP" && basename -a lib/*/*.h)" || true)" '' \
    'no header has the name of one that the compiler brings'

none 'nothing is left to do' '\b(TODO|FIXME|XXX)\b' lib/*/*.[ch] cmd/*.[ch] cgi/*.[ch]
is "$(grep -nE '\b(TODO|FIXME|XXX)\b' lib/*/*.[ch] cmd/*.[ch] cgi/*.[ch] templates/*.* templates/page/* || true)" '' 'not in a comment either'

is "$(grep -ln '1\.\.0 # SK[I]P' tests/*/*.t || true)" '' 'what is skipped is noted (skip_all), for the end of the run'

is "$(ls -A | grep -vxE 'cmd|lib|cgi|templates|tests|examples|build|Makefile|README\.md|LICENSE|\.(ci|git|gitignore|clang-format|clang-tidy)' || true)" \
    '' 'nothing else lies at the top level'
is "$(wc -l lib/*/*.[ch] cmd/*.[ch] cgi/*.[ch] tests/*/*.[ch] tests/*/*.t tests/*.sh tests/*/*.sh | awk '$2 != "total" && $1 > 500')" '' \
    'no file has more than 500 lines'
is "$(awk 'FNR == 1 { start = 0 } /^{/ { start = FNR } /^}/ { if (start && FNR - start + 1 > 80) print FILENAME ":" start; start = 0 }' \
    lib/*/*.c cmd/*.c cgi/*.c tests/*/*.c)" '' 'no function has more than 80 lines'

is "$(awk 'length($0) > 110 && !/"|\\$/ { print FILENAME ":" FNR }' lib/*/*.[ch] cmd/*.[ch] cgi/*.[ch] tests/*/*.[ch])" '' \
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

is "$(grep -HoE '^static [a-z_0-9 *]*[ *][a-z_0-9]+\(' lib/*/*.c cmd/*.c cgi/*.c | sed -E 's/:.*[ *]/ /' | sort -u |
    awk '{ print $2 }' | sort | uniq -c | awk '$1 > 3')" '' 'no name of a static function stands in more than three files'

is "$(for header in lib/*/*.h cgi/*.h cmd/*.h; do [ "$(head -n 1 "$header")" = '/*' ] || echo "$header"; done)" '' \
    'every header begins with what it is for'
done_testing
