"""Which commands only look, so that their answer may be used again within a run."""

import shlex

# Many checks ask the same: these are the questions worth asking once. What is missing here is merely asked again.
READERS = {
    "cat", "command", "df", "dpkg-query", "findmnt", "getent", "grep", "head", "hostname", "id", "ls", "lscpu", "nproc",
    "readlink", "sha256sum", "ss", "stat", "tail", "test", "uname", "wc",
}  # fmt: skip
READER_CALLS = {
    ("dpkg", "-l"),
    ("ip", "address"),
    ("ip", "-json"),
    ("nft", "-j"),
    ("nft", "list"),
    ("sshd", "-T"),
    ("sysctl", "-n"),
    ("systemctl", "cat"),
    ("systemctl", "is-active"),
    ("systemctl", "is-enabled"),
    ("systemctl", "is-failed"),
    ("systemctl", "list-timers"),
    ("systemctl", "list-unit-files"),
    ("systemctl", "list-units"),
    ("systemctl", "show"),
}


def only_reads(command: str) -> bool:
    """Whether a shell command is one plain call of a program known to change nothing. In doubt: no."""
    if "`" in command or "$(" in command or "\n" in command:
        return False
    try:
        lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words = list(lexer)
    except ValueError:
        return False
    if not words or any(word and set(word) <= set("();<>|&") for word in words):
        return False
    return words[0] in READERS or tuple(words[:2]) in READER_CALLS
