"""All settings of the pipeline, read from `OPENDLIGN_*` variables or a `.env` file."""

from functools import cache
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

SECRETS = frozenset({"s3_key", "s3_secret"})


class Settings(BaseSettings):
    """Where things are and how to reach them; nothing here changes the bytes of an output.

    A pickle of the settings leaves the credentials out: the process that unpickles it uses its own.
    """

    model_config = SettingsConfigDict(
        env_prefix="OPENDLIGN_", env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    store: str = Field("store", description="Default store: a folder or s3://bucket/prefix")
    home: str = Field("~/.opendlign", description="Where `opendlign up` keeps process ids and logs")
    s3_endpoint: str | None = Field(None, description="URL of an S3-compatible server; unset for AWS")
    s3_key: SecretStr | None = Field(None, description="Access key; unset to use the usual AWS variables and files")
    s3_secret: SecretStr | None = Field(None, description="Secret key")
    s3_region: str | None = Field(None, description="Region name")
    verify_reads: bool = Field(True, description="Hash every shard the first time a process reads it")

    @field_validator("s3_endpoint")
    @classmethod
    def _no_credentials_in_endpoint(cls, value: str | None) -> str | None:
        if value and "@" in urlsplit(value).netloc:
            raise ValueError("an endpoint holds no credentials; use OPENDLIGN_S3_KEY and OPENDLIGN_S3_SECRET")
        return value

    def __reduce__(self) -> tuple[Any, ...]:
        return _with_own_secrets, (self.model_dump(exclude=set(SECRETS)),)


def _with_own_secrets(public: dict[str, Any]) -> Settings:
    return Settings(**public)


@cache
def get_settings() -> Settings:
    return Settings()
