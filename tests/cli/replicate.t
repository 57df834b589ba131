#!/bin/bash
# stillage replicate: the far end becomes what the registry is, and shows nothing meanwhile whose content is not there.
. "$(dirname "$0")/gc-common.sh"

FAR=$T/far
far() { "$STILLAGE" "$1" -r "$FAR" "${@:2}"; }
far_well() { ok_run "$1" far verify; }
# rsync does not set a time that differs by less than a second.
seconds() { sed -E 's/ ([0-9]{10})\.[0-9]+/ \1/'; }
# What is served, and how it is linked (but for Apache's small files, which come over as copies); the times of folders are
# nobody's business, the catalog is made anew, and details are not copied.
served() {
    (cd "$1/www" && find . -type d -printf '%P %y %m\n' -o -name _catalog -o -name _details -o -path '*/_refs/*' -printf '%P %y %m %T@\n' -o -printf '%P %y %m %n %T@ %l\n' | sort | seconds &&
        find . -type f ! -name _details -print0 | sort -z | xargs -0 sha256sum)
}
same() {
    if diff <(served "$REG") <(served "$FAR") >"$T/.diff"; then pass "$1"; else fail "$1" "$(head -n 20 "$T/.diff")"; fi
}

names() {
    (cd "$1/www/v2" && find . -type l -printf '%p %l %T@\n' | sort | seconds &&
        find . -type f \( -name list -o -name _catalog -o -path '*/referrers/*' \) -print0 | sort -z | xargs -0 sha256sum)
}

image "$T/a" base one
image "$T/b" base two
EXTRA="{\"subject\":$(descriptor "$T/a" $MANIFEST)}" image "$T/sig" signature
A=$(digest "$T/a") B=$(digest "$T/b")

fill() {
    push lib/app v1 "$T/a"
    push lib/app v2 "$T/b"
    push lib/app/nested v1 "$T/b"
    push other v1 "$T/b"
    push lib/app @ "$T/sig"
}

# ---- a directory -------------------------------------------------------------------------------------------------

make_registry 'trash: {keep: 1h}'
fill
ok_run 'a dry run' stillage replicate --dry-run --json "$FAR"
is "$(json '[.copied[]] | tostring')" '[4,5,4,63]' 'counts what would be copied'
ok_run 'and makes nothing' test ! -e "$FAR"
before=$(fingerprint "$REG")
ok_run 'replicate' stillage replicate --json "$FAR"
is "$(json '[.repositories, .copied[]] | tostring')" '[3,4,5,4,63]' 'counts what was copied'
is "$(fingerprint "$REG")" "$before" 'changes nothing in the registry'
is "$(ls "$REG/tmp")" '' 'and leaves nothing in tmp/'
same 'the replica is served as the registry is: bytes, links, modes, times'
is "$(stat -c %i "$FAR"/www/v2/*/blobs/"$(digest "$T/b.1")" "$FAR/store/sha256/"*/"$(digest "$T/b.1" | cut -c8-)" | sort -u | wc -l)" 1 'a blob of two repositories is there once'
far_well 'it is a registry in order'
ok_run 'also at a quick look' far verify --quick
ok_run 'again' stillage replicate --json "$FAR"
is "$(json '[.copied[], .removed[]] | tostring')" '[0,0,0,0,0,0,0]' 'copies nothing'

push lib/app v3 "$T/a"
stillage tag -q lib/app:v1 v2
stillage rm -q other lib/app/nested "lib/app@$B"
image "$T/c" base three
push new/repo v1 "$T/c"
ok_run 'a dry run of changes' stillage replicate --dry-run --json "$FAR"
dry=$(json '[.copied[], .removed[]] | tostring')
ok_run 'changes' stillage replicate --json "$FAR"
is "$(json '[.copied[], .removed[]] | tostring')" "$dry" 'are what the dry run said'
is "$dry" "[1,1,3,$(($(stat -c %s "$T/c.1"))),1,3,2]" 'a blob, a manifest and three tags come; a blob, three manifests and two tags go'
far_well 'in order'
is "$(cd "$FAR/www/v2" && echo [!_]*)" 'lib new' 'what is gone is gone there'
is "$(readlink "$FAR/www/v2/lib/app/manifests/v2")" "$A" 'a tag has moved'
is "$(names "$FAR")" "$(names "$REG")" 'tags, manifests, referrers and lists are what they are here'
# gc has not been here yet; what no manifest names is not worth a copy.
is "$(where lib/app "$(digest "$T/b.1")") $(find "$FAR" -name "*$(digest "$T/b.1" | cut -c8-)")" 'repo store ' 'without the blobs that nothing needs'

