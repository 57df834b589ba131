#!/bin/bash
# What every tutorial of a registry tells, as it is told: create a repository on the page, log in, build, tag and push with
# docker's own client by the commands that the page shows, refresh the page, see the tag.
# shellcheck source=tests/clients/page-common.sh
. "$(dirname "$0")/page-common.sh"

have_browser
CLIENTS=docker
start_clients
why=$(client_why docker)
[ -z "$why" ] || skip_all "$why"

REG=$T/reg
export STILLAGE_REGISTRY=$REG
"$STILLAGE" init -q --title 'Images of Example' "$REG"
cat >>"$REG/registry.yaml" <<'END'
access:
  - {repository: "**", push: [alice], delete: [alice], admin: [alice]}
push:
  auto-create: false
END
echo alice-password | "$STILLAGE" user add -q --stdin alice
start_with_responder nginx 2

spawn browser env HOME="$T" TMPDIR="$T" /usr/bin/python3 tests/clients/page.py "$URL" "$PICTURES" tutorial "$T/pushed"
shown() { grep -q '^run docker push' "$T/log/browser" || ! alive browser; }
wait_for 60 shown
mapfile -t commands < <(sed -n 's/^run docker //p' "$T/log/browser")
is "${#commands[@]}" 3 'the page shows how to log in, to tag and to push'

# As a reader would type them: IMAGE is what was built, and login asks for the password.
follow() {
    case $1 in
        login\ *) printf alice-password | docker_run login -u alice --password-stdin "${1#login }" ;;
        *)
            local words
            read -ra words <<<"${1/ IMAGE / hello-page }"
            docker_run "${words[@]}" ;;
    esac
}
mkdir "$T/context"
echo 'Hello, page' >"$T/context/hello.txt"
printf 'FROM scratch\nCOPY hello.txt /\nENV GREETING=hello\nCMD ["/hello"]\n' >"$T/context/Dockerfile"
export DOCKER_BUILDKIT=0
ok_run 'docker build' docker_run build -q -t hello-page "$T/context"
ok_run 'docker login' follow "${commands[0]:-none}"
ok_run 'docker tag' follow "${commands[1]:-none}"
ok_run 'docker push' follow "${commands[2]:-none}"
: >"$T/pushed"

gone() { ! alive browser; }
wait_for 120 gone
while IFS= read -r line; do
    case $line in
        'ok '*) pass "in the browser: ${line#ok }" ;;
        'not ok '*) fail "in the browser: ${line#not ok }" ;;
        'run '* | 'pull '*) ;;
        *) diag "$line" ;;
    esac
done <"$T/log/browser"
like "$(<"$T/log/browser")" 'ok the browser has nothing to complain about' 'the browser came to the end'

docker_run tag hello-page "$HOST/unknown:latest"
capture docker_run push "$HOST/unknown:latest"
like "$RC $(cat "$T/.out" "$T/.err")" "^1 .*repository 'unknown' does not exist.*stillage repo create unknown" 'a repository that nobody has created: docker says what to do'
docker_run rmi -f "$HOST/getting-started:latest" hello-page >/dev/null 2>&1 || true
client_logout docker >"$T/log/logout"
ok_run 'docker pull, by who has not logged in' client_pull docker "$HOST/getting-started:latest"
# What the page says to other clients, word by word; only ctr has to be told where to put it.
in_its_folder() { cd "$T"; "$@"; }
say() { sed -n "s/^pull $1 //p" "$T/log/browser"; }
for client in podman skopeo ctr; do
    why=$(client_why $client)
    if [ -n "$why" ]; then skip 1 "$why" "$client pulls"; continue; fi
    read -ra words < <(say $client)
    [ $client != ctr ] || words=("${words[@]:0:2}" --snapshotter native "${words[@]:2}")
    ok_run "the page's command for $client: ${words[*]}" in_its_folder "${client}_run" "${words[@]}"
done
ok_run 'verify finds nothing wrong' "$STILLAGE" verify
done_testing
