"""Secrets of ordinary characters that something always misreads, for a store that no deploy has filled yet.

    python -m tests.hostile inventories/lab.py

gives every secret of the inventory that can be made such a value, unless the store has one.
"""

import secrets
import sys

from xteam_infra.secrets import open_store
from xteam_infra.secrets.escape import refused
from xteam_infra.settings.stored import Stored
from xteam_infra.validate import declared, stored

# Of URLs, shells, quotes, comments, printf, Jinja, INI interpolation; each in the middle and none twice.
HOSTILE = "#@:/?&%$\"'\\`!;=+,|*^~<>()[]{}{{%{%%(x)s ${HOME} $(id) # ; \\n %2F"

# By what misreads them; whole, as a store may have them.
VALUES = {
    "of many kinds": "vK7#mQ2xR9tB4wZ8@nL5c/Y1dF6:gH3jP0s",
    "quotes": "a'b\"c`d\\e",
    "backslashes": "a\\n\\x41\\\\b\\",
    "expansion": "$HOME ${HOME} $(id) %(x)s %h {{ x }} {% x %}",
    "comments": "#a # c ;d ; e",
    "URL": "a@b:c/d?e=f&g%2Fh+i",
    "spaces": "a b  c",
    "beyond ASCII": "pässwort-пароль-密码-🔑",
    "spaces at the ends": " a ",
}


def hostile(one: Stored) -> str:
    """A value that the rules of this secret allow, with as many hostile characters as they do."""
    pieces = [piece for piece in HOSTILE if not refused(f"a{piece}a", one.formats)]
    room = one.longest - 40
    return f"{secrets.token_urlsafe(15)}{''.join(pieces)[:room]}{secrets.token_urlsafe(15)}"


def main() -> None:
    """Fill the store of an inventory."""
    estate = declared(sys.argv[1])
    store = open_store(estate.all.secrets_store)
    for one in stored(estate):
        if one.measured and one.unique:
            store.create(one.name, hostile(one))


if __name__ == "__main__":
    main()
