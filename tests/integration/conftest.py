"""One server, its workers and an S3 server for all tests of this folder, and an undisturbed run to compare with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.preset import Preset
from storage.local import LocalStore
from storage.s3 import S3Store
from storage.store import Store
from tests.integration.harness import SOON, Orchestra, run_module, until
from tests.integration.presets import LONG, load_tiny, write_preset
from tests.integration.service import Service, start
from tests.integration.stores import copy_stages, finished

HERE = Path(__file__).resolve().parent
TIMEOUT = 900


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of this folder share servers, so they run in two processes at most, and have the time of a cold start."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.server)
            item.add_marker(pytest.mark.xdist_group("orchestra-long" if _long(item) else "orchestra"))
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(TIMEOUT))


def _long(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None or item.path.name == "test_durability.py"


RUNNING = pytest.StashKey[Orchestra]()


@pytest.fixture(scope="session")
def orchestra(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Orchestra:
    """A deployed pipeline; tests start the workers they need.

    Other folders import this fixture, which makes it another one for pytest: the stash keeps them at one server.
    """
    stash = request.config.stash
    if RUNNING not in stash:
        stash[RUNNING] = Orchestra(tmp_path_factory.mktemp("orchestra") / "home")
        request.config.add_cleanup(stash[RUNNING].stop)
        stash[RUNNING].start()
        stash[RUNNING].call("opendlign", "deploy")
    return stash[RUNNING]


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """What `opendlign up` starts; `test_up.py`, whose tests are the last to use it, ends it."""
    started = start(tmp_path_factory.mktemp("service"))
    yield started
    if started.processes:
        run_module("opendlign", "down", environment=started.environment)


@pytest.fixture(scope="session")
def preset_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_preset(tmp_path_factory.mktemp("preset"))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Preset:
    return load_tiny(tmp_path_factory.mktemp("preset"))


@pytest.fixture(scope="session")
def reference(orchestra: Orchestra, preset_file: Path) -> LocalStore:
    """The store of an undisturbed run. Tests copy from it and leave it as it is."""
    store = LocalStore(orchestra.home / "reference")
    if not finished(store, "evaluate"):
        orchestra.worker("cpu", "cpu", limit=4)
        run = orchestra.submit("regenerate/mini", preset=str(preset_file), store=store.url)
        orchestra.complete(run, 600)
    return store


@pytest.fixture
def finished_store(reference: LocalStore, tmp_path: Path) -> LocalStore:
    """A copy of the undisturbed store, for tests that change it."""
    store = LocalStore(tmp_path / "finished")
    copy_stages(reference, store, "ingest", "project", "synthesize", "tokens", "train", "evaluate", "timings")
    return store


@pytest.fixture
def bucket(orchestra: Orchestra, tmp_path: Path) -> Store:
    """A fresh place on the S3 server, reached past the network's faults."""
    return S3Store(f"s3://bucket/{tmp_path.name}", orchestra.settings)


@pytest.fixture
def nothing_left_behind(orchestra: Orchestra) -> Iterator[None]:
    """After the test no run claims to be under way."""
    yield
    until(lambda: not orchestra.unsettled(), "every run to settle", SOON)


@pytest.fixture(scope="session")
def long(tmp_path_factory: pytest.TempPathFactory) -> Preset:
    return load_tiny(tmp_path_factory.mktemp("preset"), **LONG)


@pytest.fixture(scope="session")
def long_depths(orchestra: Orchestra, tmp_path_factory: pytest.TempPathFactory) -> LocalStore:
    """The undisturbed outputs of `long`, up to the painted shards."""
    store = LocalStore(orchestra.home / "long")
    path = write_preset(tmp_path_factory.mktemp("preset"), **LONG)
    orchestra.worker("cpu", "cpu", limit=4)
    run = orchestra.submit("regenerate/mini", preset=str(path), store=store.url, until="synthesize")
    orchestra.complete(run, 600)
    return store
