#!/bin/bash
# One host of files mirrors several registries, as examples/README.md ("Mirror of other registries") says: what clients ask for under
# the name of the upstream comes from there. There is no network to fall back to, and no such host.
# shellcheck disable=SC2034   # read by serve-common.sh, clients.sh
KIND=nginx
# shellcheck source=tests/serve/serve-common.sh
. "$(dirname "$0")/../serve/serve-common.sh"

"$STILLAGE" init -q "$REG"
add "oci:$(cached busybox):v1" library/busybox:v1
add "oci:$(cached multi):latest" quay.invalid/org/multi:latest
ok_run 'a flat copy' "$STILLAGE" site -q -r "$REG" -o "$T/site" --host nginx
start_site nginx "$T/site"

mkdir -p "$T/hosts/docker.io" "$T/hosts/quay.invalid"
cat >"$T/hosts/docker.io/hosts.toml" <<END
server = "https://registry.invalid"
[host."$URL"]
  capabilities = ["pull", "resolve"]
END
cat >"$T/hosts/quay.invalid/hosts.toml" <<END
server = "https://quay.invalid"
[host."$URL/v2/quay.invalid"]
  capabilities = ["pull", "resolve"]
  override_path = true
END
CTR_HOSTS=$T/hosts
DOCKER_SETTINGS=", \"registry-mirrors\": [\"$URL\"]"
clients_setup
cat >"$CLIENT_DIR/registries.conf" <<END
unqualified-search-registries = []
[[registry]]
prefix = "docker.io"
location = "registry.invalid"
[[registry.mirror]]
location = "$HOST"
insecure = true
[[registry]]
prefix = "quay.invalid"
location = "quay.invalid"
[[registry.mirror]]
location = "$HOST/quay.invalid"
insecure = true
END
start_clients
for client in ctr podman; do
    check_pull "$client" docker.io/library/busybox:v1 "$(cached busybox)"
    check_pull "$client" quay.invalid/org/multi:latest "$(cached multi)"
done
check_pull docker busybox:v1 "$(cached busybox)"
ask GET '/v2/library/busybox/manifests/v1?ns=docker.io'
want_status 200
verdict 'what containerd adds does not matter'
done_testing
