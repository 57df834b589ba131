#!/bin/bash
# What strangers wrote, into an image or a file, must not steer the terminal of those who look at it.
. "$(dirname "$0")/../lib.sh"

REG=$T/reg
export STILLAGE_REGISTRY=$REG
"$STILLAGE" init -q "$REG"
# Clears the screen, by two kinds of escape sequence, sets the title, rings, goes back over the line; and ends it.
EVIL=$'\e[2J\e]0;owned\a\xc2\x9b2Jback\b\b\rover\nline \x7f end'

# Lines with control characters, of C0 and C1
dirty() { cat "$@" | LC_ALL=C.UTF-8 grep -aP '[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]' | cat -v | head -3; }

# says REGEX DESCRIPTION COMMAND...: it tells that, and its output is clean
says() {
    local regex=$1 what=$2 found
    shift 2
    capture "$@"
    found=$(dirty "$T/.out" "$T/.err" || true)
    if [ -z "$found" ] && [[ $(<"$T/.out") =~ $regex ]]; then pass "$what"; else fail "$what" "$found" "$(head -c 900 "$T/.out" | cat -v)" "$(head -c 300 "$T/.err" | cat -v)"; fi
}

# complains DESCRIPTION COMMAND...: it fails, with one clean line
complains() {
    local what=$1 found
    shift
    capture "$@"
    found=$(dirty "$T/.out" "$T/.err" || true)
    if [ -z "$found" ] && [ "$RC" -ne 0 ] && [ "$(wc -l <"$T/.err")" -eq 1 ]; then pass "$what"; else
        fail "$what" "status $RC" "$found" "$(head -c 900 "$T/.err" | cat -v)"; fi
}

# An image in which everything that may be any text is hostile
DIR=$T/layout
oci_init "$DIR"
layer=$(printf x | oci_blob "$DIR" application/vnd.oci.image.layer.v1.tar)
config=$(jq -nc --arg evil "$EVIL" '{architecture: $evil, os: $evil, variant: $evil, created: $evil,
    config: {Labels: {"ordinary": "label", ($evil): $evil}}, rootfs: {type: "layers", diff_ids: []}}' | oci_blob "$DIR" application/vnd.oci.image.config.v1+json)
image=$(EXTRA=$(jq -nc --arg evil "$EVIL" '{annotations: {($evil): $evil}}') oci_manifest "$DIR" "$config" "$layer")
oci_name "$DIR" "$image" v1
"$STILLAGE" add -q "oci:$DIR" app:v1
subject=$(oci_ref "$DIR")
EXTRA=$(jq -nc --arg evil "$EVIL" --argjson subject "$(jq -c '{mediaType, digest, size}' <<<"$subject")" '{artifactType: $evil, subject: $subject}') \
    oci_manifest "$DIR" "$config" "$layer" >"$T/referrer"
oci_init "$T/other"
cp -r "$DIR/blobs" "$T/other/"
oci_name "$T/other" "$(<"$T/referrer")" sig
"$STILLAGE" add -q "oci:$T/other" app:sig || note 'an artifact type that is no media type is refused'

says '\?\[2J\?\]0;owned\?\?2Jback\?\?\?over\?line \? end' 'show' "$STILLAGE" show app:v1
says 'ordinary=label' 'show, what is harmless' "$STILLAGE" show app:v1
says 'v1 .*sha256:' 'ls' "$STILLAGE" ls app
says '"labels"' 'show --json' "$STILLAGE" show --json app:v1
is "$(jq -r '.labels | to_entries[] | select(.key != "ordinary") | .value' "$T/.out")" "$EVIL" '... which loses nothing'
says '"labels"' 'ls --json' "$STILLAGE" ls --json app

# What is no ASCII is nobody's harm: labels, notes, platforms, as bytes and as escapes, in and out, byte for byte.
oci_init "$T/people"
config=$(oci_blob "$T/people" application/vnd.oci.image.config.v1+json <<'END'
{"architecture":"größe","os":"linux","config":{"Labels":{"maintainer":"Jörg Müller 😀","escaped":"J\u00f6rg \ud83d\ude00"}},"rootfs":{"type":"layers","diff_ids":[]}}
END
)
oci_name "$T/people" "$(EXTRA='{"annotations":{"vendor":"株式会社"}}' oci_manifest "$T/people" "$config" "$layer")" v1
cp "$(blob_file "$DIR" "$(field digest <<<"$layer")")" "$T/people/blobs/sha256/"
tar -C "$T/people" -cf "$T/people.tar" .
for source in "$T/people" "$T/people.tar"; do
    ok_run "labels of people: add ${source##*/}" "$STILLAGE" add "$source" people:v1
    says 'platform   linux/größe' 'show' "$STILLAGE" show people:v1
    for text in 'maintainer=Jörg Müller' 'escaped=Jörg' 'vendor=株式会社'; do like "$(<"$T/.out")" "$text" "show has $text"; done
    says 'linux/größe' 'ls --json' "$STILLAGE" ls --json people
    "$STILLAGE" rm -q people
