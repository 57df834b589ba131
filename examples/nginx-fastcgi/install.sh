#!/bin/sh
# A registry with pushes: nginx serves the files, stillage.cgi, which keeps running, handles the writes.
#
#   apt-get install nginx-light && make install && sh examples/nginx-fastcgi/install.sh registry.example.org
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
make_site nginx --push fastcgi:/run/stillage.sock
install_units ../systemd/stillage.service
start nginx
say_how
