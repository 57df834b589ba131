# shellcheck shell=sh
# Sourced by the gates beside it. A gate is a program for 'hooks: before-manifest' in registry.yaml, or one of those that
# gates.sh runs: it reads what is about to become visible from standard input (lib/push/hook.h), and refuses it by ending with
# another status than 0; the first line of its output goes to the client.
#
# gates.conf beside this file, if it is there, sets the gates' own settings; each gate says what it has.
#
# Needs jq; those that look at signatures, openssl.
set -eu

here=$(dirname "$0")
# shellcheck source=/dev/null
[ ! -e "$here/gates.conf" ] || . "$here/gates.conf"

input=$(cat)
ask() { printf '%s' "$input" | jq -r "$@"; }
refuse() {
    printf '%s\n' "$*"
    exit 1
}

REPOSITORY=$(ask .target.repository)
DIGEST=$(ask .target.digest)
FOLDER=$(ask .repositoryPath)

# What a gate is about: tags, as patterns of the shell for NAME:TAG, in which * also stands for '/'. What is pushed by digest
# alone, or under another tag, passes: sign it, add its SBOM, and then give it the tag.
PROTECTED=${PROTECTED-'*:v[0-9]* *:latest'}

# protected: sets TAG to a tag that is being set and is protected. The tags of cosign name a digest, and never are.
protected() {
    set -f
    for TAG in $(ask '.tags[]? | select(test("^sha256-[0-9a-f]{64}(\\.(sig|att|sbom))?$") | not)'); do
        for pattern in $PROTECTED; do
            # shellcheck disable=SC2254
            case $REPOSITORY:$TAG in $pattern) set +f; return 0 ;; esac
        done
    done
    set +f
    return 1
}

# manifest DIGEST|TAG: its file, if the repository has it
manifest() { [ ! -f "$FOLDER/manifests/$1" ] || printf '%s\n' "$FOLDER/manifests/$1"; }

# attached DIGEST SUFFIX: the files of manifests that belong to it: what refers to it, and the tag that cosign makes
attached() {
    [ ! -f "$FOLDER/referrers/$1" ] ||
        jq -r '.manifests[:100][].digest' "$FOLDER/referrers/$1" | while read -r digest; do manifest "$digest"; done
    manifest "sha256-${1#sha256:}.$2"
}
