"""HAProxy on a host, asked through its administration socket."""

# Debian's minimal system has no socat, but always this.
_ASK = (
    'perl -MIO::Socket::UNIX -e \'$s = IO::Socket::UNIX->new("SOCKET") or die $!; '
    'print $s "show stat\\n"; print while <$s>\''
)


def servers_up(host, socket="/run/xteam-router/admin.sock"):
    """{backend: [servers that the HAProxy behind this socket takes for up]}"""
    found: dict[str, list[str]] = {}
    for line in host.check_output(_ASK.replace("SOCKET", socket)).splitlines():
        words = line.split(",")
        if len(words) > 17 and not line.startswith("#") and words[1] not in ("FRONTEND", "BACKEND"):
            up = found.setdefault(words[0], [])
            if words[17].startswith("UP"):
                up.append(words[1])
    return found
