#!/bin/bash
# stillage add docker:// from a registry that misbehaves: it says what is wrong, names host and image, and changes nothing.
. "$(dirname "$0")/add-common.sh"
no_logins

free_port weather_port
there=127.0.0.1:$weather_port
spawn weather python3 "$TESTS/add/weather.py" "$weather_port"
wait_up weather 15 answers "http://$there/asked"
new_registry
asked() { curl -sS "http://$there/asked"; }
# bad NAME REGEX DESCRIPTION [FLAG...]
bad() { changes_nothing 1 "$there/(v2/)?$1.*($2)" "$3" --plain-http --no-referrers "${@:4}" "docker://$there/$1"; }

# ---- lists of tags -----------------------------------------------------------------------------------------------

before=$(asked)
ok_run 'the newest of 10,000 tags' "$STILLAGE" add --plain-http --no-referrers --newest 1 "docker://$there/many"
is "$(jq -c .tags "$(repo many tags/list)")" '["v9999"]' '... is the one'
is "$(($(asked) - before))" 13 '... ten pages, a manifest and two blobs later'
in_order
bad endless 'more than 200000 tags' 'a list of tags without end' --all-tags
bad html 'not JSON|JSON' 'a page instead of a list' --all-tags
ok_run 'a list that goes on elsewhere' "$STILLAGE" add --plain-http --no-referrers --all-tags "docker://$there/elsewhere"
is "$(jq -c .tags "$(repo elsewhere tags/list)")" '["v1"]' '... ends there: nobody else is asked'

# ---- manifests ---------------------------------------------------------------------------------------------------

bad childless 'has no manifest|missing|no blob' 'an index whose child is missing'
bad child-type 'web page' 'a page instead of a child'
bad packed 'JSON|digest' 'a manifest that comes packed, though nobody asked for that'
bad large 'more than' 'a manifest above the limit'
bad path 'digest' 'a digest that is a path'
bad negative 'size' 'a size below nothing'
changes_nothing 1 'there is not enough space: 1152921504607 MB' 'a size that no disk has' --plain-http --no-referrers "docker://$there/huge"
bad liar 'another digest' 'a manifest with another digest than the registry says'
bad headers 'headers of the answer are too long' 'headers without end'
bad file 'redirected to file' 'a manifest that is to be in a file of ours'
bad chain 'redirected more than 5 times' 'a chain of addresses'

# ---- blobs -------------------------------------------------------------------------------------------------------

bad blob-packed 'digest|bytes' 'a blob that comes packed'
bad blob-endless 'more than the 5000 bytes' 'a blob without end'
bad blob-file 'redirected to file' 'a blob that is to be a file of ours'
bad blob-chain 'redirected more than 5 times' 'a blob behind a chain of addresses'
bad blob-range 'not the range' 'a part that nobody asked for'
bad blob-html 'bytes' 'a page instead of a blob'
ok_run 'after all that, what is right' "$STILLAGE" add --plain-http --no-referrers "docker://$there/good"
in_order
done_testing
