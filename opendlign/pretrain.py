"""`opendlign pretrain-mini`: train the small CLIP that ships with the product, from nothing, on a CPU."""

import json
import platform
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from opendlign.show import console
from opendlign_core.clip.vocabulary import WORDS_FILE
from opendlign_core.errors import BadInput
from opendlign_core.training.pretraining.recipe import PretrainRecipe, mini_architecture

if TYPE_CHECKING:
    from opendlign.mini_corpus import Corpus, CorpusRecipe
    from opendlign_core.clip import ClipSpec
    from opendlign_core.evaluation.templates import TextName

STEPS = 6000
"""Of the shipped weights."""
PARTS_EVERY = 4
"""After so many steps on whole shapes there is one on shapes and single parts."""
PARTS_COST = 1.6
"""What both trainings take together, in times of the first."""
PARTS_FOLDER = "parts"
SUMMARY_FILE = "pretrain.json"
_PROBE_STEPS = 12
_PROBE_WARMUP = 4
_JUDGED_ROUNDS = 10


def pretrain_mini(
    *,
    out: Path,
    steps: Annotated[int | None, Parameter(help=f"Training steps (default {STEPS}, as shipped)")] = None,
    minutes: Annotated[float | None, Parameter(help="Take as many steps as fit into this time here")] = None,
    rounds: Annotated[int, Parameter(help="Shapes per category that are drawn; 70% of them are trained on")] = 60,
    threads: Annotated[int, Parameter(help="CPU threads")] = 2,
) -> int:
    """Train the mini CLIP from scratch on procedural shapes, painted and put into words, and go on to their parts.

    The same steps, rounds and threads give the same weights on the same machine.

    Parameters
    ----------
    out
        Folder that gets the weights in open_clip's layout, the log of all steps and a summary; its folder `parts`
        gets the same of the weights that went on to learn the words for parts.
    """
    _check(steps, minutes, threads)
    # Before anything slow: a folder that cannot be made is told at once.
    out.mkdir(parents=True, exist_ok=True)
    import torch

    from opendlign.mini_corpus import CorpusRecipe, build_corpus

    torch.set_num_threads(threads)
    recipe, started = CorpusRecipe(rounds=rounds), time.monotonic()
    with _bar("painting shapes") as advance:
        corpus = build_corpus(recipe, threads, advance)
    training = mini_pretraining(steps or STEPS)
    if minutes is not None:
        left = (60 * minutes - (time.monotonic() - started)) / PARTS_COST
        steps = affordable_steps(corpus.of_shapes(), training, left)
        training = mini_pretraining(steps)
        console.print(f"{training.steps} steps fit; to repeat this run: --steps {training.steps} --rounds {rounds}")
    shapes = _train(corpus.of_shapes(), training, out)
    _judge_and_summarise(out, recipe, training, None, time.monotonic() - started)
    parts = mini_part_training(training.steps)
    _train(corpus, parts, out / PARTS_FOLDER, shapes)
    _judge_and_summarise(out / PARTS_FOLDER, recipe, parts, shapes, time.monotonic() - started)
    return 0


def mini_pretraining(steps: int = STEPS) -> PretrainRecipe:
    """The recipe of the shipped weights.

    Fixed positions are as strong as the patches beside them from the first step; learned ones start far weaker, which
    favours colour over shape. Dropping half the patches halves the work of the image tower.
    """
    architecture = mini_architecture(width=96)
    architecture["vision_cfg"] |= {"pos_embed_type": "sin_cos_2d", "patch_dropout": 0.5}
    return PretrainRecipe(architecture=architecture, steps=steps, batch_size=96, peak_lr=2e-3, warmup=0.05)


