#!/bin/bash
# One account owns a registry. Root becomes it, everybody else is told what to type, and verify finds what belongs to others.
. "$(dirname "$0")/../lib.sh"

[ "$(id -u)" -eq 0 ] || skip_all 'other accounts take root'
use_copies
OWNER=www-data OTHER=nobody
REG=$T/reg
export STILLAGE_REGISTRY=$REG

as() { setpriv --reuid "$1" --regid "$(id -g "$1")" --clear-groups -- "${@:2}"; }
strays() { find "$REG" ! -user "$OWNER"; }
mine() { is "$(strays)" '' "$1: all belongs to the owner"; }

# What only root may read or write.
mkdir -m 0700 "$T/private"
image_busybox "$T/private/image"
echo 'secret of alice' >"$T/private/password"
echo 'app' >"$T/private/patterns"
"$STILLAGE" key new "$T/private/key" >/dev/null

# ---- root ------------------------------------------------------------------------------------------------------------
install -d -o "$OWNER" -g "$(id -g "$OWNER")" "$REG"
ok_run 'root makes a registry in a folder of somebody' "$STILLAGE" init "$REG"
mine init
touch "$REG/aaa" "$REG/zzz"
fails_with 1 "is a registry already: 'stillage ls -r $REG'" "$STILLAGE" init "$REG"
rm "$REG/aaa" "$REG/zzz"

# What it makes itself, a web server can enter, whatever the umask.
for mask in 077 777 000; do
    rm -rf "$T/made"
    ok_run "init with umask $mask" bash -c "umask $mask; '$STILLAGE' init -q '$T/made'"
    is "$(stat -c %a "$T/made" "$T/made/www")" $'755\n755' '... makes a folder for a web server'
done

# Nobody else may write there, whoever could before.
for mode in 777 2775 1777 700 2750; do
    rm -rf "$T/open" && install -d -o "$OWNER" -g "$(id -g "$OWNER")" "$T/open" && chmod "$mode" "$T/open"
    ok_run "init of a folder with mode $mode" "$STILLAGE" init "$T/open"
    is "$(find "$T/open" -maxdepth 0 -perm /022)" '' '... shuts others out'
    ok_run '... and verify is content' "$STILLAGE" verify -q -r "$T/open"
done

# Every command that changes something, as root with an odd umask, on inputs and outputs of root's.
umask 077
cd "$T/private"
while read -r line; do
    ok_run "root: $line" bash -c "set -e; $line"
    mine "${line%% *} ${line#* }"
done <<END
"$STILLAGE" add oci:image app:1 app:2
tar -C image -c . | "$STILLAGE" add - app:3
"$STILLAGE" tag app:1 stable
"$STILLAGE" rm app:2
"$STILLAGE" trash ls | grep -q app:2
"$STILLAGE" restore app:2
"$STILLAGE" snapshot create before
"$STILLAGE" snapshot restore before
"$STILLAGE" snapshot ls; "$STILLAGE" snapshot rm before
"$STILLAGE" ls; "$STILLAGE" show app:1; "$STILLAGE" inventory >inventory.json; "$STILLAGE" inventory --publish
"$STILLAGE" prune --keep-newest 9; "$STILLAGE" prune --yes --keep-newest 2; "$STILLAGE" gc --dry-run; "$STILLAGE" gc --grace 0s; "$STILLAGE" trash empty
"$STILLAGE" verify -q
"$STILLAGE" export --from patterns --sign key -o bundle.tar && test "\$(stat -c %U bundle.tar)" = root
"$STILLAGE" export --all --without inventory.json --unpacked unpacked
"$STILLAGE" verify-bundle bundle.tar
"$STILLAGE" import --dry-run bundle.tar; "$STILLAGE" import --trust key.pub --prefix far bundle.tar; "$STILLAGE" import --status
"$STILLAGE" user add --stdin alice <password
echo other | "$STILLAGE" user passwd --stdin alice; "$STILLAGE" user ls
"$STILLAGE" token create --user alice --repository app; "$STILLAGE" token ls | grep -q alice
"$STILLAGE" access check alice app pull || true; "$STILLAGE" access apply
"$STILLAGE" config nginx --push fastcgi:/run/x.sock >nginx.conf
"$STILLAGE" replicate "$T/private/replica"
"$STILLAGE" freeze; "$STILLAGE" thaw
"$STILLAGE" user rm alice; "$STILLAGE" verify
END
cd /
umask 022
is "$(find "$T/private/replica" ! -user "$OWNER")" '' 'the replica belongs to the same account, also where only root may write'
tar -C "$T/private/image" -cf "$T/image.tar" .
ok_run 'the owner goes on' as "$OWNER" "$STILLAGE" add "$T/image.tar" app:4