# ---- what stays here ---------------------------------------------------------------------------------------------

make_registry
fill
printf 'access:\n  - {repository: "**", pull: [anonymous]}\n' >>"$REG/registry.yaml"
echo secret >"$REG/auth/htpasswd"
mkdir -p "$REG/auth/robots" "$REG/uploads/00000001"
echo secret >"$REG/auth/robots/x"
echo secret >"$REG/auth/upload-key"
echo secret >"$REG/uploads/00000001/x"
echo secret >"$REG/log/events.jsonl"
echo '{"token":"secret"}' >"$REG/www/v2/_anonymous"
stillage rm -q lib/app:v1
stillage snapshot create snap >/dev/null
chmod 0600 "$REG/auth/htpasswd"
rm -rf "$FAR"
ok_run 'a registry with users, tokens, uploads, snapshots and logs' stillage replicate "$FAR"
is "$(grep -rl secret "$FAR" || true)" '' 'keeps them for itself'
is "$(find "$FAR" -mindepth 1 -maxdepth 1 -type d -empty -printf '%f\n' | sort | xargs)" 'imports log tmp trash uploads' 'folders come along empty'
is "$(<"$FAR/registry.yaml")" "$(<"$REG/registry.yaml")" 'with the settings'
echo '# mine' >>"$FAR/registry.yaml"
ok_run 'again' stillage replicate -q "$FAR"
is "$(tail -n 1 "$FAR/registry.yaml")" '# mine' 'which then are its own'

# ---- whom the registry keeps out -----------------------------------------------------------------------------------

# The replica of an open registry is served; then the registry gets users, and no rules.
answer_of_far() { curl -s -o /dev/null -w '%{http_code}' "http://$HOST/v2/lib/app/manifests/v1"; }
make_registry
fill
rm -rf "$FAR"
ok_run 'an open registry' stillage replicate -q "$FAR"
start_nginx "$FAR"
OPEN=$SERVER
is "$(answer_of_far)" 200 'has an open replica'
echo password | stillage user add -q --stdin alice 2>/dev/null
ok_run 'a registry with users and no rules' stillage replicate -q "$FAR"
is "$(answer_of_far)" 403 'closes it, for a server that was set up before'
stop "$OPEN"
fails_with 2 'has access control' "$STILLAGE" config nginx -r "$FAR"
is "$(stat -c '%a %s' "$FAR/auth/htpasswd" "$FAR/auth" | cut -d ' ' -f 1 | xargs) $(<"$FAR/auth/htpasswd")" '600 711 ' 'the users stay at home'
next_server serve
spawn "$SERVER" "$STILLAGE" serve -r "$FAR" -l "$HOST"
wait_up "$SERVER" 15 grep -q 'Ctrl-C' "$T/log/$SERVER"
is "$(answer_of_far)" 401 'nor does stillage serve let anybody in'
stop "$SERVER"
echo password | "$STILLAGE" user add -q --stdin -r "$FAR" bob 2>/dev/null
before=$(<"$FAR/auth/htpasswd")
ok_run 'and again' stillage replicate -q "$FAR"
is "$(<"$FAR/auth/htpasswd")" "$before" 'users that the replica has of its own stay'
is "$("$STILLAGE" verify -q --quick -r "$FAR")" '' 'and all is in order there'

# ---- the target --------------------------------------------------------------------------------------------------

fails_with 2 'give a target' stillage replicate
fails_with 2 'one inside the other' stillage replicate "$REG/replica"
rmdir "$REG/replica"
fails_with 2 'one inside the other' stillage replicate "$REG"
mkdir "$T/foreign"
echo mine >"$T/foreign/file"
fails_with 1 'is neither empty nor a replica' stillage replicate "$T/foreign"
is "$(ls "$T/foreign")" file 'what is somebody else'\''s stays as it is'
desc='an own registry is never overwritten' fails_with 1 'is neither empty nor a replica' \
    env STILLAGE_REGISTRY="$FAR" "$STILLAGE" replicate "$REG"
