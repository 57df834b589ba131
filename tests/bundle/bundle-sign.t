#!/bin/bash
# Signatures of bundles: made, checked, required; and by hand with openssl and sha256sum, as the manual says.
. "$(dirname "$0")/bundle-common.sh"

new_registry "$NEAR"
add_images "$NEAR" busybox:busybox multi:lib/multi artifact:lib/art artifact512:lib/s512

# ---- keys --------------------------------------------------------------------------------------------------------

cd "$T"
ok_run 'key new' "$STILLAGE" key new ours.key
is "$(stat -c %a ours.key) $(stat -c %a ours.key.pub)" '600 644' 'the private key is for its owner alone'
ok_run 'openssl understands the private key' openssl pkey -in ours.key -noout
like "$(openssl pkey -pubin -in ours.key.pub -text -noout)" ED25519 'and the public one'
is "$(openssl pkey -in ours.key -pubout)" "$(<ours.key.pub)" 'they belong together'
fails_with 1 'cannot make ours.key: File exists' "$STILLAGE" key new ours.key
cp ours.key.pub lonely.key.pub
fails_with 1 'cannot make lonely.key.pub: File exists' "$STILLAGE" key new lonely.key
ok "$([ ! -e lonely.key ]; echo $?)" 'half a pair is not left behind'
"$STILLAGE" key new -q theirs.key
isnt "$(<ours.key)" "$(<theirs.key)" 'every key is another one'
openssl genpkey -algorithm ed25519 -out ossl.key 2>"$T/.err"
openssl pkey -in ossl.key -pubout -out ossl.key.pub
openssl genpkey -algorithm rsa -out rsa.key 2>"$T/.err"
openssl pkey -in rsa.key -pubout -out rsa.key.pub
openssl pkey -in ours.key -aes256 -passout pass:secret -out locked.key

# ---- signing -----------------------------------------------------------------------------------------------------

ok_run 'export --sign' near export -q --all --sign ours.key -o signed.tar
near export -q --all -o plain.tar
near export -q --all --sign ours.key --volume-size 600KiB -o v.tar
near export -q --all --sign ours.key -o again.tar
same_file signed.tar again.tar 'signing again gives the same bytes'
is "$(tar -tf signed.tar | grep -vx stillage-bundle.sig)" "$(tar -tf plain.tar)" 'the signature is one member more'
is "$(list_of signed.tar)" "$(list_of plain.tar)" 'it is the same bundle'
ok_run 'with a key that openssl made' near export -q --all --sign ossl.key -o ossl.tar
ok_run 'whose signature is checked as well' "$STILLAGE" verify-bundle -q --trust ossl.key.pub ossl.tar
fails_with 1 'not a private Ed25519 key' near export -q --all --sign rsa.key -o none.tar
fails_with 1 'not a private Ed25519 key without a passphrase' near export -q --all --sign locked.key -o none.tar
fails_with 1 'cannot open no.key' near export -q --all --sign no.key -o none.tar
ok "$([ ! -e none.tar ]; echo $?)" 'without a key there is no bundle'

# ---- by hand: these lines stand in the manual --------------------------------------------------------------------

by_hand() {
    mkdir bundle && tar -C bundle -xf signed.tar && cd bundle
    openssl pkeyutl -verify -pubin -inkey ../ours.key.pub -rawin -in stillage-bundle.txt -sigfile stillage-bundle.sig
    sed -n 's/^file [0-9*]* sha256:\([0-9a-f]*\) [0-9]* /\1  /p' stillage-bundle.txt | sha256sum -c --quiet
}
ok_run 'openssl and sha256sum check it by hand' by_hand
# The lines of the manual (examples/README.md) themselves.
readme() { grep -A 3 '^    tar -xf images.tar$' "$TOP/examples/README.md" | grep '^    ' | sed 's/KEY.pub/ours.key.pub/; s/images.tar/signed.tar/'; }
is "$(readme | wc -l)" 3 'the manual says how'
mkdir readme
cp signed.tar ours.key.pub readme/
as_in_readme() { cd readme && readme | bash -e; }
ok_run 'and its lines do it' as_in_readme

# ---- checking ----------------------------------------------------------------------------------------------------

