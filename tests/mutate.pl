#!/usr/bin/perl
# Puts one small mistake at a time into the source and runs the nearest tests: what none of them notices is reported.
#
#   mutate.pl [--count N | --each N] [--quick] [--seed SEED] [--changed COMMIT] [FILE...]
#
# The mistakes (mutants) are chosen at random from all that can be made in FILEs (or FILE:LINE, FILE:FROM-TO: in these lines), or
# in lib/, cmd/, cgi/ and the templates of nginx and Apache: N of all, or with --each N of each folder; with --changed, only from
# the lines that have changed since COMMIT. The same SEED chooses the same ones. It works in a copy of the tree. With --quick, only
# tests that take a moment are run, where a file has any.
# mutate-tests says which tests are the nearest; mutate-equivalent lists mutants that change nothing, with the reason. What
# the compiler makes the same program of counts as equivalent, too.
# Status 1 if a mutant has survived.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename;
use File::Temp;
use Getopt::Long;
use List::Util qw(min);
use Time::HiRes qw(time);

my ($count, $each, $quick, $seed, $changed) = (20);
GetOptions('count=i' => \$count, 'each=i' => \$each, quick => \$quick, 'seed=i' => \$seed, 'changed=s' => \$changed)
    or die "usage: mutate.pl [--count N | --each N] [--quick] [--seed SEED] [--changed COMMIT] [FILE...]\n";
$seed //= int(time) % 100000;
srand($seed);
$| = 1;
$ENV{MALLOC_PERTURB_} = 165; # what is read beyond an end, or was given back, is not zero
chdir dirname(abs_path($0)) . '/..' or die "cannot enter the source tree: $!\n";

# ---- mutants: {file, line, operator, before, after} -----------------------------------------------------------------

# The line with the insides of strings, characters and comments blanked, so that positions stay.
sub masked {
    my ($line, $in_comment) = @_;
    $line =~ s{("(?:[^"\\]|\\.)*")}{'"' . ' ' x (length($1) - 2) . '"'}ge;
    $line =~ s{('(?:[^'\\]|\\.)+')}{"'" . ' ' x (length($1) - 2) . "'"}ge;
    if ($$in_comment) {
        if ($line =~ s{^(.*?\*/)}{' ' x length $1}e) { $$in_comment = 0 }
        else { return '' }
    }
    $line =~ s{(/\*.*?\*/)}{' ' x length $1}ge;
    $$in_comment = 1 if $line =~ s{/\*.*}{};
    return $line;
}

# Where the parenthesis that opens at $at closes, or -1.
sub closing {
    my ($text, $at) = @_;
    my $depth = 0;
    for my $i ($at .. length($text) - 1) {
        my $c = substr $text, $i, 1;
        $depth++ if $c eq '(';
        return $i if $c eq ')' && --$depth == 0;
    }
    return -1;
}

