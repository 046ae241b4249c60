"""Training through the store: a killed run continues exactly, and what does not fit in memory trains the same."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from opendlign_core.errors import BadInput
from opendlign_core.loop import InMemory, Sharded
from opendlign_core.training import CacheEntries, TrainExecution, TrainRecipe, read_branch
from storage.records import Manifest
from storage.store import Store
from tasks import training_data
from tasks.progress import Listener
from tasks.stage import Job
from tasks.train import TRAIN
from tasks.training_data import StoredObjects, training_source
from tests.tasks.aligned import CPU, recipe, write_aligned
from tests.tasks.board import Board
from tests.tasks.making import at_work, make, needed

ROOT = Path(__file__).resolve().parents[2]


def train(store: Store, aligned: Manifest, trained: TrainRecipe, listener: Listener | None = None) -> Manifest:
    return make(TRAIN, store, trained, {"aligned": aligned}, CPU, listener)


@pytest.fixture(scope="module")
def trained(shared: Store, aligned: Manifest) -> Manifest:
    return train(shared, aligned, recipe())


def ready_to_train(
    store: Store, aligned: Manifest, changes: Mapping[str, Any] | None = None
) -> Job[TrainRecipe, TrainExecution]:
    """The job of training, with its token caches made."""
    with at_work(TRAIN, store, recipe(**(changes or {})), {"aligned": aligned}, CPU) as job:
        return replace(job, inputs={**job.inputs, **needed(TRAIN, job)})


def content(store: Store, manifest: Manifest, name: str) -> bytes:
    return store.read(f"{manifest.folder}/{manifest.file(name).file}")


@pytest.mark.timeout(400)
def test_a_killed_run_continues_from_the_store_and_ends_with_the_same_bytes(
    shared: Store, aligned: Manifest, trained: Manifest, untrained: Store
) -> None:
    command = [sys.executable, "-m", "tests.tasks.train_worker", untrained.url, aligned.fingerprint, "2"]
    killed = subprocess.run(command, cwd=ROOT, timeout=300, check=False, capture_output=True)
    assert killed.returncode == -9, killed.stderr.decode()
    assert not list(untrained.list(trained.folder, "manifest"))
    kept = {info.key.split("/")[3] for info in untrained.list(f"checkpoints/{trained.folder}")}
    assert kept == {"step-00000004", "step-00000008"}
    steps: list[int] = []
    continued = train(untrained, aligned, recipe(), lambda state: steps.append(state.done))
    assert min(step for step in steps if step) == 9, "the run must continue after its last checkpoint"
    assert not list(untrained.list("checkpoints")), "a finished run needs no checkpoints"
    assert content(untrained, continued, "adapter") == content(shared, trained, "adapter")
    assert content(untrained, continued, "metrics") == content(shared, trained, "metrics")


@pytest.mark.parametrize(
    "changes", [{}, {"shuffle_shards": 2}, {"trainer": "plain"}], ids=["uniform", "window", "plain"]
)
def test_what_does_not_fit_in_memory_trains_the_same(
    shared: Store, aligned: Manifest, untrained: Store, changes: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = train(shared, aligned, recipe(**changes))
    monkeypatch.setattr(training_data, "MOST_OF_MEMORY", 0.0)
    streamed = train(untrained, aligned, recipe(**changes))
    assert content(shared, held, "adapter") == content(untrained, streamed, "adapter")


def test_the_free_memory_decides_how_a_cache_is_read(
    shared: Store, aligned: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = ready_to_train(shared, aligned)
    size = sum(record.shard.bytes for record in job.manifest("tokens", "train").shards)
    monkeypatch.setattr(training_data, "free_memory", lambda: 3 * size)
    assert isinstance(training_source(job, "train"), InMemory)
    monkeypatch.setattr(training_data, "free_memory", lambda: size)
    assert isinstance(training_source(job, "train"), StoredObjects)
    window = training_source(ready_to_train(shared, aligned, {"shuffle_shards": 2}), "train")
    assert isinstance(window, Sharded)
    assert window._keep == 3


def test_single_objects_are_read_in_the_order_asked_for(
    shared: Store, aligned: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = ready_to_train(shared, aligned)
    whole = training_source(job, "train")
    monkeypatch.setattr(training_data, "MOST_OF_MEMORY", 0.0)
    single = training_source(job, "train")
    assert whole is not None
    assert single is not None
    assert whole.sizes == single.sizes
    wanted = np.array([17, 0, 9, 9, 4])
    for expected, found in zip(whole.batch(wanted), single.batch(wanted), strict=True):
        assert torch.equal(expected, found)
    assert isinstance(single.batch(wanted), CacheEntries)


def test_the_committed_adapter_carries_its_recipe_and_validation(
    shared: Store, trained: Manifest, tmp_path: Path
) -> None:
    path = tmp_path / "adapter.safetensors"
    path.write_bytes(content(shared, trained, "adapter"))
    adapter = read_branch(path)
    assert adapter.recipe == recipe()
    assert adapter.fingerprint == trained.fingerprint
    assert adapter.step == trained.summary["steps"] == 16
    assert {"depth_to_image", "zero_shot"} <= set(trained.summary["validation"])


def test_a_model_shows_its_curves_its_last_validation_and_its_place(shared: Store, trained: Manifest) -> None:
    board = Board()
    TRAIN.show(shared, trained, board)
    assert board.names == set(TRAIN.shows)
    assert board.tables["metrics"][0] == {"measure": "steps", "value": 16}
    assert {"measure": "zero shot", "value": round(trained.summary["validation"]["zero_shot"], 4)} in board.tables[
        "metrics"
    ]
    assert f"{shared.url}/{trained.folder}/adapter" in board.texts["checkpoint"]


def test_images_without_a_training_split_are_refused_by_name(store: Store) -> None:
    empty = write_aligned(store, objects=0)
    with pytest.raises(BadInput, match=f"{empty.folder} holds no object of the split 'train'"):
        train(store, empty, recipe())
