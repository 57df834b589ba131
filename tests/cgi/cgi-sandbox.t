#!/bin/bash
# The sandbox of stillage.cgi as it runs: what it says of itself, that the kernel says the same, that hooks are outside, and
# that without Landlock or seccomp everything still works. What it keeps in is tests/unit/t-sandbox.c.
. "$(dirname "$0")/cgi-common.sh"
[ -z "${SANITIZED:-}" ] || skip_all 'sanitizers cannot go into the sandbox'

make_registry
check() { capture env -i STILLAGE_REGISTRY="$REG" "$@" "$STILLAGE_CGI" --check; }

check
if [ "$RC" -eq 0 ]; then
    like "$(<"$T/.out")" "^confined to $REG, by Landlock [2-9] and seccomp$" '--check says what there is'
    CONFINED=1
else
    like "$(<"$T/.out")" 'this system has no' '--check says what is missing'
    CONFINED=
fi
check STILLAGE_SANDBOX=off
is "$RC $(<"$T/.out")" '1 no sandbox: STILLAGE_REGISTRY is not set, or STILLAGE_SANDBOX is off' 'it can be switched off'
cgi GET '/v2/?--check' && env -i STILLAGE_REGISTRY="$REG" REQUEST_METHOD=GET REQUEST_URI='/v2/_catalog?--check' \
    "$STILLAGE_CGI" --check >"$T/raw" </dev/null
like "$(head -n 1 "$T/raw")" '^Status: 200' 'a query is not taken for the option'

# ---- on kernels that have less ---------------------------------------------------------------------------------------

push() { make_image app/a "$1" && send "$T/image" PUT "/v2/app/a/manifests/$1" CONTENT_TYPE="$IMAGE"; }

if have strace && strace -o "$T/strace" true 2>/dev/null; then
    without() { RUN_UNDER=(strace -qq -o "$T/strace" -e "trace=$1" -e "inject=$1:error=$2"); }
    without landlock_create_ruleset ENOSYS
    check "${RUN_UNDER[@]}"
    is "$RC $(<"$T/.out")" '1 files are not confined: this system has no Landlock 2, or forbids it' 'without Landlock'
    push no-landlock
    is "$STATUS" 201 'pushes work'
    without prctl EINVAL
    check "${RUN_UNDER[@]}"
    like "$RC $(<"$T/.out")" '^1 .*system calls are not confined: this system has no seccomp' 'without seccomp'
    push no-seccomp
    is "$STATUS" 201 'pushes work'
    RUN_UNDER=()
else
    skip 4 'strace cannot be used' 'kernels that have less'
fi

# ---- hooks -----------------------------------------------------------------------------------------------------------

# They may do what the account may, and need more than the registry: here a program, a file outside, a process.
cat >"$T/before" <<END
#!/bin/sh
jq -r .target.tag >>$T/seen && grep -q ^root /etc/passwd && (echo "no ugly tags"; ! tail -n 1 $T/seen | grep -q ugly)
END
printf '#!/bin/sh\njq -r .target.tag >%s/after.new && mv %s/after.new %s/after\n' "$T" "$T" "$T" >"$T/told"
chmod 755 "$T/before" "$T/told"
hooks() { printf 'version: 1\nhooks:\n  before-manifest: %s/before\n  after-manifest: %s/told\n' "$T" "$T" >"$REG/registry.yaml"; }
told() { [ "$(cat "$T/after" 2>/dev/null)" = "$1" ]; }

hooks
push fine
is "$STATUS $(tail -n 1 "$T/seen")" '201 fine' 'a hook says yes'
wait_for 10 told fine && rc=0 || rc=1
ok "$rc" 'the hook after is run, too'
push ugly
want_error 403 DENIED
want_json '.errors[0].message | test("no ugly tags")'
verdict 'a hook says no'
configure

# ---- a responder -----------------------------------------------------------------------------------------------------

if ! have nginx || ! have spawn-fcgi; then
    skip 12 'nginx or spawn-fcgi is not installed' 'a responder'
    done_testing
    exit
fi

"$STILLAGE" init -q "$T/other"
processes() { grep -lz "^STILLAGE_REGISTRY=$REG$" /proc/[0-9]*/environ 2>/dev/null | wc -l; }
gone() { [ "$(processes)" -eq 0 ]; }

start_responder 2
RESPONDER=$SERVER
start_nginx "$REG" --push "fastcgi:$SOCKET" --cgi "$STILLAGE_CGI"
NGINX=$URL
if [ -n "$CONFINED" ]; then
    states() { for pid in $(pgrep -P "${PID_OF[$RESPONDER]}"); do sed -n 's/^\(NoNewPrivs\|Seccomp\):\t//p' "/proc/$pid/status"; done | xargs; }
    confined() { [ "$(states)" = '1 2 1 2' ]; }
    wait_for 10 confined || true
    is "$(states)" '1 2 1 2' 'the kernel says that both workers are confined'
    start_nginx "$T/other" --push "fastcgi:$SOCKET" --cgi "$STILLAGE_CGI"
    ask GET '/v2/_catalog?n=1'
    want_error 503 UNKNOWN
    verdict 'they do not open another registry'
    said() { cat "$T/log/$SERVER" "$T/$SERVER"/*.log; }
    wait_for 10 eval 'said | grep -q "cannot open registry .*other: Permission denied"' || true
    like "$(said)" 'cannot open registry .*other: Permission denied' 'and say so in the log'
else
    skip 3 'this kernel has less' 'workers are confined'
fi
missing=$([ -n "$CONFINED" ] && echo 0 || echo 2)
complaints() { grep -c 'not confined' "$T/log/$RESPONDER" || true; }
wait_for 10 eval "[ \"\$(complaints)\" = $missing ]" || true
is "$(complaints)" "$missing" 'each worker logs what is missing'

URL=$NGINX
hooks   # which were not there when it started
http PUT /v2/app/a/manifests/later -H "Content-Type: $IMAGE" --data-binary "@$T/image"
is "$STATUS $(tail -n 1 "$T/seen")" '201 later' 'a responder runs a hook that was named after its start'
wait_for 10 told later && rc=0 || rc=1
ok "$rc" 'and the hook after'
http PUT /v2/app/a/manifests/ugly -H "Content-Type: $IMAGE" --data-binary "@$T/image"
is "$STATUS" 403 'which may say no'
stop "$RESPONDER"
wait_for 10 gone && rc=0 || rc=1
ok "$rc" 'when it ends, the process that runs hooks does, too'

# Without a registry of its own it serves any, and is not confined.
SOCKET=$T/any.sock
spawn any spawn-fcgi -n -s "$SOCKET" -- "$STILLAGE_CGI"
wait_up any 10 test -S "$SOCKET"
chmod 0666 "$SOCKET"
for reg in "$REG" "$T/other"; do
    start_nginx "$reg" --push "fastcgi:$SOCKET" --cgi "$STILLAGE_CGI"
    http GET '/v2/_catalog?n=1'
    is "$STATUS" 200 "a responder for any registry: $(basename "$reg")"
done
like "$(<"$T/log/any")" 'not confined to a registry: STILLAGE_REGISTRY is not set' 'says so'

spawn none env STILLAGE_REGISTRY="$T/none" spawn-fcgi -n -s "$T/none.sock" -- "$STILLAGE_CGI"
wait "${PID_OF[none]}" && rc=0 || rc=$?
is "$rc $(<"$T/log/none")" "1 stillage.cgi: cannot open $T/none/registry.yaml: No such file or directory" 'one for a registry that does not exist does not start'

done_testing
