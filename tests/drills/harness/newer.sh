#!/bin/bash
# Packs one of Debian's packages again under a higher version, and offers it to this host's apt from a directory.
# $1: the directory, $2: its entry in apt's sources, $3: the package, $4: a configuration file of it that
# differs in the new version. Prints the version that is installed, and the one on offer.
set -euo pipefail
directory=$1 source=$2 package=$3 conffile=${4:-}
export DEBIAN_FRONTEND=noninteractive
installed=$(dpkg-query -W -f '${Version}' "$package")
rm -rf "$directory" && install -d -m 755 "$directory/old" "$directory/new"
(cd "$directory/old" && apt-get -q -o APT::Sandbox::User=root download "$package=$installed" >/dev/null)
dpkg-deb -R "$directory"/old/*.deb "$directory/tree"
sed -i "s/^Version: .*/Version: $installed+drill1/" "$directory/tree/DEBIAN/control"
[ -z "$conffile" ] || echo "# of a newer version" >> "$directory/tree$conffile"
dpkg-deb -b -Znone "$directory/tree" "$directory/new/$package.deb" >/dev/null
rm -rf "$directory/tree"
cd "$directory/new"
{
    dpkg-deb -f "$package.deb"
    printf 'Filename: ./%s.deb\nSize: %s\nSHA256: %s\n' \
        "$package" "$(stat -c %s "$package.deb")" "$(sha256sum "$package.deb" | cut -d' ' -f1)"
} > Packages
{
    printf 'Origin: xteam-drill\nLabel: xteam-drill\nSuite: xteam-drill\nCodename: xteam-drill\nDate: %s\n' "$(date -Ru)"
    printf 'SHA256:\n %s %s Packages\n' "$(sha256sum Packages | cut -d' ' -f1)" "$(stat -c %s Packages)"
} > Release
echo "deb [trusted=yes] file:$directory/new ./" > "$source"
apt-get -q -o DPkg::Lock::Timeout=300 update >/dev/null
echo "$installed"
apt-cache policy "$package" | sed -n 's/^  Candidate: //p'