desc='nobody writes to a replica' REG=$FAR fails_with 1 "read-only for a while: this is a replica" stillage tag lib/app:v2 v9
ok_run 'a replica can be replicated' env STILLAGE_REGISTRY="$FAR" "$STILLAGE" replicate "$T/third"
ok_run 'in order' "$STILLAGE" verify -r "$T/third"
ok_run 'thaw makes it a registry of its own' far thaw
fails_with 1 'is neither empty nor a replica' stillage replicate "$FAR"
far freeze -q
fails_with 1 'is a registry that is frozen, but not a replica' stillage replicate "$FAR"
ok_run 'freezing it as one' far freeze --reason 'this is a replica'
ok_run 'makes it a replica again' stillage replicate "$FAR"
fails_with 1 'is the package rsync installed' env PATH=/nowhere "$STILLAGE" replicate -r "$REG" "$FAR"
exec {other}>"$REG/locks/replicate~$(printf %s "$FAR/" | sha256sum | cut -c1-16)"
flock "$other"
fails_with 1 'is being replicated to .* already' stillage replicate "$FAR"
exec {other}>&-

# A byte has changed, but neither size nor time.
blob=$FAR/store/sha256/$(digest "$T/a.1" | sed 's/^sha256:\(..\)/\1\/\1/')
touch -r "$blob" "$T/time"
printf X | dd of="$blob" bs=1 seek=3 conv=notrunc status=none
touch -r "$T/time" "$blob"
ok_run 'a damaged replica' stillage replicate -q "$FAR"
ok_run 'stays so, as far as size and time tell' far verify --quick
capture far verify
is "$RC" 1 'verify finds it'
ok_run 'and --checksum heals it' stillage replicate --checksum -q "$FAR"
far_well 'in order'

# ---- for Apache, for a group -------------------------------------------------------------------------------------

make_registry 'apache: true'
fill
rm -rf "$FAR"
ok_run 'a registry for Apache' stillage replicate "$FAR"
same 'goes over as it is'
far_well 'in order'
if [ "$(id -u)" -eq 0 ]; then
    rm -rf "$REG" "$FAR"
    "$STILLAGE" init -q --group www-data "$REG"
    fill
    ok_run 'a registry for a group' stillage replicate "$FAR"
    same 'goes over as it is'
    far_well 'in order'
else
    skip 3 'not root' 'a registry for a group'
fi

# ---- each step ---------------------------------------------------------------------------------------------------

# An rsync that calls `at_step N` before each of its runs, N = 1, 2, ...; the first is the look at the target.
mkdir "$T/bin"
cat >"$T/bin/rsync" <<END
#!/bin/bash
echo >>"$T/steps"
[ ! -e "$T/at_step" ] || . "$T/at_step"
exec $(command -v rsync) "\$@"
END
chmod +x "$T/bin/rsync"
stepwise() { : >"$T/steps"; PATH=$T/bin:$PATH stillage replicate "$@"; }
consistent() { python3 "$TESTS/cli/replicate-consistent.py" "$FAR/www/v2"; }
change() { # $1: a number
    image "$T/new$1" base "new$1"
    push lib/app v1 "$T/new$1"
    push "fresh/r$1" v1 "$T/new$1"
    [ "$1" -eq 1 ] || stillage rm -q "fresh/r$(($1 - 1))" "lib/app@$(digest "$T/new$(($1 - 1))")"
    EXTRA="{\"subject\":$(descriptor "$T/new$1" $MANIFEST)}" image "$T/newsig" "signature $1"
    push lib/app @ "$T/newsig"
}
make_registry 'apache: true'
fill
rm -rf "$FAR"
echo "python3 '$TESTS/cli/replicate-consistent.py' '$FAR/www/v2' >>'$T/inconsistent' 2>&1" >"$T/at_step"
: >"$T/inconsistent"
mkdir -p "$FAR"
for n in 1 2 3; do
    change $n
    stepwise -q "$FAR"
    consistent >>"$T/inconsistent"
done
steps=$(wc -l <"$T/steps")
note "$steps runs of rsync"
is "$(sort -u "$T/inconsistent")" '' 'between its steps, every name at the far end leads to its content'
far_well 'in order'

bad=
for ((n = 1; n <= steps; n++)); do
    ((n % 2)) || change $((n / 2 + 3))
    echo "[ \$(wc -l <'$T/steps') -ne $n ] || { kill -9 \$PPID; exit; }" >"$T/at_step"
    { stepwise -q "$FAR" && bad+="$n: was not killed "; } 2>/dev/null
    bad+=$(consistent)
done
is "$bad" '' 'the same when it is killed at each of them'
ok_run 'the next run' stillage replicate "$FAR"
far_well 'finishes it'
ok_run 'gc' stillage gc --grace 0s
is "$(ls "$REG/tmp")" '' 'removes what the killed ones left in tmp/'
is "$(cd "$FAR" && find . -name '.?*')" '' 'and nothing is left at the far end'

