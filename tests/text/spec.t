#!/bin/bash
# The tests that tests/text/spec.md and tests/text/layout.md name are there.
. "$(dirname "$0")/../lib.sh"

# check DOCUMENT LEAST: each test that it names exists, there are at least so many, and each row has one
check() {
    local rows=0 missing=0 file description
    while IFS=$'\t' read -r file description; do
        rows=$((rows + 1))
        grep -qsF -- "$description" "$TESTS"/*/"$file".{t,sh,c} && continue
        missing=$((missing + 1))
        diag "$file has no test \"$description\""
    done < <(perl -ne 'next unless /^\|.*\| (.*) \|$/;
        for my $part (split /(?=`[a-z-]+` ")/, $1) { next unless $part =~ /^`([a-z-]+)` /; my $file = $1;
            print "$file\t$1\n" while $part =~ /"([^"]+)"/g }' "$TESTS/text/$1")
    is "$missing" 0 "every test that $1 names exists"
    [ "$rows" -ge "$2" ] && rc=0 || rc=1
    ok "$rc" "and it names many ($rows)"
    # A row without a test shows nothing.
    is "$(awk '/^\| / && !/^\| (---|The spec|The rule)/ && !/`[a-z-]+` "/' "$TESTS/text/$1")" '' 'each of its rows has a test'
}

check spec.md 100
check layout.md 80

done_testing
