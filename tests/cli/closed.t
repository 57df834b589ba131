#!/bin/bash
# Standard input that is closed: the registry's folder, which is opened first, does not take its place.
. "$(dirname "$0")/../lib.sh"

REG=$T/reg
"$STILLAGE" init -q "$REG"
"$STILLAGE" add -r "$REG" - app:v1 <&- >"$T/out" 2>"$T/err" && rc=0 || rc=$?
is "$rc" 1 'add without standard input fails'
like "$(<"$T/err")" 'standard input' 'and says that nothing comes from there'
unlike "$(<"$T/err")" 'a registry' 'and does not take the registry for it'
"$STILLAGE" verify -q -r "$REG" <&- >&- 2>&- && rc=0 || rc=$?
is "$rc" 0 'what says nothing needs none of them'

done_testing
