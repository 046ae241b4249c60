"""The CLIP that a training starts from: loaded once, the one that was planned, and kept with what it taught."""

import shutil
from pathlib import Path

import pytest
import torch

import opendlign_core.clip.load as clip_loading
import opendlign_core.training.depth_branch.weights as branch_weights
from opendlign_core.clip import ClipSpec, load_clip
from opendlign_core.errors import BadInput
from opendlign_core.evaluation import EvaluatedModel
from opendlign_core.evaluation.model import text_classifier
from opendlign_core.training import new_model, save_clip
from storage.records import Manifest
from storage.store import Store
from tasks.train import TRAIN, _validation, load_trained
from tests.tasks.aligned import CLIP, LABELS, SPLITS, recipe
from tests.tasks.test_train import ready_to_train, train


def test_held_out_objects_keep_their_own_labels(shared: Store, aligned: Manifest) -> None:
    model = new_model(recipe())
    found = _validation(ready_to_train(shared, aligned), model)
    assert found is not None
    assert found.labels is not None
    assert found.classes is not None
    held_out = [LABELS[number % len(LABELS)] for number in range(24) if SPLITS[number % len(SPLITS)] == "val"]
    assert set(held_out) == set(LABELS)
    assert held_out != held_out[::-1]
    names = sorted(LABELS)
    assert [names[label] for label in found.labels] == held_out
    expected = text_classifier(EvaluatedModel.aligned(model, CLIP, "text"), names, "depth")
    assert torch.equal(found.classes, expected)


def test_training_loads_its_clip_once(
    shared: Store, aligned: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, loaded = ready_to_train(shared, aligned, {"epochs": 1}), list[ClipSpec]()

    def counted(spec: ClipSpec, *more: object) -> object:
        loaded.append(spec)
        return load_clip(spec)

    for module in (branch_weights, clip_loading):
        monkeypatch.setattr(module, "load_clip", counted)
    TRAIN.build(job, tmp_path)
    assert loaded == [CLIP]


def test_local_weights_travel_with_what_was_trained_on_them(
    shared: Store, aligned: Manifest, untrained: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    place = tmp_path / "own"
    save_clip(load_clip(CLIP), CLIP, place, {})
    spec = ClipSpec.from_folder(place).model_copy(update={"weights_sha256": None})
    manifest = train(untrained, aligned, recipe(clip=spec, epochs=1))
    assert str(tmp_path) not in manifest.to_bytes().decode()
    planned = ready_to_train(untrained, aligned, {"clip": spec, "epochs": 2})
    save_clip(load_clip(CLIP.model_copy(update={"seed": 5})), CLIP, place, {})
    with pytest.raises(BadInput, match="not the same weights"):
        TRAIN.build(planned, tmp_path / "work")
    shutil.rmtree(place)
    assert load_trained(untrained, manifest, "cpu").image_size == CLIP.image_size