# A registry of root's own stays root's; a container holds rights back.
ok_run 'root makes a registry of its own' "$STILLAGE" init "$T/rooted"
is "$(find "$T/rooted" ! -user root)" '' 'which belongs to root'
fails_with 1 'which root cannot become here.*as that account.*: Operation not permitted' \
    setpriv --bounding-set -setuid,-setgid --inh-caps -setuid,-setgid -- "$STILLAGE" gc
mine 'a root without rights'

# ---- others ----------------------------------------------------------------------------------------------------------
before=$(fingerprint "$REG")
for command in 'tag app:1 other' 'rm app:1' 'gc' 'user add bob' 'token ls' 'freeze' 'access apply' 'verify' 'prune --yes' \
    'snapshot create x' "replicate $T/elsewhere" 'inventory --publish'; do
    # shellcheck disable=SC2086
    desc="$command as another account says what to type" \
        fails_with 1 "$REG belongs to $OWNER, .*: sudo -u $OWNER $STILLAGE ${command%% *} -r $REG${command#"${command%% *}"}\$" \
        as "$OTHER" "$STILLAGE" $command
done
desc='words are quoted as a shell takes them' fails_with 1 "sudo -u $OWNER $STILLAGE freeze -r $REG --reason 'it'.''s'\$" \
    as "$OTHER" "$STILLAGE" freeze --reason "it's"
fails_with 1 "sudo -u $OWNER $STILLAGE gc\$" env -u STILLAGE_REGISTRY setpriv --reuid "$OTHER" --clear-groups \
    bash -c "cd '$REG' && '$STILLAGE' gc"
ok_run 'what only reads works for everybody' as "$OTHER" "$STILLAGE" ls
fails_with 1 "$T/log is not a registry" as "$OTHER" "$STILLAGE" gc -r "$T/log"
chmod 0700 "$REG"
fails_with 1 "$REG belongs to $OWNER, .*: sudo -u $OWNER $STILLAGE ls" as "$OTHER" "$STILLAGE" ls
chmod 0755 "$REG"
is "$(fingerprint "$REG")" "$before" 'nothing was changed'

# ---- verify ----------------------------------------------------------------------------------------------------------
# One of everything goes to root, as an older stillage left it, or with a mode that lets too many in or its owner not.
echo secret | "$STILLAGE" user add --stdin alice >/dev/null 2>&1
"$STILLAGE" token create --user alice --repository app >/dev/null 2>&1
mkdir -p "$REG/imports/x" "$REG/uploads/00000000"
: >"$REG/uploads/00000000/x" && : >"$REG/imports/x/list" && mkdir "$REG/tmp/x"
chown -R "$OWNER:" "$REG/imports" "$REG/uploads" "$REG/tmp"
for path in registry.yaml www www/index.html www/v2/_catalog www/v2/app www/v2/app/tags/list store/sha256 auth auth/htpasswd \
    auth/robots locks locks/users log/events.jsonl reserve trash trash/tags snapshots uploads/00000000/x imports/x/list tmp/x; do
    [ -e "$REG/$path" ] || { fail "there is a $path"; continue; }
    chown root:root "$REG/$path"
    mode=$(stat -c %a "$REG/$path")
    [ "$path" != registry.yaml ] || chmod 0600 "$REG/$path"
    capture "$STILLAGE" verify --quick
    like "$RC $(<"$T/.out")" "^1 .*$path: belongs to user 0, .*--repair' as root" "verify tells that $path is root's"
    capture "$STILLAGE" verify --quick --repair
    like "$RC $(<"$T/.out")" "^0 .*$path: belongs to user 0, [^:]*: repaired" "and gives $path back"
    mine "$path"
    chmod "$mode" "$REG/$path"
done
chmod 0640 "$REG/locks/users" "$REG/log/events.jsonl"
while read -r mode path; do
    right=$(stat -c %a "$REG/$path")
    chmod "$mode" "$REG/$path"
    capture as "$OWNER" "$STILLAGE" verify --quick
    like "$RC $(<"$T/.out")" "^1 .*${path%.}.*: has mode 0$mode, not 0$right" "verify tells that $path has mode $mode"
    ok_run "and mends it" as "$OWNER" "$STILLAGE" verify -q --quick --repair
    is "$(stat -c %a "$REG/$path")" "$right" "$path has mode $right again"
done <<END
777 .
666 registry.yaml
755 auth
700 auth
644 auth/htpasswd
755 auth/robots
777 locks
440 locks/users
666 log/events.jsonl
777 uploads
666 uploads/00000000/x
777 trash
777 snapshots
555 imports
666 imports/x/list
END
ok_run 'all is in order' "$STILLAGE" verify -q --quick

# Nothing outside is given away: neither by a link, nor by a second name where the kernel lets anybody make one.
ln -s "$T/private" "$REG/trash/link" && chown -h root "$REG/trash/link"
"$STILLAGE" verify -q --quick --repair >/dev/null || true
is "$(stat -c %U "$T/private" "$T/private/key" | sort -u)" root 'repairing follows no link'
rm "$REG/trash/link"
done_testing
