"""Weights that a recipe names by their place are known by what they hold, wherever they lie."""

import json
import os
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from opendlign_core.clip import ClipSpec, load_clip
from opendlign_core.errors import BadInput
from opendlign_core.synthesis import ControlNetRecipe, GateRecipe, SynthesisRecipe
from opendlign_core.synthesis.recipe import ModelRef
from opendlign_core.training import DlignRecipe, TrainRecipe, save_clip
from storage.fingerprint import canonical
from tasks.dlign import DLIGN
from tasks.ports import Ref
from tasks.synthesize import SYNTHESIZE
from tasks.tokens import TOKENS, TokensRecipe
from tasks.train import TRAIN
from tests.training import tiny

ALIGNED = {"aligned": [Ref("0" * 20)]}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write_clip(folder: Path, seed: int) -> ClipSpec:
    """A local CLIP that the recipe names by its file alone, without saying what it must hold."""
    save_clip(load_clip(tiny.SPEC.model_copy(update={"seed": seed})), tiny.SPEC, folder, {})
    spec = ClipSpec.from_folder(folder)
    return spec.model_copy(update={"weights": str(folder / "open_clip_model.safetensors"), "weights_sha256": None})


def fingerprints(clip: ClipSpec) -> dict[str, str]:
    """The fingerprint of every output that a CLIP takes part in."""
    train = TrainRecipe(clip=clip)
    tokens = TokensRecipe(cache=train.cache_recipe(), split="train")
    paint = SynthesisRecipe(gate=GateRecipe(caption_top_k=1, caption_clip=clip))
    identities = (
        TRAIN.identify(train, ALIGNED),
        TOKENS.identify(tokens, ALIGNED),
        DLIGN.identify(DlignRecipe(clip=clip), ALIGNED),
        SYNTHESIZE.identify(paint, {"depths": [Ref("0" * 20)]}),
    )
    assert not any(clip.weights in identity.to_bytes().decode() for identity in identities)
    return {identity.stage: identity.fingerprint for identity in identities}


def test_replaced_contents_are_other_weights_and_a_moved_file_is_not(tmp_path: Path) -> None:
    first = fingerprints(write_clip(tmp_path / "clip", seed=1))
    assert fingerprints(write_clip(tmp_path / "elsewhere" / "moved", seed=1)) == first
    changed = fingerprints(write_clip(tmp_path / "clip", seed=2))
    assert not set(first.values()) & set(changed.values())


def test_a_folder_and_its_file_are_the_same_weights(tmp_path: Path) -> None:
    spec = write_clip(tmp_path / "clip", seed=1)
    folder = spec.model_copy(update={"weights": str(tmp_path / "clip")})
    assert TRAIN.fingerprinted(TrainRecipe(clip=folder)) == TRAIN.fingerprinted(TrainRecipe(clip=spec))
    assert TRAIN.fingerprinted(TrainRecipe(clip=ClipSpec.from_folder(tmp_path / "clip"))).clip.weights_sha256


def test_what_is_published_or_packaged_keeps_its_name() -> None:
    for clip in (ClipSpec(), ClipSpec.packaged("mini"), tiny.SPEC):
        recipe = TrainRecipe(clip=clip)
        assert canonical(TRAIN.fingerprinted(recipe)) == canonical(recipe)


def test_absent_weights_need_a_digest(tmp_path: Path) -> None:
    absent = ClipSpec(model="ViT-B-32", weights=str(tmp_path / "no.safetensors"))
    with pytest.raises(BadInput, match=r"no weights at .*no\.safetensors; .*weights_sha256"):
        TRAIN.fingerprinted(TrainRecipe(clip=absent))
    known = absent.model_copy(update={"weights_sha256": "0" * 64})
    assert TRAIN.fingerprinted(TrainRecipe(clip=known)).clip.weights == "sha256:" + "0" * 64


def test_contents_are_hashed_once_as_long_as_nothing_changes(tmp_path: Path, cache: Path) -> None:
    spec = write_clip(tmp_path / "clip", seed=1)
    os.utime(spec.weights, (1, 1))
    path = Path(spec.weights)
    first = TRAIN.fingerprinted(TrainRecipe(clip=spec)).clip.weights
    status = path.stat()
    if memory := list(cache.rglob("digests-*.json")):
        remembered = json.loads(memory[0].read_text())
        assert path.name in remembered
    save_file({**load_file(path), "more": load_file(path)["logit_scale"].clone()}, path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert TRAIN.fingerprinted(TrainRecipe(clip=spec)).clip.weights != first, "size and inode tell it from before"


def test_a_local_painter_is_known_by_its_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        folder = tmp_path / name / "unet"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(b"weights")

    def painted(folder: Path) -> str:
        recipe = SynthesisRecipe(synthesizer=ControlNetRecipe(base=ModelRef(id=str(folder))))
        return SYNTHESIZE.identify(recipe, {"depths": [Ref("0" * 20)]}).fingerprint

    first = painted(tmp_path / "a")
    assert painted(tmp_path / "b") == first
    (tmp_path / "b" / "unet" / "model.safetensors").write_bytes(b"others!")
    assert painted(tmp_path / "b") != first
    hub = SynthesisRecipe(synthesizer=ControlNetRecipe())
    assert SYNTHESIZE.fingerprinted(hub) == hub