# While it copies, what it is copying is deleted. Step 3 copies the content.
make_registry 'trash: {keep: 0s}'
fill
rm -rf "$FAR"
cat >"$T/at_step" <<END
if [ \$(wc -l <'$T/steps') -eq 3 ]; then
    "$STILLAGE" rm -q -r "$REG" lib/app@$A && "$STILLAGE" gc -q -r "$REG" --grace 0s
fi
END
ok_run 'an image is deleted, and gc runs, while it is copied' stepwise --json "$FAR"
ok_run 'the copy is whole: gc has spared it' test -e "$FAR/www/v2/lib/app/blobs/$(digest "$T/a.1")"
far_well 'in order'
ok_run 'gc' stillage gc --grace 0s
is "$(where lib/app "$(digest "$T/a.1")")" '' 'takes it afterwards'
sed -i 's/rm -q .*$/rm -q -r "'"${REG//\//\\/}"'" other/' "$T/at_step"
ok_run 'a repository is deleted while it is copied' stepwise --json "$FAR"
ok_run 'it is copied again, without it' test ! -e "$FAR/www/v2/other"
far_well 'in order'

# ---- another machine ---------------------------------------------------------------------------------------------

# host:dir, through a program that takes the place of ssh.
printf '#!/bin/sh\nshift\nexec "$@"\n' >"$T/bin/notssh"
chmod +x "$T/bin/notssh"
make_registry
fill
rm -rf "$FAR"
ok_run 'replicate to host:dir' env RSYNC_RSH="$T/bin/notssh" "$STILLAGE" replicate -r "$REG" "nohost.invalid:$FAR"
same 'is as good'
far_well 'in order'
fails_with 1 'rsync.s status' env RSYNC_RSH=false "$STILLAGE" replicate -r "$REG" "nohost.invalid:$FAR"

free_port PORT
mkdir "$T/module"
printf '%s\n' "address = 127.0.0.1" "port = $PORT" "pid file = $T/rsyncd.pid" "use chroot = no" "munge symlinks = no" "[module]" "path = $T/module" "read only = no" \
    >"$T/rsyncd.conf"
[ "$(id -u)" -ne 0 ] || printf '%s\n' 'uid = 0' 'gid = 0' >>"$T/rsyncd.conf"   # nobody else may choose
spawn rsyncd rsync --daemon --no-detach --config="$T/rsyncd.conf"
wait_up rsyncd 10 rsync "rsync://127.0.0.1:$PORT/"
TARGET=rsync://127.0.0.1:$PORT/module FAR=$T/module
push lib/app large "$T/b"
ok_run 'replicate to a daemon' stillage replicate --json "$TARGET" -- --bwlimit=100m
same 'is as good'
far_well 'in order'
ok_run 'again' stillage replicate --json "$TARGET"
is "$(json '[.copied[], .removed[]] | tostring')" '[0,0,0,0,0,0,0]' 'copies nothing'

# ---- while all goes on -------------------------------------------------------------------------------------------

make_registry 'trash: {keep: 0s}'
rm -rf "$FAR"
mkdir "$FAR"
for n in {1..6}; do image "$T/w$n" common "w$n" "x$((n % 3))"; done
push busy/0 t0 "$T/w1"
stillage replicate -q "$TARGET"
start_nginx "$FAR"

# Pushes, moves tags and deletes.
worker() {
    local i n name begin
    for ((i = 0; ; i++)); do
        [ ! -e "$T/stop" ] || exit 0
        n=$((RANDOM % 6 + 1)) name=busy/$((RANDOM % 3)) begin=$EPOCHREALTIME
        for file in "$T/w$n".[0-9]; do blob "$name" "$file" >/dev/null; done
        case $name:$(put "$name" "t$1$((RANDOM % 4))" "$T/w$n") in
            *:201 | busy/2:404) ;;   # the latter is deleted now and then
            *) ! in_time "$begin" || { echo "push of $name failed"; exit 1; } ;;
        esac
        if ((i % 3 == 2)); then stillage rm -q "$name@$(digest "$T/w$n")" 2>/dev/null || true; fi
        if ((i % 40 == 39)); then stillage rm -q "busy/2" 2>/dev/null || true; fi
        echo "$i" >"$T/done$1"
    done
}
collector() { while [ ! -e "$T/stop" ]; do stillage gc -q --grace 1s || exit 1; done; }

