# shellcheck shell=bash
# Sourced after lib.sh and ceph.sh: front ends of one registry, each on a mount of its own, and HAProxy by examples/cluster/.
#
#   front_end MOUNT [COMMAND...]         nginx and the responder, which that command starts, for the registry there; sets URL_OF[MOUNT], …
#   full_store MOUNT...                  as in a registry that has many blobs: it has all folders, and mounts know them
#   look_around MOUNT...                 as stillage-mount-check.service does every ten seconds
#   mount_again MOUNT                    the mount anew, and both anew on it, as systemd does
#   start_haproxy http|https MOUNT...    in front of those: HOST, URL; what was asked for besides: HAPROXY, an expression for sed
#   is_up MOUNT UP|DOWN                  whether HAProxy sees it so

declare -A RESPONDER_OF=() NGINX_OF=() SOCKET_OF=() URL_OF=()
STATUS_PORT='' OTHER_PORT=''
CLUSTER=$TOP/examples/cluster

front_end() {
    local REG=$T/$1/reg NGINX_HTTP
    # shellcheck disable=SC2034   # servers.sh reads it
    NGINX_HTTP="set_real_ip_from 127.0.0.1; $(grep '^real_ip_header' "$CLUSTER/real-ip.conf")"
    start_responder 2 "${@:2}"
    RESPONDER_OF[$1]=$SERVER SOCKET_OF[$1]=$SOCKET
    start_nginx "$REG" --push "fastcgi:$SOCKET" --cgi "$STILLAGE_CGI"
    NGINX_OF[$1]=$SERVER URL_OF[$1]=$URL
}

full_store() {
    local reg=$T/$1/reg mount
    mkdir -p "$reg/locks/store" "$reg/store/sha256/"{{0..9},{a..f}}{{0..9},{a..f}}
    (umask 027 && touch "$reg/locks/store/"{{0..9},{a..f}}{{0..9},{a..f}})
    for mount; do ls -l "$T/$mount/reg/"{locks/store,store/sha256} >"$T/log/look"; done
    look_around "$@"
}

look_around() {
    local command mount
    command=$(sed -n 's|^ExecStart=-/usr/bin/timeout -k 1 30 ||p' "$CLUSTER/stillage-mount-check.service")
    # shellcheck disable=SC2086
    for mount; do ${command//\/srv\/registry/$T/$mount/reg} >"$T/log/look"; done
}

mount_again() {
    local nginx=${NGINX_OF[$1]}
    stop "$nginx"
    stop "${RESPONDER_OF[$1]}"
    stop "$1"
    umount -l "$T/$1"
    ceph_mount "$1"
    SERVER=${RESPONDER_OF[$1]} SOCKET=${SOCKET_OF[$1]}
    rm -f "$SOCKET"
    spawn "$SERVER" env STILLAGE_REGISTRY="$T/$1/reg" spawn-fcgi -n -s "$SOCKET" -- "$STILLAGE_CGI" --workers 2
    open_socket
    spawn "$nginx" nginx -p "$T/$nginx" -e "$T/$nginx/start.log" -c "$T/$nginx/nginx.conf"
    wait_up "$nginx" 15 answers "${URL_OF[$1]}"
}

# A busy machine is not a dead one: checks may take their time.
start_haproxy() {
    local kind=$1 mount servers='' certificate http https
    shift
    for mount; do servers+="    server $mount ${URL_OF[$mount]#*//}\\n"; done
    next_server haproxy
    [ -e "$T/tls/tls.key" ] || self_signed "$T/tls"
    certificate=$SERVER_DIR/registry.pem
    cat "$T/tls/tls.crt" "$T/tls/tls.key" >"$certificate"
    free_port STATUS_PORT
    free_port OTHER_PORT
    http=$HOST https=127.0.0.1:$OTHER_PORT
    [ "$kind" = http ] || { http=$https https=$HOST URL=https://$HOST; }
    sed -e "s|^    server a .*|${servers%\\n}|; /^    server b/d; s|/etc/haproxy/registry.pem|$certificate|" \
        -e "s|bind :80|bind $http|; s|bind :443|bind $https|; s|127.0.0.1:8404|127.0.0.1:$STATUS_PORT|" \
        -e "s|/run/haproxy/admin.sock|$SERVER_DIR/admin.sock|; s|maxconn 8000|maxconn 500|; s|check 5s|check 60s|; s|inter 2s|inter 500|" \
        -e "${HAPROXY:-}" "$CLUSTER/haproxy.cfg" >"$SERVER_DIR/haproxy.cfg"
    [ "$kind" = https ] || sed -i '/redirect scheme/d' "$SERVER_DIR/haproxy.cfg"
    spawn "$SERVER" haproxy -db -f "$SERVER_DIR/haproxy.cfg"
    wait_up "$SERVER" 15 answers "$URL"
}

is_up() { curl -s "http://127.0.0.1:$STATUS_PORT/;csv" | grep -q "^front_ends,$1,\([^,]*,\)\{15\}$2"; }
