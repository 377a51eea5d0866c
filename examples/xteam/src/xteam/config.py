"""Everything XTeam can be told from outside: environment variables, typed and checked at start.

Names are matched without regard to case. Lists are comma separated. Errors never show a value: it may be a secret.
"""

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy import URL


def _words(value: object) -> object:
    return tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value


SslMode = Literal["disable", "require", "verify-ca", "verify-full"]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]
PLACEHOLDERS = ("change", "secret", "password", "example", "placeholder")
NEVER_ANYTHING = ("ALLOWED_HOSTS", "TRUSTED_PROXIES", "CORS_ALLOW_ORIGINS", "CORS_ALLOW_METHODS", "CORS_ALLOW_HEADERS")


class DatabaseSettings(BaseSettings):
    """Where PostgreSQL is. All that a migration needs to know."""

    model_config = SettingsConfigDict(hide_input_in_errors=True, env_ignore_empty=True, extra="ignore")

    POSTGRES_HOST: str
    POSTGRES_PORT: int = Field(5432, gt=0, lt=65536)
    POSTGRES_DB: str
    POSTGRES_USER: str
    POSTGRES_PASSWORD: SecretStr
    POSTGRES_SSLMODE: SslMode = "verify-full"
    POSTGRES_SSLROOTCERT: Path | None = None

    def database_url(self) -> URL:
        query: dict[str, str] = {"sslmode": self.POSTGRES_SSLMODE}
        if self.POSTGRES_SSLROOTCERT:
            query["sslrootcert"] = str(self.POSTGRES_SSLROOTCERT)
        return URL.create(
            "postgresql+psycopg",
            username=self.POSTGRES_USER,
            password=self.POSTGRES_PASSWORD.get_secret_value(),
            host=self.POSTGRES_HOST,
            port=self.POSTGRES_PORT,
            database=self.POSTGRES_DB,
            query=query,
        )


class Settings(DatabaseSettings):
    """The whole configuration of the API and the workers."""

    ENVIRONMENT: Literal["development", "test", "staging", "production"] = "development"
    DEBUG: bool = False
    SECRET_KEY: SecretStr
    LOG_LEVEL: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    SENTRY_DSN: SecretStr | None = None
    RELEASE: str = "development"

    ALLOWED_HOSTS: Words = ("localhost", "127.0.0.1")
    TRUSTED_PROXIES: Words = ("127.0.0.1",)
    CORS_ALLOW_ORIGINS: Words = ()
    CORS_ALLOW_METHODS: Words = ("GET", "POST", "PUT", "DELETE")
    CORS_ALLOW_HEADERS: Words = ("Authorization", "Content-Type", "X-Request-ID")
    rate_limit_enabled: bool = True
    rate_limit_requests_per_minute: int = Field(120, gt=0)
    ACCESS_TOKEN_EXPIRE_MINUTES: int = Field(30, gt=0, le=1440)

    database_pool_size: int = Field(5, gt=0)
    database_max_overflow: int = Field(5, ge=0)

    REDIS_CACHE_URL: SecretStr
    REDIS_SESSIONS_URL: SecretStr
    REDIS_BLACKLIST_URL: SecretStr
    CELERY_BROKER_URL: SecretStr
    CELERY_RESULT_BACKEND: SecretStr

    max_upload_size_mb: int = Field(25, gt=0)
    UPLOAD_DIR: Path
    WORKSPACE_DIR: Path
    WORKSPACE_MAX_AGE_DAYS: int = Field(30, gt=0)
    BACKUP_RETENTION_DAYS: int = Field(0, ge=0)

    UPSTREAM_URL: str | None = None
    UPSTREAM_TIMEOUT_SECONDS: float = Field(5.0, gt=0, le=60)
    UPSTREAM_MAX_RETRIES: int = Field(2, ge=0, le=10)
    OPENAI_API_KEY: SecretStr | None = None

    @property
    def production(self) -> bool:
        return self.ENVIRONMENT == "production"

    @property
    def max_upload_bytes(self) -> int:
        return self.max_upload_size_mb * 1024 * 1024

    @model_validator(mode="after")
    def _safe_in_production(self) -> Self:
        if not self.production:
            return self
        key = self.SECRET_KEY.get_secret_value()
        wrong = []
        if len(key) < 32 or len(set(key)) < 10 or any(word in key.lower() for word in PLACEHOLDERS):
            wrong.append("SECRET_KEY needs 32 or more random characters")
        if self.DEBUG:
            wrong.append("DEBUG must be false")
        for name in NEVER_ANYTHING:
            if "*" in getattr(self, name):
                wrong.append(f"{name} must not contain *")
        if wrong:
            raise ValueError("not safe with ENVIRONMENT=production: " + "; ".join(wrong))
        return self


@lru_cache
def get_settings() -> Settings:
    """The settings of this process, read once.

    Raises pydantic.ValidationError naming each missing or wrong variable."""
    return Settings()  # type: ignore[call-arg]  # the fields come from the environment
