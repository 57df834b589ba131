# shellcheck shell=sh
# The steps that the install.sh of the three deployments have in common. Sourced by them, in their folder.
#
#   install.sh NAME [--open | --user USER [--password-stdin]] [--prefix DIR] [--registry DIR] [OPTION of stillage config]...
#   install.sh                    with the options of the last time: for upgrades, and to change the web server
#
#   NAME               the host name of the registry
#   --user USER        the first user, who may push; admin by default. At a terminal, it asks for the password; otherwise it
#                      makes one up and shows it once
#   --password-stdin   reads the password from standard input, one line
#   --open             no users: everybody whom the network lets through may pull, push and delete
#   --prefix DIR       where `make install` put the programs; /usr/local by default
#   --registry DIR     where the registry is; /srv/registry by default
#
# Those of the Debian package, below /usr/share/doc, take /usr and /var/lib/stillage.
#
# All other options are passed on to `stillage config`, above all --tls-certificate FILE and --tls-key FILE. With TLS, port 80
# redirects to HTTPS, but serves /var/www/html/.well-known/acme-challenge/ for certbot and the like.

remembered=/etc/stillage/install
units=/etc/systemd/system

fail() {
    echo "install.sh: $*" >&2
    exit 1
}

has_systemd() { [ -d /run/systemd/system ]; }

stillage() { runuser -u stillage -- "$prefix/bin/stillage" "$@"; }

# Sets what is explained above, and `config`, the options for `stillage config`, one a line.
take_arguments() {
    prefix=/usr/local registry=/srv/registry user=admin chosen='' password='' tls='' redirect='' config=''
    case $PWD in /usr/share/*) prefix=/usr registry=/var/lib/stillage ;; esac
    if [ $# -eq 0 ] && [ -e $remembered ]; then
        while IFS= read -r word; do set -- "$@" "$word"; done <$remembered
    fi
    case ${1:--} in -*) fail 'usage: install.sh NAME [OPTION]...; ../deploy.sh explains the options' ;; esac
    name=$1 words=$(printf '%s\n' "$@")
    shift
    while [ $# -gt 0 ]; do
        case $1 in
            --open) chosen=open ;;
            --user) user=${2:?} chosen=user && shift ;;
            --password-stdin) password=stdin chosen=user ;;
            --prefix) prefix=${2:?} && shift ;;
            --registry) registry=${2:?} && shift ;;
            *)
                case $1 in --tls-certificate*) tls=1 ;; --redirect*) redirect=1 ;; esac
                config="$config$1
"
                ;;
        esac
        shift
    done
    [ ! "$tls" ] || [ "$redirect" ] || config="$config--redirect
80
"
    [ -x "$prefix/bin/stillage" ] || fail "there is no $prefix/bin/stillage: make install PREFIX=$prefix"
}

# The account that owns the registry. It may give files to the web server's group, which only reads.
make_account() {
    id stillage >/dev/null 2>&1 ||
        useradd --system --groups www-data --home-dir "$registry" --shell /usr/sbin/nologin stillage
}

is_open() {
    case $(stillage access check -r "$registry" anonymous any push) in *'no users and no rules'*) ;; *) false ;; esac
}

# make_registry nginx|apache: an empty one; or the one that is there, brought up to date, with the files that Apache needs.
make_registry() {
    case $1 in apache) set -- --apache ;; *) set -- ;; esac
    if [ ! -e "$registry/registry.yaml" ]; then
        install -d -o stillage -g www-data -m 0750 "$registry"
        stillage init "$@" --group www-data "$registry"
    elif [ ! "$chosen" ] && is_open && [ -n "$(stillage ls -r "$registry")" ]; then
        fail "everybody may push to the registry in $registry: say --open if that is to stay so, or --user NAME"
    else
        [ $# -eq 0 ] || grep -q '^apache: true' "$registry/registry.yaml" ||
            printf '\napache: true\n' >>"$registry/registry.yaml"
        if [ -e "$registry/frozen" ]; then
            stillage verify -q --quick --repair -r "$registry"
        else
            stillage upgrade -q -r "$registry"
        fi || echo "install.sh: not everything in $registry is in order: see above" >&2
    fi
}

# A registry to which anybody may push has to be asked for explicitly.
make_first_user() {
    [ "$chosen" != open ] && is_open || return 0
    if [ "$password" ]; then
        stillage user add -q --stdin -r "$registry" "$user"
    elif [ -t 0 ] && [ -t 1 ]; then
        stillage user add -q -r "$registry" "$user"
    else
        made_up=$(head -c 15 /dev/urandom | base64 | tr +/ -_)
        echo "$made_up" | stillage user add -q --stdin -r "$registry" "$user"
    fi
    cat >>"$registry/registry.yaml" <<END

# From install.sh. Write 'anonymous' in place of 'user' for images that everybody may pull.
access:
  - repository: "**"
    pull: [user]
    push: [$user]
    delete: [$user]
END
    stillage access apply -r "$registry" >/dev/null
}

site_of() { case $1 in nginx) echo /etc/nginx/conf.d/stillage.conf ;; apache2) echo /etc/apache2/sites-available/stillage.conf ;; esac; }

check_server() { case $1 in nginx) nginx -t -q ;; apache2) apachectl -t ;; esac; }

# remove_site SERVER: removes what another of these deployments left. A server without any other site is stopped: two
# servers cannot have the same port.
remove_site() {
    [ -e "$(site_of "$1")" ] || return 0
    rm -f "$(site_of "$1")" /etc/apache2/sites-enabled/stillage.conf
    has_systemd || return 0
    case $1 in
        nginx) others=$(ls -I default /etc/nginx/sites-enabled && find /etc/nginx/conf.d -name '*.conf') ;;
        apache2) others=$(ls -I '*default*.conf' /etc/apache2/sites-enabled) ;;
    esac
    if [ "$others" ]; then
        systemctl try-reload-or-restart "$1"
    else
        systemctl disable -q --now "$1"
        echo "Stopped $1, which has no other site."
    fi
}

# make_room SERVER: a slow upload holds two of nginx's connections, or a thread of Apache's, for as long as it lasts. A
# few hundred would use up all that Debian allows.
make_room() {
    case $1 in
        nginx)
            sed -i 's/^\([[:space:]]*worker_connections\) 768;/\1 4096;/' /etc/nginx/nginx.conf
            [ ! -d /etc/nginx/modules-enabled ] || {
                echo 'worker_rlimit_nofile 16384;'
                grep -q '^[[:space:]]*pcre_jit' /etc/nginx/nginx.conf || echo 'pcre_jit on;'    # a pull takes many patterns
            } >/etc/nginx/modules-enabled/90-stillage.conf
            ;;
        apache2)
            [ ! -e /etc/apache2/conf-enabled/stillage.conf ] || return 0
            cat >/etc/apache2/conf-available/stillage.conf <<END
<IfModule mpm_event_module>
    ServerLimit 20
    ThreadLimit 128
    ThreadsPerChild 128
    MaxRequestWorkers 2560
    MaxSpareThreads 384
</IfModule>
END
            a2enconf -q stillage
            ! has_systemd || systemctl stop apache2 # these do not change while it runs
            ;;
    esac
}

# make_site SERVER OPTION...: the site, with OPTIONs for `stillage config`. The previous one is kept beside it, and stays
# in place if the server rejects the new one.
make_site() {
    server=$1 site=$(site_of "$1")
    shift
    while IFS= read -r word; do [ ! "$word" ] || set -- "$@" "$word"; done <<END
$config
END
    stillage config "${server%2}" -r "$registry" --server-name "$name" "$@" >"$site.new"
    [ ! -e "$site" ] || cmp -s "$site" "$site.new" || cp "$site" "$site.old"
    mv "$site.new" "$site"
    make_room "$server"
    [ "$server" != apache2 ] || a2ensite -q stillage
    check_server "$server" && return
    [ ! -e "$site.old" ] || cp "$site.old" "$site"
    fail "$server does not accept $site: see above"
}

# install_units SERVICE: the socket, the service behind it, and the timers, for this prefix and this registry: that of gc, and
# where ID tokens log in (auth: oidc:), the one that fetches their issuers' keys.
install_units() {
    timers=stillage-gc.timer
    [ -z "$(stillage oidc ls -r "$registry")" ] || timers="$timers stillage-oidc.timer"
    # shellcheck disable=SC2086
    for unit in ../systemd/stillage.socket $(printf '../systemd/%s\n' $timers | sed 'p; s/timer$/service/') "$1"; do
        sed "s|/usr/local/|$prefix/|g; s|/srv/registry|$registry|g" "$unit" >"$units/${unit##*/}"
        chmod 644 "$units/${unit##*/}"
        # The package keeps its own up to date.
        ! cmp -s "$units/${unit##*/}" "/usr/lib/systemd/system/${unit##*/}" || rm "$units/${unit##*/}"
    done
    mkdir -p "${remembered%/*}"
    printf '%s\n' "$words" | sed '/^--password-stdin$/d' >$remembered
}

