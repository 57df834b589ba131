#!/bin/bash
# make deb, install, uninstall, dist: what they make, and where. How the packages live on a system is tests/deploy/deb-life.sh.
. "$(dirname "$0")/../lib.sh"
have dpkg-gencontrol || skip_all 'dpkg-dev is not installed'
BUILD=$(dirname "$STILLAGE")
[ -e "$BUILD/libstillage.a" ] || skip_all 'the programs were built elsewhere'
[ -z "${SANITIZED:-}" ] || skip_all 'sanitizers are libraries that no package depends on'
cd "$TOP"

# The objects are the same, so only linking is done again.
mkdir "$T/build"
cp -a "$BUILD/lib" "$BUILD/cmd" "$BUILD/cgi" "$BUILD/libstillage.a" "$T/build"
ok_run 'the packages are made' env SOURCE_DATE_EPOCH=1700000000 make -s debs BUILD="$T/build" CGI_STATIC= STATIC_ARCHIVE=
cd "$T/build"
tool=$(echo stillage_*.deb) cgi=$(echo stillage-cgi_*.deb)
files() { dpkg-deb -c "$1" | awk '!/\/$/ { sub(/^\./, "", $6); print $6 }'; }
mode_of() { dpkg-deb -c "$1" | awk -v name=".$2" '$6 == name { print $1, $2 }'; }
field() { dpkg-deb -f "$1" "$2"; }

is "$(files "$tool" | grep -vE '^/usr/share/(doc/stillage/|man/man1/stillage-[a-z-]+\.1\.gz$)')" '/usr/bin/stillage
/usr/share/bash-completion/completions/stillage
/usr/share/fish/vendor_completions.d/stillage.fish
/usr/share/lintian/overrides/stillage
/usr/share/man/man1/stillage.1.gz
/usr/share/man/man5/registry.yaml.5.gz
/usr/share/man/man7/stillage-layout.7.gz
/usr/share/zsh/vendor-completions/_stillage' 'stillage: the command, its pages and its completion'
is "$(files "$tool" | sed -n 's|^/usr/share/doc/stillage/\([^/]*\)$|\1|p' | tr '\n' ' ')" 'LAYOUT.md README.md SECURITY.md changelog.gz copyright ' 'its documents'
is "$(files "$tool" | grep -c '/man1/stillage-')" "$("$STILLAGE" help | grep -c '^  [a-z-]* ')" 'a page for each command'
is "$(files "$cgi")" '/usr/lib/systemd/system/stillage-gc.service
/usr/lib/systemd/system/stillage-gc.timer
/usr/lib/systemd/system/stillage.service
/usr/lib/systemd/system/stillage.socket
/usr/lib/sysusers.d/stillage-cgi.conf
/usr/lib/tmpfiles.d/stillage-cgi.conf
/usr/libexec/stillage.cgi
/usr/share/doc/stillage-cgi/README.Debian
/usr/share/doc/stillage-cgi/changelog.gz
/usr/share/doc/stillage-cgi/copyright
/usr/share/lintian/overrides/stillage-cgi
/usr/share/man/man8/stillage.cgi.8.gz' 'stillage-cgi: the program, its units, account and page'
is "$(mode_of "$tool" /usr/bin/stillage)$(mode_of "$cgi" /usr/libexec/stillage.cgi)" '-rwxr-xr-x root/root-rwxr-xr-x root/root' 'programs belong to root'
is "$(dpkg-deb -c "$tool" | awk '$6 ~ /debian|quickstart/')" '' 'nothing of this source but its examples'
version=$(field "$tool" Version)
like "$version" "^$("$STILLAGE" --version | cut -d ' ' -f 2)\+deb" 'the version names the release'
like "$(field "$cgi" Depends)" "stillage \(= ${version//+/\\+}\).*libfcgi" 'stillage-cgi needs the command of the same version, and its libraries'
like "$(field "$tool" Depends)" 'libarchive13.*libssl3' 'libraries come from Debian'
dpkg-deb --fsys-tarfile "$cgi" | tar -xf - ./usr/lib/systemd/system
unlike "$(cat usr/lib/systemd/system/*)" '/usr/local|/srv/' 'the units are for the places of a package'
like "$(cat usr/lib/systemd/system/*)" '/usr/libexec/stillage.cgi .*/var/lib/stillage' 'which they name'
if have lintian; then
    lintian -q --allow-root --display-info "$tool" "$cgi" >"$T/tags" 2>&1 || true
    is "$(<"$T/tags")" '' 'lintian has nothing to say but what the overrides explain'
