#!/bin/bash
# stillage access, freeze and thaw; the rules of registry.yaml as the command line meets them.
. "$(dirname "$0")/../lib.sh"

REG=$T/reg
"$STILLAGE" init -q "$REG"
export STILLAGE_REGISTRY=$REG
layout=$(cached busybox) other=$(cached hello)

# check RESULT USER REPOSITORY ACTION PATTERN OF THE EXPLANATION
check() {
    capture "$STILLAGE" access check "$2" "$3" "$4"
    local got=denied
    [ "$RC" -ne 0 ] || got=allowed
    if [ "$got" = "$1" ] && [ "$RC" -le 1 ] && [[ $(<"$T/.out") =~ ^$1:.*$5 ]]; then pass "$2 $4 $3: $1 $5"; else
        fail "$2 $4 $3: $1 $5" "status $RC: $(<"$T/.out")" "$(<"$T/.err")"; fi
}

check allowed anonymous lib/app pull 'no users and no rules'
check allowed anonymous lib/app push 'no users and no rules'
rules=$(wc -l <"$REG/registry.yaml")
cat >>"$REG/registry.yaml" <<'END'
access:
  - repository: "**"
    pull: [user]
    push: [group:dev]
  - repository: "public/**"
    pull: [anonymous]
groups:
  dev: [alice]
immutable:
  - tags: ["v*"]
    except: ["*-rc*"]
quotas:
  - repository: "small/*"
    size: 100kB
    tags: 2
END
check denied anonymous lib/app pull "registry.yaml:$((rules + 3)): repository \"\\*\\*\", pull: \[user\]"
check allowed bob lib/app pull "registry.yaml:$((rules + 3)):"
check denied bob lib/app push "registry.yaml:$((rules + 4)):.*push: \[group:dev\]"
check allowed alice lib/app push "registry.yaml:$((rules + 4)):"
check allowed anonymous public/app pull "registry.yaml:$((rules + 6)): repository \"public/\\*\\*\""
check denied anonymous public/app push "registry.yaml:$((rules + 4)):"
check denied alice lib/app delete 'no rule'
desc='an impossible repository' fails_with 2 'invalid' "$STILLAGE" access check alice Lib pull
desc='an impossible user' fails_with 1 'user name' "$STILLAGE" access check 'a b' lib pull
desc='an unknown action' fails_with 2 'not an action' "$STILLAGE" access check alice lib fly
desc='too few arguments' fails_with 2 'see .stillage access' "$STILLAGE" access check alice lib

"$STILLAGE" add -q "oci:$layout" public/app:v1 lib/app:v1
ok_run 'access apply' "$STILLAGE" access apply
ok "$(test -e "$REG/auth/public/public/app/_ok"; echo $?)" 'what is public is marked'
is "$(stat -c '%a %s' "$REG/auth/public/public/app/_ok")" '400 0' '... for nobody to write to'
ok "$(test ! -e "$REG/auth/public/lib/app"; echo $?)" '... and nothing else'
"$STILLAGE" add -q "oci:$layout" public/late:v1
ok "$(test -e "$REG/auth/public/public/late/_ok"; echo $?)" 'a new repository is marked from the start'
sed -i "$((rules + 6))s/anonymous/user/" "$REG/registry.yaml"
"$STILLAGE" access apply -q
ok "$(test ! -e "$REG/auth/public/public"; echo $?)" 'after a change nothing is public any more'

# immutable tags
ok_run 'the same image again, under an immutable tag' "$STILLAGE" add -q "oci:$layout" lib/app:v1
desc='another image' fails_with 1 "tag 'v1' .*immutable" "$STILLAGE" add -q "oci:$other" lib/app:v1
"$STILLAGE" add -q "oci:$other" lib/app:latest lib/app:v2-rc1
desc='tag' fails_with 1 "tag 'v1' .*immutable" "$STILLAGE" tag lib/app:latest v1
ok_run 'tags that are not immutable move' "$STILLAGE" tag -q lib/app:v1 latest v2-rc1
desc='rm of the tag' fails_with 1 "tag 'v1' .*immutable" "$STILLAGE" rm lib/app:v1
desc='rm of its manifest' fails_with 1 "tag 'v1' .*immutable" "$STILLAGE" rm "lib/app@$(oci_ref "$layout" | field digest)"
desc='rm of its repository' fails_with 1 "tag 'v1' .*immutable" "$STILLAGE" rm lib/app
ok_run 'add --force' "$STILLAGE" add -q --force "oci:$other" lib/app:v1
ok_run 'tag --force' "$STILLAGE" tag -q --force lib/app:latest v1
ok_run 'rm --force' "$STILLAGE" rm -q --force lib/app:v1

# quotas
desc='more bytes than the quota has' fails_with 1 'exceed the quota: repository .small/app.' "$STILLAGE" add -q "oci:$layout" small/app:a
ok_run 'add --force' "$STILLAGE" add -q --force "oci:$layout" small/app:a
ok_run 'a second tag' "$STILLAGE" tag -q small/app:a b
desc='a third tag' fails_with 1 "'c' exceeds the limit.*may have 2 tags" "$STILLAGE" tag -q small/app:a c

# events
is "$(tail -n 1 "$REG/log/events.jsonl" | jq -c '.events[0] | [.action, .target.repository, .target.tag]')" '["push","small/app","b"]' 'the last thing that happened is the last event'

# freeze
ok_run 'freeze' "$STILLAGE" freeze --reason 'back at noon'
for command in "add -q oci:$other lib/x:1" 'tag small/app:a b' 'rm small/app:a'; do
    # shellcheck disable=SC2086
    desc="frozen: ${command%% *}" fails_with 1 'read-only for a while: back at noon' "$STILLAGE" $command
done
before=$(fingerprint "$REG")
"$STILLAGE" export -q --all -o "$T/bundle.tar"
for command in "import $T/bundle.tar" gc 'prune --yes --keep-newest 1' 'restore lib/app' 'snapshot create now' 'snapshot restore s' 'snapshot rm s' \
    'trash empty' 'inventory --publish' 'rm lib/app'; do
    # shellcheck disable=SC2086
    desc="frozen: ${command//$T\//}" fails_with 1 'read-only for a while: back at noon' "$STILLAGE" $command
done
is "$(fingerprint "$REG")" "$before" 'none of them changes anything'
for command in ls 'show lib/app:latest' verify 'gc --dry-run' 'prune --keep-newest 1' 'trash ls' 'snapshot ls' inventory 'access apply' 'token create --user ci --repository x' \
    'verify --repair' 'config nginx --auth basic'; do
    # shellcheck disable=SC2086
    ok_run "frozen, and yet: $command" "$STILLAGE" $command
done
ok_run 'thaw' "$STILLAGE" thaw
ok_run 'writing works again' "$STILLAGE" tag -q small/app:a b
is "$("$STILLAGE" thaw)" 'it was not frozen' 'thaw twice'

ok_run 'verify finds nothing wrong' "$STILLAGE" verify

capture "$STILLAGE" config nginx --auth basic
like "$RC,$(<"$T/.err")" '^0,.*--auth tokens' 'config --auth basic says what it costs'

done_testing
