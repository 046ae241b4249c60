"""A pose network trained through the store: from stored photos, exactly again after a crash, and read back."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from opendlign_core.errors import BadInput
from opendlign_core.ingestion import IngestRecipe
from opendlign_core.pose import pose_error
from opendlign_core.samples import PosedPhoto
from opendlign_core.training.pose.recipe import PosenetExecution, PosenetRecipe
from storage.fingerprint import StageIdentity
from storage.output import StageOutput, plan_shards
from storage.records import Manifest
from storage.store import Store
from tasks import posenet
from tasks.posenet import POSENET, load_posenet
from tasks.shards import building, finish
from tests.evaluation.pose.photos import dots
from tests.tasks.making import at_work, make

RECIPE = PosenetRecipe(network="small", image_size=32, epochs=10, batch=16, rate=0.002, classify=True, flip=False)
CPU = PosenetExecution(device="cpu")


def write_photos(store: Store, photos: Sequence[PosedPhoto]) -> Manifest:
    output = StageOutput(store, StageIdentity.of("ingest", 1, RECIPE, {"source": "0" * 16}))
    plan = plan_shards(len(photos), 100)
    for shard in plan:
        with building(output, shard) as builder:
            for photo in photos[shard.start : shard.stop]:
                builder.add(photo)
    return finish(output, plan, max_rejected_share=0.0)


@pytest.fixture
def photos(store: Store) -> Manifest:
    return write_photos(store, [*dots(160, 0, "train"), *dots(40, 1, "test")])


def test_a_network_learns_from_the_train_split_and_tells_poses_when_it_is_read_back(
    store: Store, photos: Manifest
) -> None:
    made = make(POSENET, store, RECIPE, {"photos": photos}, CPU)
    assert made.summary["categories"] == ["car", "key"]
    network, unseen = load_posenet(store, made, "cpu"), dots(60, 2, "test")
    pictures = torch.from_numpy(np.stack([photo.square() for photo in unseen]))
    told, categories = network.tell(pictures)
    errors = pose_error(told, np.stack([photo.angles() for photo in unseen]))
    assert (errors < np.pi / 6).mean() > 0.8
    assert set(categories) <= {"car", "key"} and len(categories) == 60


def test_a_run_that_was_killed_continues_from_the_store(store: Store, photos: Manifest) -> None:
    recipe = RECIPE.model_copy(update={"epochs": 3, "seed": 1})

    class Killed(Exception):
        """Stands for the end of the process."""

    def killer(state: object) -> None:
        if getattr(state, "done", 0) >= 20:
            raise Killed

    with pytest.raises(Killed):
        make(POSENET, store, recipe, {"photos": photos}, CPU, killer)
    assert list(store.list("checkpoints"))
    steps: list[int] = []
    continued = make(POSENET, store, recipe, {"photos": photos}, CPU, lambda state: steps.append(state.done))
    assert min(step for step in steps if step) > 10, "the run must continue after its last checkpoint"
    assert not list(store.list("checkpoints"))
    assert continued.summary["steps"] == 30


def test_only_known_categories_are_learnt_from(store: Store, photos: Manifest) -> None:
    recipe = RECIPE.model_copy(update={"epochs": 1, "known": ("car",)})
    made = make(POSENET, store, recipe, {"photos": photos}, CPU)
    assert made.summary["categories"] == ["car"] and made.summary["steps"] == 5


@pytest.mark.parametrize(
    ("changes", "memory", "sentence"),
    [({"known": ("plane",)}, 2**40, "of a known category"), ({}, 1000, r"160 photos of 32 pixels take .* GiB")],
)
def test_what_it_cannot_learn_from_is_refused(
    store: Store,
    photos: Manifest,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, object],
    memory: int,
    sentence: str,
) -> None:
    monkeypatch.setattr(posenet, "free_memory", lambda: memory)
    asked = RECIPE.model_copy(update=changes)
    with at_work(POSENET, store, asked, {"photos": photos}, CPU) as job, pytest.raises(BadInput, match=sentence):
        posenet.photos_to_learn(job)


def test_sources_of_shapes_do_not_fit() -> None:
    shapes = IngestRecipe.model_validate({"source": {"adapter": "procedural"}})
    assert "holds no photos" in POSENET.misfit(RECIPE, {"photos": [shapes]})
