"""Stores for the tests: a folder, and a bucket of an S3 server that runs as its own process."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from storage.local import LocalStore
from storage.s3 import S3Store
from storage.settings import Settings
from storage.store import Store
from tests.servers import S3_KEY, S3_SECRET, FaultyProxy, S3Server, s3_server


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests see neither a `.env` file nor AWS files of whoever runs them."""
    nowhere = tmp_path_factory.mktemp("nowhere")
    monkeypatch.chdir(nowhere)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(nowhere / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(nowhere / "credentials"))


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        server.create_bucket("bucket")
        yield server


@pytest.fixture(scope="session")
def _proxy(s3: S3Server) -> Iterator[FaultyProxy]:
    proxy = FaultyProxy(s3.url)
    with proxy:
        yield proxy


@pytest.fixture
def proxy(_proxy: FaultyProxy) -> FaultyProxy:
    """A proxy before the S3 server, with no fault set and nothing counted."""
    _proxy.reset()
    return _proxy


def settings_for(endpoint: str) -> Settings:
    return Settings(
        s3_endpoint=endpoint, s3_key=SecretStr(S3_KEY), s3_secret=SecretStr(S3_SECRET), s3_region="us-east-1"
    )


@pytest.fixture
def prefix() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def s3_store(s3: S3Server, prefix: str) -> S3Store:
    return S3Store(f"s3://bucket/{prefix}", settings_for(s3.url))


@pytest.fixture
def proxied_store(proxy: FaultyProxy, prefix: str) -> S3Store:
    """The same bucket, reached through the proxy."""
    return S3Store(f"s3://bucket/{prefix}", settings_for(proxy.url))


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "local":
        return LocalStore(tmp_path / "store")
    found: S3Store = request.getfixturevalue("s3_store")
    return found


@pytest.fixture
def make_file(tmp_path: Path) -> Callable[..., Path]:
    """Write a file to be published."""

    def make(content: bytes, name: str = "part.tar") -> Path:
        path = tmp_path / "made" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return path

    return make
