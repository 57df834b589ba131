#!/bin/sh
# A registry with pushes: nginx serves the files, fcgiwrap starts stillage.cgi for each write.
#
#   apt-get install nginx-light fcgiwrap && make install && sh examples/nginx-fcgiwrap/install.sh registry.example.org
#
# Run as root; ../deploy.sh explains the options and holds the steps. Run again, it keeps what is there, replaces any
# other of these deployments, and starts the newly installed programs.
set -eu
cd "$(dirname "$0")"
# shellcheck source=examples/deploy.sh
. ../deploy.sh

take_arguments "$@"
make_account
make_registry nginx
make_first_user
remove_site apache2
make_site nginx --push fcgiwrap:/run/stillage.sock --cgi "$prefix/libexec/stillage.cgi"
install_units stillage.service
start nginx
say_how
