"""What the tests of stages share: one thread, an S3 server, and outputs that are only read."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.records import Manifest
from storage.settings import get_settings
from storage.store import Store
from storage.stores import open_store
from tests.servers import S3_KEY, S3_SECRET, S3Server, s3_server
from tests.tasks.aligned import write_aligned
from tests.threads import torch_threads


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny models run fastest, and reproducibly, on one thread."""
    with torch_threads(1):
        yield


@pytest.fixture(scope="package")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture(scope="module")
def bucket(s3: S3Server, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a bucket of the module's own; the environment says where its server is."""
    name = request.module.__name__.rpartition(".")[2].replace("_", "-")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENDLIGN_S3_ENDPOINT", s3.url)
        patch.setenv("OPENDLIGN_S3_KEY", S3_KEY)
        patch.setenv("OPENDLIGN_S3_SECRET", S3_SECRET)
        patch.setenv("OPENDLIGN_S3_REGION", "us-east-1")
        get_settings.cache_clear()
        yield s3.create_bucket(name)
    get_settings.cache_clear()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store of the test's own."""
    return open_store(tmp_path / "store")


@pytest.fixture(scope="package")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store whose outputs tests read and add to, and never change."""
    return open_store(tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="package")
def aligned(shared: Store) -> Manifest:
    """Depth maps and images of 24 objects in the shared store."""
    return write_aligned(shared)


@pytest.fixture
def untrained(shared: Store, aligned: Manifest, tmp_path: Path) -> Store:
    """A store of the test's own that holds the same images, and nothing made from them."""
    place = tmp_path / "untrained"
    shutil.copytree(Path(shared.url) / aligned.folder, place / aligned.folder)
    return open_store(place)
