#!/bin/bash
# Pull-through behind fcgiwrap, caddy, lighttpd and `stillage serve`: an image comes, a blob that lies does not.
# shellcheck source=tests/add/pull-through-common.sh
. "$(dirname "$0")/pull-through-common.sh"

set_up_ways
try_ways nginx-fcgiwrap caddy-fastcgi lighttpd-fastcgi serve
try_access nginx-fcgiwrap
done_testing