else
    skip 1 'lintian is not installed' 'lintian'
fi

# What stands in a comment or a document stands in its page.
page() { mandoc -Tascii "$1" | sed 's/.\x08//g'; }
joined() { sed -e ':a' -e '/-$/{N; s/-\n */-/; ba' -e '}'; } # words that were divided
words_of() { grep -oE '[a-z][a-z-]{3,}' | sort -u; }
if have mandoc; then
    pages=(man/registry.yaml.5 man/stillage-layout.7 "$TOP/cgi/stillage.cgi.8")
    for i in 0 1 2; do page "${pages[i]}" | joined >"page.$i"; done
    is "$(mandoc -Tlint -W warning "${pages[@]}")" '' 'the pages that are no command are clean'
    is "$(grep -E '^\.It .{150}' "${pages[0]}" || true)" '' 'and text in registry.yaml(5) is not taken for a setting'
    is "$(comm -23 <(sed '/^@/d' "$TOP/templates/registry.yaml" | words_of) <(words_of <page.0))" '' 'registry.yaml(5) says all that the file does'
    is "$(grep -oE '^#?[a-z-]+:' "$TOP/templates/registry.yaml" | tr -d '#' | sort -u |
        while read -r key; do grep -q "^ *$key" page.0 || echo "$key"; done)" '' 'and shows each setting'
    is "$(comm -23 <(words_of <"$TOP/lib/LAYOUT.md") <(words_of <page.1))" '' \
        'stillage-layout(7) says all that LAYOUT.md does'
    is "$(env -i "$STILLAGE_CGI" --help | grep -oE -- '--[a-z]+|STILLAGE_[A-Z]+' | sort -u |
        while read -r word; do grep -q -e "$word" page.2 || echo "$word"; done)" '' 'stillage.cgi(8) has all that its --help has'
else
    skip 6 'mandoc is not installed' 'pages'
fi

cd "$TOP"
place=(PREFIX=/opt/x DESTDIR="$T/dest" BUILD="$T/build" CGI_STATIC= STATIC_ARCHIVE=)
ok_run 'installed elsewhere' make -s install "${place[@]}"
ok_run 'the program is there' "$T/dest/opt/x/bin/stillage" --version
ok_run 'and removed' make -s uninstall "${place[@]}"
is "$(find "$T/dest" ! -type d)" '' 'uninstall leaves nothing'
like "$(make -n -B V=1 CPPFLAGS=-DEXTRA BUILD="$T/none" "$T/none/cmd/main.o")" ' -ffile-prefix-map=.* -DEXTRA .*-c -o' 'CPPFLAGS count, and V=1 shows the commands'
unlike "$(make -n -s -B BUILD="$T/none" "$T/none/cmd/main.o")" '(^|.)CC [^ ]*main.o' 'make -s is silent'
if git rev-parse -q --verify HEAD >/dev/null 2>&1; then
    for i in 1 2; do make -s dist BUILD="$T/dist$i" >/dev/null; done
    same_file "$T/dist1/"*.tar.gz "$T/dist2/"*.tar.gz 'make dist makes the same archive again'
    is "$(tar -tzf "$T/dist1/"*.tar.gz | grep -v '/$' | sed 's|^[^/]*/||' | sort)" "$(git ls-tree -r --name-only HEAD | sort)" 'of what git has'
else
    skip 2 'the source is not in git' 'make dist'
fi
done_testing
