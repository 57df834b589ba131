#!/bin/bash
# stillage.cgi where the registry's file system is mounted anew beneath it, as on a machine that a shared file system has shut out:
# it is confined to the folder that was there when it began, so it has to begin again.
. "$(dirname "$0")/cgi-common.sh"

have nginx || skip_all 'nginx is not installed'
have spawn-fcgi || skip_all 'spawn-fcgi is not installed'
[ "$(id -u)" -eq 0 ] && unshare --mount true 2>/dev/null || skip_all 'mounting takes root'

# shellcheck disable=SC2119
make_registry
printf hello >"$T/hello"
HELLO=$(digest "$T/hello")
cp -a "$REG" "$T/copy"

# The responder has mounts of its own; nginx sees the folder below them, and only passes requests on.
spawn space unshare --mount sleep 1000
in_space() { nsenter --mount -t "${PID_OF[space]}" -- "$@"; }
has_space() { [ "$(readlink "/proc/${PID_OF[space]}/ns/mnt")" != "$(readlink /proc/self/ns/mnt)" ]; }
mount_anew() { in_space mount -t tmpfs "$1" "$REG" && in_space cp -a "$T/copy/." "$REG/"; }
wait_for 10 has_space || diag 'no mount namespace'

# push NAME: 0 if it is answered with 201
push() {
    ask POST "/v2/$1/blobs/uploads/"
    [ "$STATUS" = 202 ] || return 1
    ask PUT "$(header location)?digest=$HELLO" --data-binary "@$T/hello"
    [ "$STATUS" = 201 ]
}
blob_of() { in_space test -e "$REG/www/v2/$1/blobs/$HELLO"; }

for sandbox in on off; do
    mount_anew one
    SOCKET=$T/socket-$sandbox
    spawn "responder-$sandbox" nsenter --mount -t "${PID_OF[space]}" -- \
        env STILLAGE_REGISTRY="$REG" STILLAGE_SANDBOX=$sandbox spawn-fcgi -n -s "$SOCKET" -- "$STILLAGE_CGI" --workers 2
    wait_up "responder-$sandbox" 10 test -S "$SOCKET"
    chmod 0666 "$SOCKET"
    start_nginx "$REG" --push "fastcgi:$SOCKET"
    ok_run "sandbox $sandbox: a push" push before
    ok_run 'is in the file system that is mounted' blob_of before

    ok_run 'another is mounted in its place' mount_anew two
    wait_for 20 push after && rc=0 || rc=$?
    ok "$rc" 'pushes work again, without a restart by hand'
    ok_run 'and are in the new one' blob_of after
    is "$(in_space ls "$REG/www/v2" | xargs)" '_catalog _no_referrers _ping after' 'which has nothing of the old one'
    pushes=$(for i in {1..12}; do push "again$i" && echo 201; done | sort | uniq -c | xargs)
    is "$pushes" '12 201' 'with all workers'
    kill -TERM "${PID_OF[responder-$sandbox]}"
    wait "${PID_OF[responder-$sandbox]}" && rc=0 || rc=$?
    is "$rc" 0 'SIGTERM still ends it with status 0'
    stop "responder-$sandbox"
    in_space umount "$REG"
    in_space umount -l "$REG"
done
like "$(<"$T/log/responder-on")" 'stillage.cgi: the registry has been mounted anew: starting again' 'the log tells'

done_testing
