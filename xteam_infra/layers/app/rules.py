"""Rules of the app layer that look at the whole estate."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from xteam_infra.errors import Problem, SecretsError
from xteam_infra.estate import Estate
from xteam_infra.secrets import open_store
from xteam_infra.settings.app import NEVER_ANYTHING, AppSettings
from xteam_infra.settings.stored import Stored


def problems(estate: Estate) -> Iterator[Problem]:
    """What is wrong with the settings in this estate."""
    settings = estate.app
    if not (estate.members("app") or estate.members("worker")):
        return
    if settings.rehearse and not (estate.members("backup") and estate.members("postgres")):
        yield settings.problem("rehearse", True, "False: no host of this inventory keeps a backup of PostgreSQL")
    if bool(settings.sentry_api) != bool(settings.sentry_api_token):
        yield settings.problem("sentry_api", settings.sentry_api, "sentry_api and sentry_api_token, or neither")
    if settings.production:
        yield from _unsafe(settings)
    yield from _no_webhook(estate)


def stored(estate: Estate) -> Iterator[Stored]:
    """The secrets of this layer that the store may hold, and what each must be like."""
    settings = estate.app
    if not (estate.members("app") or estate.members("worker")):
        return
    for variable, reference in settings.secrets.items():
        random = variable == "SECRET_KEY"
        yield Stored(reference.name, ("env",), measured=random, variable=variable)


def _unsafe(settings: AppSettings) -> Iterator[Problem]:
    if settings.DEBUG:
        yield settings.problem(
            "DEBUG", True, 'False with ENVIRONMENT = "production": an error page would show our code'
        )
    for key in NEVER_ANYTHING:
        if any("*" in word for word in getattr(settings, key)):
            allowed = 'names without * with ENVIRONMENT = "production"'
            yield settings.problem(key, getattr(settings, key), allowed)
    for origin in settings.CORS_ALLOW_ORIGINS:
        parts = urlsplit(origin)
        if "*" not in origin and (parts.scheme != "https" or not parts.netloc or parts.path):
            yield settings.problem("CORS_ALLOW_ORIGINS", origin, "https://NAME, nothing after it")


def _no_webhook(estate: Estate) -> Iterator[Problem]:
    """Before a release begins: that nobody was told should not come out at its end."""
    settings = estate.app
    if settings.deploy_webhook is None:
        return
    try:
        value = open_store(estate.all.secrets_store).get(settings.deploy_webhook.name)
    except SecretsError:
        return  # validate has told
    if value is None or urlsplit(value).scheme not in ("http", "https"):
        found = "nothing" if value is None else "no http or https address"
        key = f"{settings.deploy_webhook.name} (deploy_webhook)"
        yield Problem("the secrets store", key, found, "the address to tell, put there by hand")