# start SERVER: replaces whatever ran before, including processes of older programs.
start() {
    if ! has_systemd; then
        echo "There is no systemd here: start what stillage.socket and stillage.service in $units say, and $1."
        return
    fi
    systemctl daemon-reload
    systemctl stop stillage.service
    # shellcheck disable=SC2086
    systemctl enable -q stillage.socket $timers
    # shellcheck disable=SC2086
    systemctl restart stillage.socket $timers
    systemctl reload-or-restart "$1" ||
        fail "$1 does not start: does another server have its port? (ss -ltnp; systemctl disable --now ...)"
}

# The address, and how to go on.
say_how() {
    listen=$(printf '%s' "$config" | sed -n '/^--listen$\|^-l$/{n;s/.*://;p}; s/^--listen=.*[:=]//p')
    case $tls:$listen in 1: | 1:443 | : | :80) host=$name ;; *) host=$name:$listen ;; esac
    echo
    echo "$registry is served at http${tls:+s}://$host/ by $server."
    if is_open; then
        echo "  EVERYBODY who can reach it may pull, push and delete. To change that: $0 $name --user NAME"
    else
        [ ! "${made_up:-}" ] || echo "  user $user, password $made_up (it is not shown again; 'stillage user passwd $user' sets another)"
        echo "  docker login $host"
    fi
    echo "  docker push $host/NAME:TAG"
    echo "Who may do what: $registry/registry.yaml. Users: stillage user -r $registry add NAME."
    [ "$tls" ] || cat <<END
Without TLS, passwords and images cross the network in the clear, and clients refuse this unless configured to allow it:
give --tls-certificate FILE and --tls-key FILE.
END
}
