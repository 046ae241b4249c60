"""Training through the store: a killed run continues exactly, and what does not fit in memory trains the same."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from opendlign_core.loop import InMemory, Sharded
from opendlign_core.training import CacheEntries, TrainExecution, TrainRecipe, read_branch
from storage.output import find_manifest
from storage.records import Manifest
from storage.stores import Store, open_store
from tasks import sources
from tasks.ports import Input, Ref
from tasks.progress import ProgressState, StageProgress
from tasks.sources import StoredObjects, training_source
from tasks.stage import Job
from tasks.train import TRAIN
from tests.tasks.aligned import CPU, recipe, write_aligned
from tests.tasks.running import build_whole, whole_job

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


def job_of(
    store: Store, aligned: Manifest, trained: TrainRecipe, progress: StageProgress | None = None
) -> Job[TrainRecipe, TrainExecution]:
    return whole_job(TRAIN, store, trained, CPU, {"aligned": [Input(aligned)]}, progress)


def train(store: Store, aligned: Manifest, trained: TrainRecipe, progress: StageProgress | None = None) -> Manifest:
    return build_whole(TRAIN, job_of(store, aligned, trained, progress))


def content(store: Store, manifest: Manifest, name: str) -> bytes:
    return store.read(f"{manifest.folder}/{manifest.file(name).file}")


@pytest.mark.timeout(400)
def test_a_killed_run_continues_from_the_store_and_ends_with_the_same_bytes(store: Store, tmp_path: Path) -> None:
    aligned = write_aligned(store)
    command = [sys.executable, "-m", "tests.tasks.train_worker", store.url, aligned.fingerprint]
    killed = subprocess.run(
        [*command, "2", str(torch.get_num_threads())], cwd=ROOT, timeout=300, check=False, capture_output=True
    )
    assert killed.returncode == -9, killed.stderr.decode()
    identity = TRAIN.identify(recipe(), {"aligned": [Ref(aligned.fingerprint)]})
    assert find_manifest(store, identity.stage, identity.fingerprint) is None
    kept = {info.key.split("/")[3] for info in store.list(f"checkpoints/{identity.folder}")}
    assert kept == {"step-00000004", "step-00000008"}
    steps: list[int] = []

    def heard(state: ProgressState) -> None:
        steps.append(state.done)

    continued = train(store, aligned, recipe(), StageProgress("train", 0, "steps", listener=heard))
    assert min(steps) == 9, "the run must continue after its last checkpoint"
    assert not list(store.list("checkpoints")), "a finished run needs no checkpoints"

    untouched = open_store(str(tmp_path / "untouched"))
    whole = train(untouched, write_aligned(untouched), recipe())
    assert content(store, continued, "adapter") == content(untouched, whole, "adapter")
    assert content(store, continued, "metrics") == content(untouched, whole, "metrics")


@pytest.mark.parametrize(
    "changes", [{}, {"shuffle_shards": 2}, {"trainer": "plain"}], ids=["uniform", "window", "plain"]
)
def test_what_does_not_fit_in_memory_trains_the_same(
    store: Store, tmp_path: Path, changes: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = recipe(**changes)
    held = train(store, write_aligned(store), trained)
    monkeypatch.setattr(sources, "MOST_OF_MEMORY", 0.0)
    other = open_store(str(tmp_path / "streamed"))
    streamed = train(other, write_aligned(other), trained)
    assert content(store, held, "adapter") == content(other, streamed, "adapter")


def test_the_free_memory_decides_how_a_cache_is_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    aligned = write_aligned(store)

    def source(**changes: object) -> object:
        return training_source(job_of(store, aligned, recipe(**changes)), "train")

    cache = job_of(store, aligned, recipe()).manifest("tokens", "train")
    size = sum(record.shard.bytes for record in cache.shards)
    monkeypatch.setattr(sources, "free_memory", lambda: 3 * size)
    assert isinstance(source(), InMemory)
    monkeypatch.setattr(sources, "free_memory", lambda: size)
    assert isinstance(source(), StoredObjects)
    window = source(shuffle_shards=2)
    assert isinstance(window, Sharded)
    assert window._keep == 3


def test_single_objects_are_read_in_the_order_asked_for(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    aligned = write_aligned(store)
    job = job_of(store, aligned, recipe())
    whole = training_source(job, "train")
    monkeypatch.setattr(sources, "MOST_OF_MEMORY", 0.0)
    single = training_source(job, "train")
    assert whole is not None
    assert single is not None
    assert whole.sizes == single.sizes
    wanted = np.array([17, 0, 9, 9, 4])
    for expected, found in zip(whole.batch(wanted), single.batch(wanted), strict=True):
        assert torch.equal(expected, found)
    assert isinstance(single.batch(wanted), CacheEntries)


def test_the_committed_adapter_carries_its_recipe_and_validation(store: Store, tmp_path: Path) -> None:
    manifest = train(store, write_aligned(store), recipe())
    path = tmp_path / "adapter.safetensors"
    path.write_bytes(content(store, manifest, "adapter"))
    adapter = read_branch(path)
    assert adapter.recipe == recipe()
    assert adapter.fingerprint == manifest.fingerprint
    assert adapter.step == manifest.summary["steps"] == 16
    assert {"depth_to_image", "zero_shot"} <= set(manifest.summary["validation"])
