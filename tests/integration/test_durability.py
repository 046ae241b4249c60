"""Stages killed at random moments, and run twice at once: the bytes are those of one quiet run."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from prefect.states import Crashed

from storage.local import LocalStore
from storage.s3 import S3Store
from storage.store import Store
from tests.integration.harness import PATIENCE, SOON, Orchestra, descendants, running, until
from tests.integration.presets import write_preset
from tests.integration.stores import contents, finished, records
from tests.servers import ROOT

OBJECTS, SHARD_SIZE = 200, 5
ROOMS = {"ingest": {"source": {"adapter": "rooms", "options": {"rooms": "8"}}}, "propose": {"shard_size": 1}}
Start = Callable[[str, Path, Store], "subprocess.Popen[bytes]"]
Ingest = Callable[[Store], "subprocess.Popen[bytes]"]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_preset(tmp_path_factory.mktemp("many"), OBJECTS, SHARD_SIZE)


@pytest.fixture(scope="module")
def quiet(orchestra: Orchestra, many: Path, tmp_path_factory: pytest.TempPathFactory) -> LocalStore:
    """The store of an ingestion that nobody disturbed."""
    store = LocalStore(tmp_path_factory.mktemp("quiet") / "store")
    orchestra.call("opendlign", "ingest", "--preset", str(many), "--store", store.url)
    return store


@pytest.fixture
def start(orchestra: Orchestra, tmp_path: Path) -> Iterator[Start]:
    """Start a verb as its own process; what the server still believes of killed ones is settled after."""

    def started(verb: str, preset: Path, store: Store) -> "subprocess.Popen[bytes]":
        words = ["-m", "opendlign", verb, "--preset", str(preset), "--store", store.url]
        with (tmp_path / f"{verb}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, *words], env=orchestra.environment, cwd=ROOT, stdout=log, stderr=log
            )

    yield started
    for run in orchestra.unsettled():
        orchestra.client.set_flow_run_state(run.id, Crashed(message="killed by a test"), force=True)


@pytest.fixture
def ingest(start: Start, many: Path) -> Ingest:
    return lambda store: start("ingest", many, store)


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, orchestra: Orchestra, tmp_path: Path) -> Store:
    if request.param == "local":
        return LocalStore(tmp_path / "store")
    return S3Store(f"s3://bucket/{tmp_path.name}", orchestra.settings)


def kill_midway(
    process: "subprocess.Popen[bytes]", store: Store, moment: random.Random, stage: str = "ingest"
) -> None:
    """Kill the process alone, as the kernel does when memory runs out, after some progress of this life."""
    wanted = len(records(store, stage)) + moment.randint(0, 3)
    until(
        lambda: len(records(store, stage)) >= wanted or process.poll() is not None or finished(store, stage),
        f"{wanted} shards",
        pause=0.01,
    )
    time.sleep(moment.uniform(0, 0.3))
    helpers = descendants(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    until(lambda: not any(running(pid) for pid in helpers), "the helpers of a dead process to leave", SOON)


@pytest.mark.slow
def test_ten_kills_leave_no_trace(store: Store, ingest: Ingest, quiet: LocalStore) -> None:
    moment = random.Random(5)
    seen: set[str] = set()
    kills = 0
    while kills < 10:
        process = ingest(store)
        kill_midway(process, store, moment)
        kills += 1
        now = set(records(store, "ingest"))
        assert now >= seen, "a committed shard was lost"
        seen = now
    assert ingest(store).wait(PATIENCE) == 0
    assert contents(store, "ingest") == contents(quiet, "ingest")


def test_a_kill_leaves_no_trace(ingest: Ingest, quiet: LocalStore, tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    kill_midway(ingest(store), store, random.Random(1))
    assert ingest(store).wait(PATIENCE) == 0
    assert contents(store, "ingest") == contents(quiet, "ingest")


def test_scenes_that_are_cut_up_survive_a_kill(start: Start, orchestra: Orchestra, tmp_path: Path) -> None:
    preset, store, quiet = tmp_path / "rooms.yaml", LocalStore(tmp_path / "store"), LocalStore(tmp_path / "quiet")
    preset.write_text(yaml.safe_dump(ROOMS), encoding="utf-8")
    orchestra.call("opendlign", "propose", "--preset", str(preset), "--store", quiet.url)
    orchestra.call("opendlign", "ingest", "--preset", str(preset), "--store", store.url)
    kill_midway(start("propose", preset, store), store, random.Random(3), "propose")
    assert not finished(store, "propose"), "nothing was left to do"
    assert start("propose", preset, store).wait(PATIENCE) == 0
    assert contents(store, "propose") == contents(quiet, "propose")


def test_two_ingestions_at_once_make_one_output(store: Store, ingest: Ingest, quiet: LocalStore) -> None:
    both = [ingest(store), ingest(store)]
    assert [process.wait(PATIENCE) for process in both] == [0, 0]
    assert contents(store, "ingest") == contents(quiet, "ingest")
