"""Training a small CLIP from scratch on (image, caption) pairs, on a CPU, in minutes."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from opendlign_core.clip.device import choose_device
from opendlign_core.clip.load import OpenClip, architecture_of, load_clip
from opendlign_core.clip.pixels import images_to_input
from opendlign_core.clip.spec import CONFIG_FILE, WEIGHTS_FILE, ClipSpec
from opendlign_core.clip.words import load_tokenizer
from opendlign_core.loop.batches import Share
from opendlign_core.loop.checkpoint import Origin
from opendlign_core.loop.files import write_tensors, write_whole
from opendlign_core.loop.learner import TOTAL
from opendlign_core.loop.metrics import read_metrics
from opendlign_core.loop.progress import Progress
from opendlign_core.loop.run import Habits, run_loop
from opendlign_core.training.pretraining.learner import PretrainLearner, Words, caption_numbers
from opendlign_core.training.pretraining.recipe import PretrainRecipe


class Pairs(NamedTuple):
    """Images [B, H, W, 3] and as many captions; `by_patches` where the captions are to be found in patches too."""

    images: NDArray[np.uint8]
    captions: Sequence[str]
    by_patches: bool = False


PairSource = Callable[[np.random.Generator, int], Pairs]

FORMAT = "opendlign-pretraining/1"
UNFINISHED = "unfinished"
"""Folder inside the model's own that a run continues from; it goes when the model is written."""
HABITS = Habits(log_every=1, checkpoint_every_steps=500, keep_checkpoints=1)


def array_source(images: NDArray[np.uint8], captions: Sequence[str]) -> PairSource:
    """Draw batches without repetition from images [N, H, W, 3] and their captions."""
    if len(images) != len(captions):
        raise ValueError(f"{len(images)} images but {len(captions)} captions")

    def draw(generator: np.random.Generator, count: int) -> Pairs:
        chosen = np.sort(generator.choice(len(images), size=min(count, len(images)), replace=False))
        return Pairs(images[chosen], [captions[index] for index in chosen])

    return draw


class DrawnBatches:
    """A batch per step, drawn with a generator seeded by (recipe seed, step): the whole run is one epoch."""

    def __init__(self, source: PairSource, recipe: PretrainRecipe, spec: ClipSpec) -> None:
        self._source, self._recipe, self._spec = source, recipe, spec
        self._tokenizer = load_tokenizer(spec)
        self.steps = self.per_epoch = recipe.steps

    def at(self, step: int) -> Share[Words]:
        pairs = self._source(np.random.default_rng((self._recipe.seed, step)), self._recipe.batch_size)
        pixels = images_to_input(torch.from_numpy(np.ascontiguousarray(pairs.images)), self._spec)
        tokens, numbers = self._tokenizer(list(pairs.captions)), caption_numbers(pairs.captions)
        return Share(Words(pixels, tokens, numbers, pairs.by_patches), len(pairs.captions))


def pretrain(
    source: PairSource,
    recipe: PretrainRecipe,
    folder: Path,
    *,
    device: str = "auto",
    start: ClipSpec | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> ClipSpec:
    """Train a CLIP and save it to `folder` in open_clip's local-dir layout; returns the spec that loads it.

    It starts from random weights, or from those of `start`, which has the same tensors.

    `source(generator, count)` returns uint8 images [count, H, W, 3] and as many captions. It is called once per step,
    from a thread that runs ahead, so the run depends on the recipe and the source alone. A run that was killed
    continues in the same folder.
    """
    spec = _blank_spec(recipe, folder.name)
    clip = load_clip(spec, choose_device(device))
    if start is not None:
        clip.load_state_dict(load_clip(start).state_dict())
    origin = Origin(FORMAT, recipe.model_dump(mode="json") | _started(start))
    batches, unfinished = DrawnBatches(source, recipe, spec), folder / UNFINISHED
    result = run_loop(PretrainLearner(clip, recipe), batches, HABITS, unfinished, origin, on_progress=on_progress)
    save_clip(clip, spec, folder, {"pretrain_recipe": recipe.model_dump(mode="json") | _started(start)})
    _write_log(result.metrics, recipe.steps, folder / "pretrain.jsonl")
    shutil.rmtree(unfinished)
    return ClipSpec.from_folder(folder)


def save_clip(clip: OpenClip, spec: ClipSpec, folder: Path, metadata: Mapping[str, Any]) -> None:
    """Write a CLIP as float16 safetensors beside the configuration open_clip's `local-dir:` names expect."""
    tensors = {name: tensor.to(torch.float16) for name, tensor in clip.state_dict().items()}
    write_tensors(folder / WEIGHTS_FILE, tensors, metadata)
    pixels = {"size": spec.image_size, "mean": spec.mean, "std": spec.std}
    text = json.dumps({"model_cfg": architecture_of(spec), "preprocess_cfg": pixels}, indent=2)
    write_whole(folder / CONFIG_FILE, lambda partial: _write_text(partial, text + "\n"))


def _started(start: ClipSpec | None) -> dict[str, str | None]:
    return {} if start is None else {"start_sha256": start.weights_sha256}


def _blank_spec(recipe: PretrainRecipe, name: str) -> ClipSpec:
    return ClipSpec(
        model=name,
        weights="random",
        architecture=recipe.architecture,
        image_size=recipe.architecture["vision_cfg"]["image_size"],
        mean=recipe.mean,
        std=recipe.std,
        seed=recipe.seed,
    )


def _write_log(metrics: Path, steps: int, path: Path) -> None:
    rows = (
        {"step": row["step"], "steps": steps, "loss": row[TOTAL], "accuracy": row["accuracy"], "lr": row["lr"]}
        for row in read_metrics(metrics)
    )
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    write_whole(path, lambda partial: _write_text(partial, lines))


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
