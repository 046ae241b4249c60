"""Training a small CLIP from scratch: it learns, it repeats itself, and open_clip itself can load it."""

import json
import logging
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from numpy.typing import NDArray

from opendlign_core.clip import ClipSpec, images_to_input, load_clip, load_tokenizer
from opendlign_core.loop import Progress
from opendlign_core.training import PretrainRecipe, array_source, mini_architecture, pretrain
from opendlign_core.training.pretraining.learner import best_patches

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 60, 220), "grey": (128, 128, 128)}
RECIPE = PretrainRecipe(
    architecture=mini_architecture(image_size=16, patch_size=8, width=32, layers=2, embed_dim=16),
    steps=40,
    batch_size=32,
    peak_lr=3e-3,
)


def coloured_squares(count: int) -> tuple[NDArray[np.uint8], list[str]]:
    names = [list(COLOURS)[index % len(COLOURS)] for index in range(count)]
    noise = np.random.default_rng(0).integers(-20, 20, (count, 16, 16, 3))
    images = np.array([COLOURS[name] for name in names])[:, None, None, :] + noise
    return images.clip(0, 255).astype(np.uint8), [f"a {name} square" for name in names]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ClipSpec]:
    folder = tmp_path_factory.mktemp("models") / "squares"
    return folder, pretrain(array_source(*coloured_squares(64)), RECIPE, folder, device="cpu")


def test_it_names_the_colours_of_images_it_has_not_seen(trained: tuple[Path, ClipSpec]) -> None:
    _, spec = trained
    clip = load_clip(spec)
    images, captions = coloured_squares(80)
    classes = sorted(set(captions))
    with torch.no_grad():
        image = clip.encode_image(images_to_input(torch.from_numpy(images[64:]), spec), normalize=True)
        text = clip.encode_text(load_tokenizer(spec)(classes), normalize=True)
    predicted = [classes[index] for index in (image @ text.T).argmax(dim=1)]
    assert predicted == captions[64:]


def test_the_same_recipe_gives_the_same_weights(trained: tuple[Path, ClipSpec], tmp_path: Path) -> None:
    again = pretrain(array_source(*coloured_squares(64)), RECIPE, tmp_path / "squares", device="cpu")
    assert again.weights_sha256 == trained[1].weights_sha256


def weights_of(spec: ClipSpec) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in load_clip(spec).state_dict().items() if tensor.is_floating_point()}


def test_it_goes_on_from_given_weights(trained: tuple[Path, ClipSpec], tmp_path: Path) -> None:
    _, start = trained
    step = RECIPE.model_copy(update={"steps": 1, "peak_lr": 1e-6, "seed": 5})
    further = pretrain(array_source(*coloured_squares(64)), step, tmp_path / "further", device="cpu", start=start)
    before, after = weights_of(start), weights_of(further)
    assert further.weights_sha256 != start.weights_sha256
    assert all(torch.allclose(before[name], after[name], atol=1e-3) for name in before)


def test_patches_are_asked_where_recipe_and_batch_say_so(tmp_path: Path) -> None:
    images, captions = coloured_squares(64)

    def projection(name: str, patches: float, by_patches: bool) -> torch.Tensor:
        recipe = RECIPE.model_copy(update={"steps": 2, "patches": patches, "unmixed": 1})
        source = array_source(images, captions)
        asked = pretrain(
            lambda generator, count: source(generator, count)._replace(by_patches=by_patches),
            recipe,
            tmp_path / name,
            device="cpu",
        )
        return weights_of(asked)["visual.proj"]

    plain = projection("plain", 0.0, False)
    assert torch.equal(projection("recipe-alone", 1.0, False), plain)
    assert torch.equal(projection("batch-alone", 0.0, True), plain)
    assert not torch.equal(projection("both", 1.0, True), plain)


def test_patches_that_agree_with_a_sentence_weigh_more() -> None:
    patches = torch.eye(4)[None, :2]  # two patches that see different things
    text = torch.eye(4)[[0, 2]]
    found = best_patches(patches, text)
    assert found[0, 0] > 0.99 > 0.5, "one of two patches says it: more than the mean"
    assert found[0, 1] == 0, "none says it"


def test_open_clip_loads_the_folder_itself(trained: tuple[Path, ClipSpec], caplog: pytest.LogCaptureFixture) -> None:
    folder, spec = trained
    with caplog.at_level(logging.ERROR):
        theirs = open_clip.create_model(f"local-dir:{folder}")
    ours = load_clip(spec).state_dict()
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.state_dict().items())


def test_the_log_holds_every_step_and_progress_is_told(tmp_path: Path) -> None:
    seen: list[Progress] = []
    short = RECIPE.model_copy(update={"steps": 3})
    pretrain(array_source(*coloured_squares(64)), short, tmp_path / "m", device="cpu", on_progress=seen.append)
    lines = [json.loads(line) for line in (tmp_path / "m" / "pretrain.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3] == [step.step for step in seen]
    assert lines[-1]["loss"] == seen[-1].values["total"]


def test_the_mini_architecture_stays_below_ten_megabytes() -> None:
    spec = ClipSpec(model="mini", weights="random", architecture=mini_architecture(), image_size=64)
    parameters = sum(parameter.numel() for parameter in load_clip(spec).parameters())
    assert 2 * parameters < 9e6


def test_images_and_captions_must_pair_up() -> None:
    images, captions = coloured_squares(8)
    with pytest.raises(ValueError, match="8 images but 7 captions"):
        array_source(images, captions[1:])
