#!/bin/bash
# stillage push, killed at its requests (STRIDE=1: at each of them): nobody finds half an image, and the next run sends what is
# missing, and only that.
. "$(dirname "$0")/add-common.sh"
have docker-registry || skip_all 'docker-registry is not installed'
no_logins

layout=$T/layout
oci_init "$layout"
index=$(oci_index "$layout" "$(on_platform "$(small_image "$layout" one)" linux/amd64)" "$(on_platform "$(small_image "$layout" two)" linux/arm64)")
oci_name "$layout" "$index" v1
INDEX=$(field digest <<<"$index")
BLOBS=4 MANIFESTS=3
new_registry
"$STILLAGE" add -q "oci:$layout" lib/app
start_registry2
behind=$HOST
start_hold "$behind"

# push TO [FLAG...]: one request after the other, so that each run makes the same ones
push() { exec env --default-signal=INT "$STILLAGE" push -q --plain-http --parallel 1 "${@:2}" lib/app:v1 "docker://$HOST/$1"; }
# stopped SIGNAL TO NUMBER HOW: a push that gets this signal while its request with that number waits; STOPPED is what it made of it
stopped() {
    hold "$3" "$4"
    push "$2" 2>"$T/stopped.err" &
    if ! wait_for 20 is_held; then echo "request $3 never comes" >&2; return 1; fi
    kill "-$1" $!
    wait $! 2>/dev/null && STOPPED=0 || STOPPED=$?
    go_on
}
# look TO: sets THERE to what the tag there leads to, by the registry itself
look() {
    ask HEAD "http://$behind/v2/$1/lib/app/manifests/v1" -H 'Accept: application/vnd.oci.image.index.v1+json'
    THERE=${HEADERS[docker-content-digest]-}
}
# complete TO: sets PROBLEM, if the image is not there, or any part of it was sent twice
complete() {
    local there counted
    look "$1"
    there=$THERE
    counted=$(awk -v to="/v2/$1/lib/app/" '$1 == "PUT" && $3 == 201 && index($2, to) == 1 {
            if (sub(/.*digest=/, "", $2)) { blobs++; different += !seen[$2]++ } else { manifests += !seen[$2]++ }
        } END { print blobs, different, manifests }' "$HOLD/log")
    PROBLEM=
    [ "$there $counted" = "$INDEX $BLOBS $BLOBS $MANIFESTS" ] || PROBLEM="'$there' blobs, different ones, manifests: $counted"
}

ok_run 'a push' push whole
requests=$(grep -c /whole/ "$HOLD/log")
complete whole
is "$PROBLEM" '' '... is complete'

# each_request HOW WHICH STRIDE: a push is killed at every STRIDE-th of its requests that match, and at the last one, and made again
each_request() {
    local number to problems=() matching=0 killed=0 lines
    mapfile -t lines < <(grep /whole/ "$HOLD/log")
    for ((number = 1; number <= requests; number++)); do
        [[ ${lines[number - 1]} =~ $2 ]] || continue
        [ $((++matching % $3)) -eq 0 ] || [ "$number" -eq "$requests" ] || continue
        to=$1$number killed=$((killed + 1))
        stopped KILL "$to" "$number" "$1" || { problems+=("$number: it does not come"); break; }
        if [ "$1" = lost ] || [ "$number" -lt "$requests" ]; then    # only the last step shows the image
            look "$to"
            [ -z "$THERE" ] || problems+=("$number: the tag is there too soon")
        fi
        capture push "$to"
        [ "$RC" -eq 0 ] || problems+=("$number: the next run: $(<"$T/.err")")
        complete "$to"
        [ -z "$PROBLEM" ] || problems+=("$number: $PROBLEM")
    done
    is "${problems[*]}" '' "$4: nothing is seen too soon, and the next run sends the rest alone"
    isnt "$killed" 0 "... $killed times"
}
each_request lost . "${STRIDE:-4}" 'killed before a request'
each_request 'done' '^(POST|PUT)' "${STRIDE:-3}" 'killed when it has been done, and the answer is on its way'

# By the terminal: it says nothing, and all is as after any other end.
stopped INT interrupted $((requests / 2)) lost
is "$STOPPED $(<"$T/stopped.err")" '130 ' 'Ctrl-C in the middle ends it'
look interrupted
is "$THERE" '' '... nothing can be seen there'
ok_run '... and the next run' push interrupted
complete interrupted
is "$PROBLEM" '' '... sends the rest alone'
done_testing
