"""Rules of the postgres layer that look at the whole estate."""

from collections.abc import Iterator

from xteam_infra.errors import Problem
from xteam_infra.estate import Estate
from xteam_infra.layers import GROUPS
from xteam_infra.secrets import Secret
from xteam_infra.settings.postgres import NEXT, PostgresSettings
from xteam_infra.settings.stored import Stored

# A password that stands in the store must be longer than what is tried in practice; generated ones have 64.
PASSWORD_LENGTH = 20
# By the frequency of its own characters; 20 random letters and digits have more than 65.
PASSWORD_BITS = 55


def problems(estate: Estate) -> Iterator[Problem]:
    """What is wrong with the settings in this estate."""
    settings = estate.postgres
    if not estate.members("postgres"):
        return
    if settings.postgres_synchronous == "strict" and len(estate.members("postgres")) < 2:
        yield settings.problem(
            "postgres_synchronous", "strict", '"on" with one member: strict would refuse every commit'
        )
    yield from _unknown_sources(settings)


def stored(estate: Estate) -> Iterator[Stored]:
    """The secrets of this layer that the store may hold, and what each must be like."""
    settings = estate.postgres
    if not estate.members("postgres"):
        return
    # PgBouncer, libpq and PostgreSQL agree on what a password is only as long as it is ASCII.
    formats = {
        settings.POSTGRES_PASSWORD.name: ("line", "env"),
        settings.postgres_migrator_password.name: ("line", "env"),
    }
    for reference in (*settings.passwords.values(), settings.patroni_rest_password):
        its = formats.get(reference.name, ("line", "yaml"))
        yield Stored(reference.name, its, shortest=PASSWORD_LENGTH, fewest_bits=PASSWORD_BITS)
        # The password that a rotation brings; for a moment both names have it.
        following = Secret(f"{reference.name}{NEXT}")
        yield Stored(following.name, its, shortest=PASSWORD_LENGTH, fewest_bits=PASSWORD_BITS, unique=False)


def _unknown_sources(settings: PostgresSettings) -> Iterator[Problem]:
    for n, rule in enumerate(settings.postgres_hba_rules):
        for source, hint in rule.unknown_sources(GROUPS):
            allowed = f"a group ({', '.join(GROUPS)}), an address or a network{hint}"
            yield settings.problem(f"postgres_hba_rules.{n}.sources", source, allowed)
