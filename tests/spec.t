#!/bin/bash
# The tests that tests/spec.md names are there.
. "$(dirname "$0")/lib.sh"

rows=0 missing=0
while IFS=$'\t' read -r file description; do
    rows=$((rows + 1))
    grep -qF -- "$description" "$TESTS/$file.t" && continue
    missing=$((missing + 1))
    diag "$file.t has no test \"$description\""
done < <(perl -ne 'next unless /^\|.*\| (.*) \|$/;
    for my $part (split /(?=`[a-z-]+` ")/, $1) { next unless $part =~ /^`([a-z-]+)` /; my $file = $1;
        print "$file\t$1\n" while $part =~ /"([^"]+)"/g }' "$TESTS/spec.md")
is "$missing" 0 'every test that spec.md names exists'
[ "$rows" -gt 100 ] && rc=0 || rc=1
ok "$rc" "and it names many ($rows)"

# A row without a test shows nothing.
is "$(awk '/^\| / && !/^\| (---|The spec)/ && !/`[a-z-]+` "/' "$TESTS/spec.md")" '' 'every sentence has a test'

done_testing
