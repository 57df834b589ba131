#!/bin/sh
# Makes the packages stillage and stillage-cgi in BUILD, of what is installed in BUILD/debian/stillage. `make deb` calls it.
#
#   build.sh BUILD VERSION
#
# The same source makes the same packages, on the same release of Debian: each has its own, since libraries differ.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cd "$1"
# shellcheck source=/dev/null
. /etc/os-release
version=$2+deb${VERSION_ID:-sid}
[ "${SOURCE_DATE_EPOCH:-}" ] || SOURCE_DATE_EPOCH=$(git -C "$here" log -1 --format=%ct 2>/dev/null || stat -c %Y "$here/build.sh")
export SOURCE_DATE_EPOCH

maintainer=$(sed -n 's/^Maintainer: //p' "$here/control")
cp "$here/control" debian/control
cat >debian/changelog <<END
stillage ($version) unstable; urgency=medium

  * Built from the source of $2; git has what has changed.

 -- $maintainer  $(date -u -R -d "@$SOURCE_DATE_EPOCH")
END

main=debian/stillage cgi=debian/stillage-cgi
mkdir -p $cgi/usr/libexec $cgi/usr/lib/systemd/system $cgi/usr/lib/sysusers.d $cgi/usr/lib/tmpfiles.d \
    $cgi/usr/share/doc/stillage-cgi $cgi/usr/share/man $cgi/DEBIAN $main/DEBIAN
mv $main/usr/libexec/stillage.cgi $cgi/usr/libexec
mv $main/usr/share/man/man8 $cgi/usr/share/man
rmdir $main/usr/libexec
mv $main/usr/share/zsh/site-functions $main/usr/share/zsh/vendor-completions
for unit in stillage.socket stillage.service stillage-gc.service stillage-gc.timer; do
    sed 's|/usr/local/|/usr/|g; s|/srv/registry|/var/lib/stillage|g' "$here/../systemd/$unit" >$cgi/usr/lib/systemd/system/$unit
done
cp "$here/stillage-cgi.sysusers" $cgi/usr/lib/sysusers.d/stillage-cgi.conf
cp "$here/stillage-cgi.tmpfiles" $cgi/usr/lib/tmpfiles.d/stillage-cgi.conf
cp "$here/README.Debian" $cgi/usr/share/doc/stillage-cgi
for script in postinst prerm postrm; do install -m 755 "$here/stillage-cgi.$script" "$cgi/DEBIAN/$script"; done

strip --strip-unneeded --remove-section=.comment --remove-section=.note $main/usr/bin/stillage $cgi/usr/libexec/stillage.cgi
find $main/usr/share/man $cgi/usr/share/man -type f -exec gzip -9n {} +
for package in stillage stillage-cgi; do
    tree=debian/$package
    cp "$here/copyright" "$tree/usr/share/doc/$package/copyright"
    install -D -m 644 "$here/$package.lintian-overrides" "$tree/usr/share/lintian/overrides/$package"
    gzip -9n <debian/changelog >"$tree/usr/share/doc/$package/changelog.gz"
    find "$tree/usr" \( -path '*/bin/*' -o -name stillage.cgi \) -type f -exec dpkg-shlibdeps "-Tdebian/$package.substvars" {} +
    dpkg-gencontrol -p$package -P"$tree" -Tdebian/$package.substvars -fdebian/files
    (cd "$tree" && find usr -type f | LC_ALL=C sort | xargs md5sum >DEBIAN/md5sums)
    chmod -R u=rwX,go=rX "$tree"
    dpkg-deb --root-owner-group --build "$tree" . >/dev/null
done
ls ./*.deb