done
manifest=$(blob_file "$T/people" "$(oci_ref "$T/people" v1 | field digest)")
cgi() { # METHOD ADDRESS TYPE FILE
    env -i STILLAGE_REGISTRY="$REG" GATEWAY_INTERFACE=CGI/1.1 REQUEST_METHOD="$1" REQUEST_URI="$2" CONTENT_TYPE="$3" CONTENT_LENGTH="$(stat -c %s "$4")" "$STILLAGE_CGI" <"$4"
}
for digest in $(jq -r '.config.digest, .layers[].digest' "$manifest"); do
    cgi POST "/v2/pushed/blobs/uploads/?digest=$digest" application/octet-stream "$(blob_file "$T/people" "$digest")" >"$T/.out"
done
cgi PUT /v2/pushed/manifests/v1 application/vnd.oci.image.manifest.v1+json "$manifest" >"$T/.out"
like "$(<"$T/.out")" 'Status: 201' 'such an image can be pushed'
says 'linux/größe' '... and shown' "$STILLAGE" show pushed:v1
same_file "$REG/www/v2/pushed/manifests/v1" "$manifest" '... and is what it was'

# Colours are for terminals, and for nobody who does not want them.
if have script; then
    coloured() { script -qec "$(printf '%q ' "$@")" /dev/null </dev/null | grep -c $'\e\\[1m' || :; }
    is "$(coloured "$STILLAGE" show app:v1)" 1 'colours on a terminal'
    is "$(coloured env NO_COLOR=1 "$STILLAGE" show app:v1)" 0 '... not with NO_COLOR'
    is "$(coloured env NO_COLOR= "$STILLAGE" show app:v1)" 1 '... which may be there, and empty'
else
    skip 3 'script is not installed' 'colours'
fi
unlike "$("$STILLAGE" show app:v1)" $'\e' '... nor elsewhere'

# Files in the registry and beside it
mkdir "$REG/www/v2/app/$EVIL"
printf x >"$REG/www/v2/app/blobs/$EVIL"
says 'problem' 'verify, of a registry with such names' "$STILLAGE" verify
says problem 'verify --json' "$STILLAGE" verify --json
says 'freed' 'gc' "$STILLAGE" gc
rm -r "$REG/www/v2/app/${EVIL:?}" "$REG/www/v2/app/blobs/$EVIL"
mkdir -p "$REG/auth/robots"
printf 'good:$2y$04$x\n%s:x\n' "${EVIL//$'\n'/}" >"$REG/auth/htpasswd"
says 'good' 'user ls' "$STILLAGE" user ls
jq -nc --arg evil "$EVIL" '{user: "ci", repository: $evil, actions: ["pull"], created: 1, expires: 0}' >"$REG/auth/robots/$(printf 'a%.0s' {1..64})"
complains 'token ls' "$STILLAGE" token ls
rm -r "$REG/auth/robots" "$REG/auth/htpasswd"

# Messages
complains 'a command that is none' "$STILLAGE" "$EVIL"
for command in show ls rm add tag restore export import inventory config serve gc user token access 'access check' verify-bundle prune snapshot trash freeze; do
    # shellcheck disable=SC2086   # two words
    complains "an argument of $command" "$STILLAGE" $command "$EVIL" "$EVIL" "$EVIL" "$EVIL"
done
complains 'an option' "$STILLAGE" ls "--$EVIL"
complains 'an argument of an option' "$STILLAGE" token create --user "$EVIL" --repository '**'
complains 'a registry' "$STILLAGE" ls -r "$T/$EVIL"

# Archives and layouts with such names in them
mkdir "$T/tar"
printf x >"$T/tar/${EVIL//\//}"
tar -C "$T/tar" -cf "$T/evil.tar" .
for source in "oci-archive:$T/evil.tar" "docker-archive:$T/evil.tar" "$T/evil.tar" "oci:$T/tar" "dir:$T/tar"; do complains "add ${source%%:*}" "$STILLAGE" add "$source" x:y; done
for command in import verify-bundle; do complains "$command" "$STILLAGE" $command "$T/evil.tar"; done
jq -c --arg evil "$EVIL" '.manifests[0].annotations["org.opencontainers.image.ref.name"] = $evil' "$DIR/index.json" >"$T/index.json"
cp "$T/index.json" "$DIR/index.json"
complains 'add of an image with such a name' "$STILLAGE" add "oci:$DIR"
jq -c --arg evil "$EVIL" '.manifests[0].digest = $evil | .manifests[0].mediaType = $evil' "$DIR/index.json" >"$T/index.json"
cp "$T/index.json" "$DIR/index.json"
complains 'add of an image with such a digest' "$STILLAGE" add "oci:$DIR" x:y

# registry.yaml, and the pages that are made with it
printf 'version: 1\n"%s": 1\n' '\e[2J\a' >"$REG/registry.yaml"
complains 'a key of registry.yaml' "$STILLAGE" ls
printf 'version: 1\naccess:\n  - {repository: "%s", pull: ["%s"]}\n' '\e[2J' '\a' >"$REG/registry.yaml"
complains 'a pattern of registry.yaml' "$STILLAGE" ls
for title in '<script>alert(1)</script>' 'a"b' "a'b" 'a&b' $'a\eb'; do
    desc="a title that could end its text: $title" fails_with 1 'which a configuration file cannot hold' "$STILLAGE" init --title "$title" "$T/titled"
done
done_testing
