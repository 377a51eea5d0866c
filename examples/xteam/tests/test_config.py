"""The environment is read as it is meant, and a dangerous one is refused."""

import pytest
from pydantic import ValidationError

from xteam.config import Settings

SAFE = {
    "ENVIRONMENT": "production",
    "SECRET_KEY": "kT3v9QzR7mXw1LpY5sBd8NfG2hJc6VaE0uIo4yHx",
    "ALLOWED_HOSTS": "xteam.test",
    "CORS_ALLOW_ORIGINS": "https://xteam.test",
}


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in SAFE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DEBUG", raising=False)
    return monkeypatch


def test_lists_are_comma_separated(production: pytest.MonkeyPatch) -> None:
    production.setenv("CORS_ALLOW_METHODS", "GET, POST,")
    assert Settings().CORS_ALLOW_METHODS == ("GET", "POST")


def test_an_empty_variable_is_an_unset_one(production: pytest.MonkeyPatch) -> None:
    production.setenv("SENTRY_DSN", "")
    assert Settings().SENTRY_DSN is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", "short"),
        ("SECRET_KEY", "please-change-me-please-change-me-please"),
        ("SECRET_KEY", "a" * 64),
        ("DEBUG", "true"),
        ("CORS_ALLOW_ORIGINS", "*"),
        ("CORS_ALLOW_HEADERS", "Authorization,*"),
        ("ALLOWED_HOSTS", "*"),
    ],
)
def test_production_refuses(production: pytest.MonkeyPatch, name: str, value: str) -> None:
    production.setenv(name, value)
    with pytest.raises(ValidationError, match=name):
        Settings()


def test_errors_show_no_values(production: pytest.MonkeyPatch) -> None:
    production.setenv("SECRET_KEY", "tell-nobody")
    production.setenv("ACCESS_TOKEN_EXPIRE_MINUTES", "0")
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert "ACCESS_TOKEN_EXPIRE_MINUTES" in str(refused.value)
    assert "tell-nobody" not in str(refused.value)
    assert "tell-nobody" not in repr(Settings.model_construct())
