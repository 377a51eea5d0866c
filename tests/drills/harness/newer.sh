#!/bin/bash
# Packs Debian's postgresql-17 again under a higher version, and offers it to this host's apt from a directory.
# $1: the directory, $2: its entry in apt's sources. Prints the version that is installed, and the one on offer.
set -euo pipefail
directory=$1 source=$2
export DEBIAN_FRONTEND=noninteractive
installed=$(dpkg-query -W -f '${Version}' postgresql-17)
rm -rf "$directory" && install -d -m 755 "$directory/old" "$directory/new"
(cd "$directory/old" && apt-get -q -o APT::Sandbox::User=root download "postgresql-17=$installed" >/dev/null)
dpkg-deb -R "$directory"/old/*.deb "$directory/tree"
sed -i "s/^Version: .*/Version: $installed+drill1/" "$directory/tree/DEBIAN/control"
dpkg-deb -b -Znone "$directory/tree" "$directory/new/postgresql-17.deb" >/dev/null
rm -rf "$directory/tree"
cd "$directory/new"
{
    dpkg-deb -f postgresql-17.deb
    printf 'Filename: ./postgresql-17.deb\nSize: %s\nSHA256: %s\n' \
        "$(stat -c %s postgresql-17.deb)" "$(sha256sum postgresql-17.deb | cut -d' ' -f1)"
} > Packages
echo "deb [trusted=yes] file:$directory/new ./" > "$source"
apt-get -q -o DPkg::Lock::Timeout=300 update >/dev/null
echo "$installed"
apt-cache policy postgresql-17 | sed -n 's/^  Candidate: //p'
