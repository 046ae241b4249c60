"""All settings of the pipeline, read from `OPENDLIGN_*` variables or a `.env` file."""

from functools import cache

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where things are and how to reach them; nothing here changes the bytes of an output."""

    model_config = SettingsConfigDict(env_prefix="OPENDLIGN_", env_file=".env", extra="ignore")

    store: str = Field("store", description="Default store: a folder or s3://bucket/prefix")
    s3_endpoint: str | None = Field(None, description="URL of an S3-compatible server; unset for AWS")
    s3_key: SecretStr | None = Field(None, description="Access key; unset to use the usual AWS variables and files")
    s3_secret: SecretStr | None = Field(None, description="Secret key")
    s3_region: str | None = Field(None, description="Region name")
    verify_reads: bool = Field(True, description="Hash every shard the first time a process reads it")


@cache
def get_settings() -> Settings:
    return Settings()