def mini_part_training(shape_steps: int = STEPS) -> PretrainRecipe:
    """The recipe that goes on from weights that know shapes and teaches them the words for parts.

    Patches are asked too, each seeing only itself in the last three blocks of four, so that the word for a part comes
    to stand where the part is. None is dropped: small parts have few.
    """
    recipe = mini_pretraining(max(1, shape_steps // PARTS_EVERY))
    architecture = recipe.architecture.plain()
    architecture["vision_cfg"]["patch_dropout"] = 0.0
    changes = {"architecture": architecture, "peak_lr": 1e-3, "patches": 1.0, "unmixed": 3, "seed": 1}
    return PretrainRecipe.model_validate(recipe.model_dump() | changes)


def affordable_steps(corpus: "Corpus", training: PretrainRecipe, seconds: float) -> int:
    """How many steps fit into so many seconds here, judged by a few."""
    from opendlign_core.training import pretrain

    times: list[float] = []
    probe = training.model_copy(update={"steps": _PROBE_STEPS})
    with tempfile.TemporaryDirectory(prefix="opendlign-pretrain-") as scratch:
        pretrain(
            corpus.draw,
            probe,
            Path(scratch) / "probe",
            device="cpu",
            on_progress=lambda _: times.append(time.monotonic()),
        )
    per_step = (times[-1] - times[_PROBE_WARMUP - 1]) / (_PROBE_STEPS - _PROBE_WARMUP)
    return max(1, int(seconds / per_step) - _PROBE_STEPS)


@dataclass(frozen=True)
class HeldOut:
    """Zero-shot top-1 over all categories on objects of the val split, views summed; shares."""

    objects: int
    images: float
    depths: float


def _check(steps: int | None, minutes: float | None, threads: int) -> None:
    if steps is not None and minutes is not None:
        raise BadInput("give --steps or --minutes, not both")
    if min(1 if steps is None else steps, threads) < 1 or (minutes is not None and minutes <= 0):
        raise BadInput("--steps, --minutes and --threads must be positive")


def _train(corpus: "Corpus", training: PretrainRecipe, out: Path, start: "ClipSpec | None" = None) -> "ClipSpec":
    from opendlign_core.training import pretrain

    with _bar("training" if start is None else "training parts") as advance:
        return pretrain(
            corpus.draw,
            training,
            out,
            device="cpu",
            start=start,
            on_progress=lambda done: advance(done.step, done.steps),
        )


def _judge_and_summarise(
    out: Path, recipe: "CorpusRecipe", training: PretrainRecipe, start: "ClipSpec | None", seconds: float
) -> None:
    from opendlign_core.clip import ClipSpec

    held_out = _judge(ClipSpec.from_folder(out), recipe)
    _summarise(out, recipe, training, start, held_out, seconds)
    found = f"{held_out.images:.1%} of unseen painted shapes named, {held_out.depths:.1%} of depth maps"
    console.print(f"{out}: {found}", soft_wrap=True)


def _judge(spec: "ClipSpec", recipe: "CorpusRecipe") -> HeldOut:
    """Name the val split's objects by the zero-shot ensembles, from their images and from their depth maps."""
    import numpy as np

    from opendlign.mini_corpus import build_corpus
    from opendlign_core.clip import load_clip
    from opendlign_core.evaluation import METHODS, EvalSample, EvaluatedModel
    from opendlign_core.evaluation.classification.scoring import aggregate
    from opendlign_core.evaluation.extractor import Extractor
    from opendlign_core.evaluation.features import plan_for
    from opendlign_core.evaluation.model import text_classifier
    from opendlign_core.ingestion.procedural import LABELS
    from opendlign_core.training import DepthAlignedCLIP

    unseen = {"split": "val", "rounds": max(recipe.rounds, _JUDGED_ROUNDS), "part_share": 0.0}
    corpus = build_corpus(recipe.model_copy(update=unseen))
    model = EvaluatedModel.aligned(DepthAlignedCLIP(load_clip(spec)), spec, "pretraining")
    rows = enumerate(zip(corpus.words, corpus.depth, corpus.images, strict=True))
    samples = [EvalSample(str(row), word.label, depth, images) for row, (word, depth, images) in rows]
    features = Extractor(model, plan_for(METHODS["training-free"], corpus.depth.shape[1])).extract(samples)
    truth = np.asarray([LABELS.index(word.label) for word in corpus.words])

    def top1(views: Any, words: "TextName") -> float:  # views [N, V, E]
        text = text_classifier(model, LABELS, words).numpy()
        return float((aggregate(views @ text.T, "reference").argmax(axis=1) == truth).mean())

    return HeldOut(len(truth), images=top1(features.images, "imagenet"), depths=top1(features.base, "depth"))


def _summarise(
    out: Path,
    recipe: "CorpusRecipe",
    training: PretrainRecipe,
    start: "ClipSpec | None",
    held_out: HeldOut,
    seconds: float,
) -> None:
    import torch

    from opendlign.mini_corpus import words_read

    summary = {
        "corpus": recipe.model_dump(mode="json"),
        "training": training.model_dump(mode="json"),
        "start_sha256": None if start is None else start.weights_sha256,
        "held_out": {"objects": held_out.objects, "images": held_out.images, "depth_maps": held_out.depths},
        "seconds": round(seconds, 1),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    words = words_read(recipe, parts=start is not None)
    (out / WORDS_FILE).write_text("\n".join(words) + "\n", encoding="utf-8")
    (out / SUMMARY_FILE).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")


@contextmanager
def _bar(what: str) -> Iterator[Any]:
    """A progress bar with an estimate of the time left; yields a function of (done, total)."""
    columns = (
        TextColumn("{task.description:<16}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(bar, completed=done, total=total)
