#!/bin/bash
# Registries that send us to other hosts, by redirects, for tokens and for uploads: not to one that is nearer than they are.

# The addresses are those of a network that this test has for itself, as is /etc/hosts.
if [ -z "${OWN_NETWORK:-}" ] && unshare --map-root-user --mount --net true 2>/dev/null; then
    OWN_NETWORK=1 exec unshare --map-root-user --mount --net bash "$0"
fi
. "$(dirname "$0")/add-common.sh"
[ -n "${OWN_NETWORK:-}" ] || skip_all 'a network namespace takes root here'
have ip || skip_all 'ip is not installed'
export HOME=$T/home XDG_RUNTIME_DIR=$T/run XDG_CONFIG_HOME=$T/config
unset REGISTRY_AUTH_FILE DOCKER_CONFIG http_proxy https_proxy all_proxy no_proxy
mkdir -p "$HOME"

far=203.0.113.7 other=198.51.100.7 near=10.1.2.3 cloud=169.254.169.254
ip link set lo up
for address in $far $other $near $cloud; do ip address add "$address/32" dev lo; done
rebound=rebind.example
echo "$far $rebound" >"$T/hosts"
mount --bind "$T/hosts" /etc/hosts
free_port away
spawn elsewhere python3 "$TESTS/add/elsewhere.py" "$away" "$T/hosts"
wait_up elsewhere 15 answers "http://127.0.0.1:$away/asked"
new_registry
"$STILLAGE" add -q "oci:$(cached twice)" local/app:1

# asked HOST: how often it was
asked() { curl -sS "http://127.0.0.1:$away/asked" | grep -cxF "$1" || true; }
# fetch HOST HOW TO [FLAG...]: an image of the registry HOST, which sends us to the host TO for that
fetch() { "$STILLAGE" add --plain-http --no-referrers "${@:4}" "docker://$1:$away/$2/$3:1"; }
# put HOST TO [FLAG...]: an upload that HOST sends to TO
put() { "$STILLAGE" push --plain-http --no-referrers --map local/app=upload/"$2" "${@:3}" local/app:1 "docker://$1:$away"; }
# refused HOST TO KIND: that registry may not send us there, which is a KIND of address
refused() {
    local from=$1 to=$2 kind=$3 how before
    before=$(asked "$to")
    for how in manifest blob token; do
        changes_nothing 1 "http://$to:$away/.*: $to is a $kind address.*any-address" "$from sends us to $to for a $how" \
            --plain-http --no-referrers "docker://$from:$away/$how/$to:1"
    done
    desc="$from sends us to $to for an upload" fails_with 1 "http://$to:$away/.*: $to is a $kind address" put "$from" "$to"
    is "$(asked "$to")" "$before" "... and $to is not asked"
}
# followed HOST TO: that registry may
followed() {
    local how
    for how in manifest blob token; do
        ok_run "$1 sends us to $2 for a $how" fetch "$1" "$how" "$2"
    done
}

refused $far $near private
refused $far 127.0.0.1 loopback
refused $far $cloud link-local
refused $near 127.0.0.1 loopback
refused 127.0.0.1 $cloud link-local
changes_nothing 1 '(127[.]0[.]0[.]1|::1) is a loopback address' 'what counts is the address of a name' \
    --plain-http "docker://$far:$away/blob/localhost:1"
before=$(asked $rebound)
changes_nothing 1 'is a loopback address' 'a name that has another address by then' --plain-http "docker://$rebound:$away/rebind/$rebound:1"
is "$(asked $rebound)" $((before + 1)) '... is asked where it was at first'
new_registry
followed $far $other
followed $near $near
followed $near $far
followed 127.0.0.1 $near
followed 127.0.0.1 localhost
ok_run '--any-address: to a private address' fetch $far manifest $near --any-address
ok_run '... and to this machine' fetch $far token 127.0.0.1 --any-address

# Through a proxy on this machine, to which all others are far away; but not past it.
free_port proxy
spawn proxy python3 "$TESTS/add/elsewhere.py" "$proxy" "$T/hosts"
wait_up proxy 15 answers "http://127.0.0.1:$proxy/asked"
export http_proxy=127.0.0.1:$proxy no_proxy=$near
new_registry
ok_run 'a proxy asks whom it is sent to' fetch registry.example token tokens.example
ok_run '... also what we may not' fetch registry.example blob $cloud
new_registry
changes_nothing 1 "$near is a private address" '... and whom it is not for, we do not ask, either' --plain-http --no-referrers \
    "docker://registry.example:$away/blob/$near:1"
done_testing
