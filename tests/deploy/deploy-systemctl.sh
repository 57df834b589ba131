#!/bin/bash
# In the place of systemctl in tests/deploy/deploy.t, where there is no systemd: does with the units in /etc/systemd/system, and with
# nginx and apache2, what those tests need of it. The state is in /run/units.
set -eu
mkdir -p /run/units
echo "$*" >>/run/units/calls

value() { sed -n "s/^$1=//p" "/etc/systemd/system/$2" | tail -n 1; }
running() { [ -e "/run/units/$1" ] && kill -0 "$(<"/run/units/$1")" 2>/dev/null; }

# The socket, then the service as its user with the socket as standard input.
start_socket() {
    rm -f "$(value ListenStream stillage.socket)"
    # shellcheck disable=SC2016,SC2046
    setsid perl -MSocket -MPOSIX -e '
        my ($path, $mode, $user, $group, $web, $environment, @command) = @ARGV;
        my $s; socket($s, AF_UNIX, SOCK_STREAM, 0) && bind($s, pack_sockaddr_un("$path.new")) && listen($s, 128)
            or die "$path.new: $!";
        my ($uid, $gid, $web_gid) = ((getpwnam $user)[2], (getgrnam $group)[2], (getgrnam $web)[2]);
        chown $uid, $web_gid, "$path.new"; chmod oct $mode, "$path.new"; rename "$path.new", $path;
        $ENV{$1} = $2 if $environment =~ /^(\w+)=(.*)$/;
        $( = $gid; $) = "$gid $gid $web_gid"; POSIX::setuid($uid) or die "setuid: $!";
        POSIX::dup2(fileno $s, 0); exec @command or die "@command: $!";' \
        "$(value ListenStream stillage.socket)" "$(value SocketMode stillage.socket)" "$(value User stillage.service)" \
        "$(value Group stillage.service)" "$(value SocketGroup stillage.socket)" "$(value Environment stillage.service)" \
        $(value ExecStart stillage.service) >>/run/units/log 2>&1 </dev/null &
    echo $! >/run/units/stillage.service
}

stop_service() {
    running stillage.service || return 0
    kill -- "-$(</run/units/stillage.service)"
    while running stillage.service; do read -rt 0.02 <> <(:) || true; done
}

is_up() { pgrep -x "$1" >/dev/null; }

wait_gone() { while is_up "$1"; do read -rt 0.02 <> <(:) || true; done; }

# reload SERVER COMMAND...: until no process that answers by the old configuration is left.
reload() {
    local old pid
    old=$(pgrep -P "$(pgrep -o -x "$1")")
    "${@:2}"
    for pid in $old; do while kill -0 "$pid"; do read -rt 0.02 <> <(:) || true; done; done
}

server() {
    case $1:$2 in
        try-reload-or-restart:nginx) ! is_up nginx || reload nginx nginx -s reload ;;
        reload-or-restart:nginx) if is_up nginx; then reload nginx nginx -s reload; else nginx; fi ;;
        try-reload-or-restart:apache2) ! is_up apache2 || reload apache2 apachectl graceful ;;
        disable:nginx) nginx -s stop && wait_gone nginx ;;
        disable:apache2) apachectl stop && wait_gone apache2 ;;
        reload-or-restart:apache2) if is_up apache2; then reload apache2 apachectl graceful; else mkdir -p /run/apache2 && apachectl start; fi ;;
    esac 2>>/run/units/log
}

verb=$1
shift
for unit; do
    case $verb:$unit in
        *:-*) ;;
        enable:*) [ -e "/etc/systemd/system/$unit" ] ;;
        stop:stillage.service | disable:stillage.socket) stop_service ;;
        restart:stillage.socket) ! running stillage.service && start_socket ;; # systemd refuses that, too
        *:nginx | *:apache2) server "$verb" "$unit" ;;
    esac
done