# Follows every name that the replica shows. Whatever is missing may have been removed meanwhile, or have gone and come back. It
# is a fault if what led there is there, and is the same file as before.
status() { curl -s -o "${2:-/dev/null}" -w '%{http_code}' --max-time 20 "$URL/v2/$1"; }
version() { stat -Lc '%i %z' "$FAR/www/v2/"$1 2>/dev/null || true; }

# dangles ADDRESS FILE COMMAND...: nothing is at ADDRESS, though FILE, which leads there if COMMAND says so, stayed as it was.
dangles() {
    local before
    before=$(version "$2")
    [ "$before" ] && [ "$(status "$1")" != 200 ] && "${@:3}" && [ "$(version "$2")" = "$before" ]
}
names_repository() { jq -e --arg n "$1" '.repositories | index($n)' "$FAR/www/v2/_catalog" >/dev/null; }
names_tag() { jq -e --arg t "$2" '.tags | index($t)' "$FAR/www/v2/$1/tags/list" >/dev/null; }
puller() {
    local repo tag digest blob count=0 f=$T/pulled$1
    while [ ! -e "$T/stop" ]; do
        [ "$(status _catalog "$f.c")" = 200 ] || { echo 'no catalog'; exit 1; }
        for repo in $(jq -r '.repositories[]' "$f.c"); do
            [ "$(status "$repo/tags/list" "$f.t")" = 200 ] || {
                ! dangles "$repo/tags/list" _catalog names_repository "$repo" || { echo "$repo: in the catalog, without tags/list"; exit 1; }
                continue
            }
            for tag in $(jq -r '.tags[]' "$f.t"); do
                [ "$(status "$repo/manifests/$tag" "$f.m")" = 200 ] || {
                    ! dangles "$repo/manifests/$tag" "$repo/tags/list" names_tag "$repo" "$tag" ||
                        { echo "$repo:$tag is listed, and not there"; exit 1; }
                    continue
                }
                digest=$(digest "$f.m")
                for blob in $(jq -r '.config.digest, .layers[].digest' "$f.m"); do
                    [ "$(status "$repo/blobs/$blob")" = 200 ] && continue
                    ! dangles "$repo/blobs/$blob" "$repo/_manifests/*/*/$digest" true ||
                        { echo "$repo:$tag is $digest, which lacks $blob"; exit 1; }
                    break
                done
                count=$((count + 1))
                echo $count >"$T/pulls$1"
            done
        done
    done
}
export -f worker collector puller status version dangles names_repository names_tag blob put request digest stillage diag in_time
export T REG FAR MANIFEST STILLAGE STILLAGE_CGI URL
for n in 1 2; do spawn "worker$n" bash -c "worker $n"; spawn "puller$n" bash -c "puller $n"; done
spawn collector bash -c collector
runs=0 killed=0 trouble=
end=$((SECONDS + ${SOAK:-6}))
while [ "$SECONDS" -lt "$end" ] || { [ "$runs" -eq 0 ] && [ "$SECONDS" -lt $((end + 300)) ]; }; do
    rc=0
    if ((RANDOM % 2)); then
        (timeout -s KILL "0.$((RANDOM % 9))$((RANDOM % 9))" "$STILLAGE" replicate -q -r "$REG" "$TARGET" || exit $?) 2>"$T/err" || rc=$?
    else
        stillage replicate -q "$TARGET" 2>"$T/err" || rc=$?
    fi
    case $rc in
        0) runs=$((runs + 1)) ;;
        137) killed=$((killed + 1)) ;;
        *) grep -q already "$T/err" || trouble+="replicate ($rc): $(<"$T/err") " ;;
    esac
done
for n in worker1 worker2 puller1 puller2 collector; do alive "$n" || trouble+="$n: $(<"$T/log/$n") "; done
touch "$T/stop"
for n in worker1 worker2 puller1 puller2 collector; do wait "${PID_OF[$n]}" || trouble+="$n: $(<"$T/log/$n") "; done
note "$runs runs, $killed killed, pushes: $(cat "$T"/done? | xargs), tags pulled: $(cat "$T"/pulls? | xargs)"
is "$trouble" '' 'whoever follows names at the far end finds what they lead to, while pushes, deletions and gc go on'
isnt "$runs" 0 'and runs succeed'
# A repository that the workers have left without a manifest is none for the replica.
for n in 0 1 2; do push "busy/$n" end "$T/w1"; done
wait_for 20 stillage replicate -q "$TARGET"
ok_run 'when all is quiet' stillage replicate "$TARGET"
far_well 'the replica is in order'
is "$(names "$FAR")" "$(names "$REG")" 'and has what the registry has'
done_testing
