"""What is tried before a new password or access key of a backup replaces the old one."""

import shlex

from xteam_infra.cloud.restic import Repository

# restic's exit statuses: no repository there, and one that the password does not open.
ABSENT, WRONG_PASSWORD = 10, 12


def opens(repository: Repository) -> str:
    """A command with {} for a file with a password: it fails when the repository has another one."""
    other = f"{repository.url} has another password: give {repository.cipher.name} in the secrets store its old value"
    good = f"0|{ABSENT}) ;; {WRONG_PASSWORD}) echo {shlex.quote(other)}; exit 1 ;;"
    return _tried(repository, ["--password-file", "{}"], repository.credentials, good)


def reachable(repository: Repository) -> str:
    """A command with {} for a file with an access key: it fails when the bucket can't be read with it.

    That some password is refused tells that the repository was read.
    """
    return _tried(repository, ["--password-command", "echo any"], "{}", f"0|{ABSENT}|{WRONG_PASSWORD}) ;;")


def _tried(repository: Repository, password: list[str], credentials: str, good: str) -> str:
    options = ["--no-cache", "--no-lock", "--quiet", "--repo", repository.url, *repository.options, *password]
    # The braces stay as they are: the new file's name goes there, quoted already.
    ask = f"AWS_SHARED_CREDENTIALS_FILE={credentials} restic {' '.join(map(_quoted, options))} cat config"
    fails = f'*) echo "$said"; echo {shlex.quote(f"{repository.url} does not open")}; exit 1 ;;'
    return f"sh -c {shlex.quote(f'said=$({ask} 2>&1 </dev/null); case $? in {good} {fails} esac')}"


def _quoted(word: str) -> str:
    return word if word == "{}" else shlex.quote(word)
