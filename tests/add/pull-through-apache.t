#!/bin/bash
# Pull-through behind Apache, with the responder and with plain CGI.
# shellcheck source=tests/add/pull-through-common.sh
. "$(dirname "$0")/pull-through-common.sh"
have apache2 || skip_all 'apache2 is not installed'

set_up_ways
try_ways apache-fastcgi apache-cgi
try_access apache-fastcgi
done_testing