my %weaker = ('<' => '<=', '<=' => '<', '>' => '>=', '>=' => '>');
my %opposite = ('==' => '!=', '!=' => '==', '&&' => '||', '||' => '&&');
# What memory and descriptors were taken for is given back: sanitizers, valgrind and leftovers.t watch that.
my $gives_back = qr/\b\w*(?:free|object_put|close|cleanse|bzero|clear|drop|destroy)\w*\(/;
# Two that call nothing can be swapped without anybody noticing, or not without the compiler noticing.
my $statement = qr/^ {4,}(?!return|break|continue|goto|case|else|if|for|while|do|static|const|struct|STL_)[\w*(>.\[\]-]+[^{}]*\([^{}]*;$/;

# What returns a descriptor.
my $opens = qr/(?:stl_(?:dir_(?:open|make)|registry_lock\w*)|open(?:at)?|socket|accept4?)\(/;

# The order of an object's members means nothing, nor that of headers with different names ...
my $member = qr/^ +(?:json_object_object_add|stl_json_set_\w+|add_(?:bounded_text|id|string|copy)|set_time|response_header)\(([&\w>.-]+),/;
# ... nor that of what two variables are set to, if it is only made up of other values.
my $value = qr/^ +(?:[A-Z_]+ )?(?:const )?(?:struct \w+ |\w+ )?\**([\w>.-]+) = (?:stl_(?:strn?dup|v?sprintf|buf_\w+)|json_object_\w+|str\w+)\(/;

my $least = qr/\b([\w>.-]+) ([<>]) (?:([\w>.-]+) \? (?:\1 : \3|\3 : \1)|([\w>.-]+) \? (?:\1 - \4|\4 - \1) : 0)(?![\w>.-])/;

# All replacements [start, length, text, operator] on one line. $descriptors: names that this function has for descriptors,
# which are never 0 (that one is open from the start): whether 0 is asked for as well makes no difference.
sub on_line {
    my ($code, $descriptors) = @_;
    my @found;
    $code =~ s{(\bceiling = )(\d+ << 2\d)}{$1 . '_' x length $2}ge; # nothing is so large
    # So is it with the room of an array that is declared, beyond what is needed.
    my $room = $code =~ /^ +(?!return)(?:const |static |struct )*\w+ \**[^=(]*\[([^\]]*)/ ? [@-, @+] : undef;
    substr($code, $$room[1], $$room[3] - $$room[1]) =~ tr/0-9/_/ if $room;
    $code =~ s{($descriptors )([<>]=?) 0\b}{$1 . ' ' x length($2) . ' _'}ge;
    # Of two that are the same, either is the smaller or the larger one, and none is their difference.
    $code =~ s{$least}{"$1 " . ' ' x length($2) . substr $&, length("$1 $2")}ge;
    if ($code =~ /^ +(?:\} else )?if \(/g) {
        my $open = pos($code) - 1;
        my $close = closing($code, $open);
        push @found, [$open + 1, $close - $open - 1, '!(' . substr($code, $open + 1, $close - $open - 1) . ')', 'condition inverted']
            if $close > 0;
    }
    pos($code) = 0;
    push @found, [$-[1], length $1, $weaker{$1}, 'comparison weakened'] while $code =~ / ([<>]=?) (?!\w+\.h)/g;
    push @found, [$-[1], 2, $opposite{$1}, 'condition changed'] while $code =~ /(==|!=|&&|\|\|)/g;
    push @found, [$-[1], length $1, $1 + 1, 'constant changed'] while $code =~ /(?<![\w.{-])(\d+)(?![\w.])/g;
    push @found, [$-[1], length $1, '0', 'error swallowed'] while $code =~ /\breturn (-1);/g;
    push @found, [$-[0], length $&, 'LOCK_SH', 'lock weakened'] while $code =~ /\bLOCK_EX\b/g;
    push @found, [$-[1], length $1, $1 eq 'true' ? 'false' : 'true', 'flag changed'] while $code =~ /[(,] ?(true|false)(?=[,)])/g;
    push @found, [$-[1], length $1, ';', 'call dropped']
        if $code =~ /^ +((?:\(void\))?[a-z_]\w*\(.*\);)$/ && $code !~ $gives_back && $code !~ /^ +(?:return|abort)\b/;
    return @found;
}

# Of a web server's configuration: [text, operator] instead of one line; undef: the line is left out.
sub in_template {
    my ($line) = @_;
    return if $line =~ /^\s*(#|$)/;
    my @found;
    push @found, [undef, 'line dropped'] unless $line =~ /[{}]\s*(#.*)?$|^\s*<|\\$/;
    push @found, ["$`$1$'", 'anchor dropped'] if $line =~ /([" (|])\^(?=[^ ])/;
    push @found, ["$`$1$'", 'anchor dropped'] if $line =~ /\$([" ])/;
    push @found, ["$`$1" . ($2 + 1) . $', 'status changed'] if $line =~ /(\breturn |R=|=|ErrorDocument )([2-5]\d\d)\b/;
    return @found;
}

sub are_apart {
    my ($first, $second) = @_;
    my ($one) = $first =~ $value or return 0;
    my ($other) = $second =~ $value or return 0;
    return $one ne $other && $second !~ /\b\Q$one\E\b/ && $first !~ /\b\Q$other\E\b/;
}

sub template_mutants {
    my ($file, $lines) = @_;
    open my $in, '<', $file or die "cannot open $file: $!\n";
    my @all;
    while (my $line = <$in>) {
        chomp $line;
        next if $lines && !$lines->{$.};
        push @all, {file => $file, line => $., operator => $$_[1], before => [$line], after => [$$_[0] // ()]} for in_template($line);
    }
    return @all;
}

sub mutants {
    my ($file, $lines) = @_;
    return template_mutants(@_) if $file =~ /\.conf$/;
    my ($in_comment, $in_body, $gives, $descriptors, @all, @code) = (0, 0, 0, '');
    open my $in, '<', $file or die "cannot open $file: $!\n";
    chomp(my @text = <$in>);
    my $members = join '', map { /\bstl_close_fd\(&\w+((?:->|\.)\w+)\)/ ? '|' . quotemeta $1 : () } @text;
    for my $i (0 .. $#text) {
        push @code, masked($text[$i], \$in_comment);
        $in_body = 1 if $code[$i] =~ /^\{/;
        $gives = $code[$i] =~ /\w*(?:free|clear)\(/ if $code[$i] =~ /^[a-z].*\(/;
        ($in_body, $descriptors) = (0, '') if $code[$i] =~ /^\}/;
        $descriptors .= '|\b' . ($1 // $2) while $code[$i] =~ /\bSTL_AUTO_CLOSE int (\w+)|\b(\w+) = $opens/g;
        $code[$i] = '' if !$in_body || $gives || $code[$i] =~ /^#|^ +case |\[\d+\]|assert|\{NULL, NULL, 0\}/;
        next if $lines && !$lines->{$i + 1};
        for (on_line($code[$i], qr/(?:\bfd$descriptors$members)/)) {
            my ($start, $length, $new, $operator) = @$_;
            my $after = $text[$i];
            # The text between the parentheses of a condition comes from the line itself: strings are blank in $code.
            $new = '!(' . substr($text[$i], $start, $length) . ')' if $operator eq 'condition inverted';
            substr($after, $start, $length) = $new;
            push @all, {file => $file, line => $i + 1, operator => $operator, before => [$text[$i]], after => [$after]};
        }
        push @all, {file => $file, line => $i, operator => 'order swapped', before => [@text[$i - 1, $i]], after => [@text[$i, $i - 1]]}
            if $i && $code[$i] =~ $statement && $code[$i - 1] =~ $statement && $code[$i] ne $code[$i - 1] &&
            ($code[$i] =~ /^( +)/)[0] eq ($code[$i - 1] =~ /^( +)/)[0] && $code[$i] !~ $gives_back && $code[$i - 1] !~ $gives_back &&
            ($code[$i] =~ $member ? "$1" : 1) ne ($code[$i - 1] =~ $member ? "$1" : 2) && !are_apart(@code[$i - 1, $i]);
    }
    return @all;
}

# The lines of each file that are new since a commit.
sub changed_lines {
    my ($commit) = @_;
    my (%lines, $file);
    open my $diff, '-|', 'git', 'diff', '-U0', $commit, '--', 'lib', 'cmd', 'cgi', 'templates' or die "cannot run git: $!\n";
    while (<$diff>) {
        $file = $1 if m{^\+\+\+ b/(.*\.c|templates/(?:nginx|apache)\.conf)$};
        next unless /^@@ -\S+ \+(\d+)(?:,(\d+))? @@/ && $file;
        $lines{$file}{$_} = 1 for $1 .. $1 + ($2 // 1) - 1;
    }
    close $diff or die "git knows no commit $commit\n";
    return \%lines;
}

sub shown {
    my ($mutant) = @_;
    my ($before, $after) = map { join ' ', map { s/^\s+//r } @$_ } @$mutant{qw(before after)};
    return "$before => $after";
}

# ---- tests ----------------------------------------------------------------------------------------------------------

# Where the test of that name is run.
sub place {
    my ($name) = @_;
    my ($source) = (glob("tests/*/$name.c"), glob("tests/*/$name.t"));
    die "tests/mutate-tests: there is no test $name\n" unless $source;
    return $source if $source =~ /\.t$/;
    return ($source =~ m{/unit/} ? 'watched/' : 'build/') . $source =~ s/\.c$//r;
}

# The first line of mutate-tests whose pattern fits names what is run behind the unit test of the file's own name.
sub nearest {
    my ($file) = @_;
    my $module = basename($file, '.c');
    my @tests;
    for (my $name = $module; ; $name =~ s/-?[^-]*$// or last) {
        last if $name eq '';
        my ($source) = $file =~ /^cmd/ ? glob "tests/*/$name.t" : glob "tests/unit/t-$name.c";
        if ($source && -e $source) { push @tests, place(basename $source =~ s/\.[ct]$//r); last }
    }
    open my $in, '<', 'tests/mutate-tests' or die "cannot open tests/mutate-tests: $!\n";
    while (<$in>) {
        next if /^#|^$/;
        my ($pattern, @more) = split;
        next unless $file =~ /^$pattern/;
        push @tests, map { place($_) } @more;
        last;
    }
    my %seen;
    @tests = grep { !$seen{$_}++ } @tests;
    my @quick = grep { !m{\.t$|/t-(?:crash|powercut|races)} } @tests;
    return $quick && @quick ? @quick : @tests;
}

# What runs in circles is stopped by the time that it may compute, however busy the machine is.
sub quietly {
    my ($seconds, $computing, @command) = @_;
    return system("ulimit -t $computing; timeout -k 5 $seconds @command >mutate.out 2>&1") == 0;
}

# Whether it builds and passes; undef if it does not compile. In a unit test the file itself is watched by AddressSanitizer:
# whoever reads one too many is noticed.
sub passes {
    my ($test, $seconds, $computing) = @_;
    my $targets = $test =~ /\.t$/ ? 'all test-programs' : $test;
    $targets = "BUILD=watched CFLAGS='-O1 -g -fsanitize=address' $test" if $test =~ /^watched/;
    quietly(600, 'unlimited', "make -s CC='$ENV{CC}' $targets") or return undef;
    return quietly($seconds, $computing, $test =~ /\.t$/ ? "prove -Q $test" : $test);
}

my (%limit, %computing); # seconds that a test may take, and compute, once it has passed
sub is_passed {
    my ($test) = @_;
    my ($begin, @before) = (time, times);
    my $passed = passes($test, $limit{$test} // ($test =~ /\.t$/ ? 300 : 60), $computing{$test} // 60);
    my @after = times;
    if ($passed && !$limit{$test}) {
        $limit{$test} = 20 + int(5 * (time - $begin));
        $computing{$test} = 3 + int(2 * ($after[2] + $after[3] - $before[2] - $before[3]));
    }
    return $passed;
}

# The test that notices the mutant, '' if none does, or undef if it does not compile.
sub killer {
    my ($file, $text, $mutated, @tests) = @_;
    for my $test (@tests) {
        write_lines($file, @$mutated);
        my $passed = is_passed($test);
        write_lines($file, @$text);
        next if $passed;
        # What fails without a mutant would kill everything.
        $limit{$test} || is_passed($test) or die "$test fails without a mutant:\n" . `tail -n 5 mutate.out`;
        return defined $passed ? $test : undef;
    }
    return '';
}

# Whether the compiler makes the same of it, with what the file itself says of its lines left out.
sub is_same_program {
    my ($file, $text, $mutated) = @_;
    return 0 unless $file =~ /\.c$/;
    my $object = 'plain/' . $file =~ s/c$/o/r;
    my @made = map {
        write_lines($file, @$_);
        unlink $object;
        quietly(600, 'unlimited', "make -s CC='$ENV{CC}' BUILD=plain CFLAGS='-O2 -g0 -w' $object") ? `cat $object` : rand;
    } $text, $mutated;
    write_lines($file, @$text);
    return $made[0] eq $made[1];
}

sub write_lines { my ($file, @lines) = @_; open my $out, '>', $file or die "$file: $!\n"; print $out map { "$_\n" } @lines; close $out or die "$file: $!\n" }

# ---- the run --------------------------------------------------------------------------------------------------------

my $lines = $changed ? changed_lines($changed) : undef;
my %named; # file => its lines, or undef: all
for (@ARGV ? @ARGV : $lines ? keys %$lines : glob 'lib/*/*.c cmd/*.c cgi/*.c templates/nginx.conf templates/apache.conf') {
    my ($file, $from, $to) = /^(.*?)(?::(\d+)(?:-(\d+))?)?$/;
    $named{$file} = $from ? {%{$named{$file} // {}}, map { $_ => 1 } $from .. $to // $from} : $lines && ($lines->{$file} // {});
}
my @files = sort keys %named;
my @all = map { mutants($_, $named{$_}) } @files;
die "there is nothing to change in @files\n" unless @all;
my (%left, @chosen);
push @{$left{$each ? dirname $_->{file} : ''}}, $_ for @all;
for my $folder (sort keys %left) {
    my $from = $left{$folder};
    push @chosen, splice(@$from, int(rand @$from), 1) for 1 .. min($each // $count, scalar @$from);
}
@chosen = sort { $a->{file} cmp $b->{file} || $a->{line} <=> $b->{line} } @chosen;

my %equivalent;
open my $list, '<', 'tests/mutate-equivalent' or die "cannot open tests/mutate-equivalent: $!\n";
while (<$list>) { $equivalent{$1} = 1 if /^([^#].*?)\s*## / }

my $copy = File::Temp->newdir('stillage-mutate.XXXXXX', TMPDIR => 1);
$ENV{CC} //= 'gcc';
system('cp', '-a', (grep { -e } qw(cmd lib cgi templates tests examples build Makefile README.md)), "$copy/") == 0 or die "cannot copy the tree\n";
chdir $copy or die "cannot enter $copy: $!\n";
system('cp', '-a', 'build', 'watched') == 0 or die "cannot copy what is built\n" if -e 'build';
printf "# seed %d: %d mutants, in %d files\n", $seed, scalar @chosen, scalar @files;

my (%table, @survivors);
for my $mutant (@chosen) {
    my ($file, $place) = ($mutant->{file}, "$mutant->{file}:$mutant->{line}");
    my $row = $table{dirname $file} //= {map { $_ => 0 } qw(mutants killed equivalent survived)};
    if ($equivalent{"$file: " . shown($mutant)}) { $row->{mutants}++; $row->{equivalent}++; next }
    my @tests = nearest($file);
    die "tests/mutate-tests has no test for $file\n" unless @tests;
    open my $in, '<', $file or die "$file: $!\n";
    chomp(my @text = <$in>);
    my @mutated = @text;
    splice @mutated, $mutant->{line} - 1, scalar @{$mutant->{before}}, @{$mutant->{after}};
    my $begin = time;
    my $killer = killer($file, \@text, \@mutated, @tests);
    if (!defined $killer) { print "- $place: does not compile: ", shown($mutant), "\n"; next }
    $row->{mutants}++;
    if (!$killer && is_same_program($file, \@text, \@mutated)) { $row->{equivalent}++; next }
    $row->{$killer ? 'killed' : 'survived'}++;
    my $seconds = int(time - $begin);
    print $killer ? "ok $place: $mutant->{operator}: $killer, ${seconds} s\n" : "SURVIVED $place: $mutant->{operator}: " . shown($mutant) . "\n";
    push @survivors, $mutant unless $killer;
}
printf "%-14s %8s %8s %11s %9s\n", 'folder', qw(mutants killed equivalent survived);
printf "%-14s %8d %8d %11d %9d\n", $_, @{$table{$_}}{qw(mutants killed equivalent survived)} for sort keys %table;
chdir '/';
exit(@survivors ? 1 : 0);
