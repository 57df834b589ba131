#!/bin/sh
# A registry with pushes: Apache serves the files, stillage.cgi, which keeps running, handles the writes.
#
#   apt-get install apache2 && make install && sh examples/apache/install.sh registry.example.org
#
# Run as root; ../deploy.sh explains the options and holds the steps. Run again, it keeps what is there, replaces any
# other of these deployments, and starts the newly installed programs.
set -eu
cd "$(dirname "$0")"
# shellcheck source=examples/deploy.sh
. ../deploy.sh

take_arguments "$@"
make_account
make_registry apache
make_first_user
remove_site nginx
a2enmod -q rewrite headers proxy_fcgi ssl
make_site apache2 --push fastcgi:/run/stillage.sock
install_units ../systemd/stillage.service
start apache2
say_how
