"""CLIPs by name, by file and by folder; every mistake named."""

from pathlib import Path
from typing import Any

import pytest
import torch

from opendlign_core.clip import OFFICIAL_MODELS, ClipSpec, depth_to_input, images_to_input, load_clip, load_tokenizer
from opendlign_core.errors import BadInput
from opendlign_core.training import save_clip
from tests.training import tiny


def test_random_weights_come_from_the_seed_and_leave_the_generator_alone() -> None:
    torch.manual_seed(5)
    first = load_clip(tiny.SPEC).visual.proj
    drawn = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(1))
    assert torch.equal(first, load_clip(tiny.SPEC).visual.proj)
    assert not torch.equal(first, load_clip(tiny.SPEC.model_copy(update={"seed": 4})).visual.proj)


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    save_clip(load_clip(tiny.SPEC), tiny.SPEC, tmp_path / "own", {})
    spec = ClipSpec.from_folder(tmp_path / "own")
    assert not any(parameter.requires_grad for parameter in load_clip(spec).parameters())
    save_clip(load_clip(tiny.SPEC.model_copy(update={"seed": 9})), tiny.SPEC, tmp_path / "own", {})
    with pytest.raises(ValueError, match="not the same weights"):
        load_clip(spec)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": "no_such_tag"}, "neither a file nor a tag of ViT-B-32"),
        ({"model": "ViT-X", "weights": "random"}, "no model named 'ViT-X'"),
        ({"weights": "package:nothing"}, "ships no checkpoint named 'nothing'"),
    ],
)
def test_missing_weights_and_models_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        load_clip(ClipSpec(**{"model": "ViT-B-32", **changes}))


@pytest.mark.parametrize("name", list(OFFICIAL_MODELS))
def test_official_weights_are_asked_for_at_their_commit(name: str) -> None:
    official = OFFICIAL_MODELS[name]
    asked = ClipSpec(model=name, weights=official.tag, revision=official.revision)
    with pytest.raises(BadInput, match=rf"{official.tag}' of {name} at the revision [0-9a-f]{{40}}:.*Fetch them once"):
        load_clip(asked)


def test_the_tokenizer_has_the_models_context() -> None:
    assert load_tokenizer(tiny.SPEC)(["a mug", "a chair"]).shape == (2, 16)


def test_pixels_of_the_wrong_kind_are_refused() -> None:
    with pytest.raises(ValueError, match="takes 16 x 16 pixels, got 8 x 16"):
        depth_to_input(torch.zeros(1, 8, 16), tiny.SPEC)
    with pytest.raises(ValueError, match="found 0 to 255"):
        depth_to_input(torch.linspace(0, 255, 256).view(1, 16, 16), tiny.SPEC)
    with pytest.raises(ValueError, match="found nan to nan"):
        depth_to_input(torch.full((1, 16, 16), torch.nan), tiny.SPEC)
    with pytest.raises(ValueError, match="must be uint8"):
        images_to_input(torch.zeros(1, 16, 16, 3), tiny.SPEC)
