#!/bin/sh
# From nothing to a first pull: makes an image, adds it to a new registry, serves that with nginx as an ordinary
# user on a free port, and pulls the image. `make quickstart` runs it after the build.
set -eu
cd "$(dirname "$0")/.."
stillage=$PWD/build/stillage
demo=${1:-$PWD/build/quickstart}
PATH=$PATH:/usr/sbin

say() { printf '\n$ %s\n' "$*"; }
run() { say "$@"; "$@"; }

# A port that is free now.
port=5000
while curl -s -o /dev/null --max-time 2 "http://127.0.0.1:$port/" || [ $? -ne 7 ]; do port=$((port + 1)); done
host=127.0.0.1:$port

rm -rf "$demo"
mkdir -p "$demo"
run sh examples/images/make-hello.sh "$demo/hello"
run "$stillage" init "$demo/registry"
run "$stillage" add -r "$demo/registry" "oci:$demo/hello"
run "$stillage" show -r "$demo/registry" hello:latest

say "$stillage serve -r $demo/registry --listen $host &"
"$stillage" serve -r "$demo/registry" --listen "$host" &
server=$!
trap 'kill $server 2>/dev/null; wait $server 2>/dev/null || true' EXIT
tries=0
until curl -fs -o /dev/null --max-time 2 "http://$host/v2/"; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] && kill -0 $server || { echo "quickstart.sh: the server did not come up" >&2; exit 1; }
    sleep 0.1
done

run curl -fsS "http://$host/v2/hello/tags/list"
run skopeo copy --src-tls-verify=false "docker://$host/hello:latest" "oci:$demo/pulled:latest"
for blob in "$demo"/hello/blobs/sha256/*; do cmp "$blob" "$demo/pulled/blobs/sha256/$(basename "$blob")"; done
printf '\nThe image came back byte for byte. To go on:\n  %s serve -r %s\n  docker pull %s/hello\n' \
    "$stillage" "$demo/registry" 127.0.0.1:5000