signature() { { "$STILLAGE" verify-bundle -j "$@" 2>"$T/.err" || true; } | jq -r .signature; }
is "$(signature --trust ours.key.pub signed.tar)" good 'verify-bundle: a good signature'
is "$(signature signed.tar)" 'not checked' 'without a key it cannot tell'
is "$(signature plain.tar)" none 'and says so when there is none'
is "$(signature --trust theirs.key.pub signed.tar)" bad 'another key'
is "$(signature --trust theirs.key.pub --trust ours.key.pub v.*.tar)" good 'one of two keys, all volumes'
desc='verify-bundle: another key is an error' fails_with 1 'not signed with that key, or was changed' \
    "$STILLAGE" verify-bundle -q --trust theirs.key.pub signed.tar
fails_with 1 'is not signed' "$STILLAGE" verify-bundle -q --trust ours.key.pub plain.tar
fails_with 1 'not a public Ed25519 key' "$STILLAGE" verify-bundle -q --trust rsa.key.pub signed.tar

refuses() {   # DESCRIPTION REGEX ARGUMENT...: import does not want it, and changes nothing
    local before what=$1 regex=$2
    shift 2
    before=$(fingerprint "$FAR")
    desc=$what fails_with 1 "$regex" far import "$@"
    is "$(fingerprint "$FAR")" "$before" "$what: nothing has changed"
}

new_registry "$FAR"
refuses 'import --trust, another key' 'not signed with a key that is trusted here' --trust theirs.key.pub signed.tar
refuses 'import --trust, no signature' 'plain.tar is not signed' --trust ours.key.pub plain.tar
refuses 'import --trust, a key that is none' 'not a public Ed25519 key' --trust rsa.key.pub signed.tar
ok_run 'import --trust' far import -q --trust theirs.key.pub --trust ours.key.pub signed.tar
same_registries "$NEAR" "$FAR" 'what is trusted is imported'

# Required by registry.yaml, with a path of its own.
new_registry "$FAR" 'bundles:' '  trust: [keys/ours.pub, keys/other.pub]'
mkdir "$FAR/keys"
cp ours.key.pub "$FAR/keys/ours.pub"
cp theirs.key.pub "$FAR/keys/other.pub"
refuses 'registry.yaml, no signature' 'plain.tar is not signed' plain.tar
refuses 'registry.yaml, another key' 'not signed with a key that is trusted here' ossl.tar
capture far import -q v.1.tar
is "$RC" 3 'registry.yaml: a volume, and others are missing'
cp v.2.tar bare.tar
tar --delete -f bare.tar stillage-bundle.sig
refuses 'registry.yaml: a volume whose signature was taken out' 'bare.tar is not signed' bare.tar
ok_run 'registry.yaml: the others' far import -q v.*.tar
same_registries "$NEAR" "$FAR" 'volumes that are trusted are imported'
new_registry "$FAR" 'bundles:' '  trust: [keys/gone.pub]'
refuses 'registry.yaml, a key that is not there' 'cannot open .*keys/gone.pub' signed.tar
new_registry "$FAR" 'bundles:' '  trust: no list'
fails_with 1 'registry.yaml:[0-9]+: ' far import plain.tar

# ---- a signature over something else -----------------------------------------------------------------------------

new_registry "$FAR"
forge() {   # NAME SED: the bundle with a list that was edited, and the signature of the real one
    rm -rf "$1"
    mkdir "$1"
    tar -C "$1" -xf signed.tar
    sed -i "$2" "$1/stillage-bundle.txt"
}
forge moved 's/^image busybox:v1 /image busybox:v2 /'
refuses 'a tag that was renamed in the list' 'or was changed' --trust ours.key.pub moved
forge less '/^image busybox/d'
refuses 'an image taken out of the list' 'or was changed' --trust ours.key.pub less
near export -q busybox --sign ours.key -o small.tar
mkdir mixed && tar -C mixed -xf plain.tar && tar -C mixed -xf small.tar stillage-bundle.sig
refuses 'the signature of another bundle' 'or was changed' --trust ours.key.pub mixed
forge cut ''
head -c 63 cut/stillage-bundle.sig >cut/s && mv cut/s cut/stillage-bundle.sig
refuses 'a signature that is cut short' 'has 63 bytes where a signature has 64' --trust ours.key.pub cut
flipped() { forge flip ''; chmod u+w flip/stillage-bundle.sig; flip flip/stillage-bundle.sig "$1"; }
flipped 10
refuses 'a signature with a wrong bit' 'or was changed' --trust ours.key.pub flip

# The list is right, but what it lists is not.
forge wrong ''
noise other "$(stat -c %s wrong/index.json)" >wrong/index.json
capture "$STILLAGE" verify-bundle --trust ours.key.pub wrong
is "$RC" 1 'another index.json: verify-bundle'
like "$(<.err)" 'lost: .*index.json: its content has another digest' 'says which member it is'

done_testing
