"""What alignment gains in miniature: zero-shot on held-out depth maps before and after, over seeds, with intervals.

python -m bench.mini                      generated shapes; seeds 1, 2, 3; the preset's own recipes
python -m bench.mini --split val          the same on the split that settings were chosen on
python -m bench.mini --real DIR           packs capod15.npz and psb161.npz in DIR, by their own labels
"""

import argparse
import json
import platform
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from flows.preset import load_preset
from opendlign_core.clip import load_clip
from opendlign_core.evaluation import METHODS, EvaluatedModel
from opendlign_core.evaluation.classification.scoring import score
from opendlign_core.evaluation.extractor import Extractor
from opendlign_core.evaluation.features import EvalSample, FeaturePlan, ViewFeatures
from opendlign_core.evaluation.model import text_classifier
from opendlign_core.ingestion import (
    DirectoryFiles,
    IngestedObject,
    IngestExecution,
    IngestRecipe,
    SourceSpec,
    ingest_entries,
    list_entries,
)
from opendlign_core.ingestion.procedural import LABELS
from opendlign_core.loop import InMemory
from opendlign_core.projection import project
from opendlign_core.synthesis import SynthesisExecution, load_synthesizer
from opendlign_core.synthesis.seeds import image_seed
from opendlign_core.training import DepthAlignedCLIP, Objects, TrainExecution, TrainRecipe, load_aligned
from opendlign_core.training.depth_branch.cache import build_entries
from opendlign_core.training.depth_branch.run import train

RESULTS = Path(__file__).parent / "results"
PRESET = load_preset("mini")
PROJECTION, PAINTING, TRAINING = (PRESET.recipes[stage] for stage in ("project", "synthesize", "train"))
BRANCHES = {"frozen base branch": "training-free", "tuned depth branch": "aligned-texts", "5/5": "opendlign"}
VIEWS = tuple(range(10))
EVERYTHING = FeaturePlan(VIEWS, VIEWS)
_AT_ONCE = 16
_RESAMPLES = 2000


@dataclass(frozen=True)
class Shapes:
    """Objects with their depth maps [N, V, H, W] and the images painted on them [N, V, H, W, 3]."""

    ids: tuple[str, ...]
    labels: tuple[str, ...]
    splits: tuple[str, ...]
    depth: NDArray[np.float32]
    images: NDArray[np.uint8]

    def of(self, split: str) -> "Shapes":
        rows = [row for row, own in enumerate(self.splits) if own == split]
        labels = tuple(self.labels[row] for row in rows)
        return Shapes(
            tuple(self.ids[row] for row in rows), labels, (split,) * len(rows), self.depth[rows], self.images[rows]
        )

    def samples(self) -> list[EvalSample]:
        rows = zip(self.ids, self.labels, self.depth, self.images, strict=True)
        return [EvalSample(name, label, depth, images) for name, label, depth, images in rows]


class Hits(NamedTuple):
    """Whether each held-out object was named, by branch."""

    objects: int
    by_branch: dict[str, NDArray[np.bool_]]


def make_shapes(recipe: IngestRecipe, files: DirectoryFiles | None = None) -> Shapes:
    """Ingest a source, project it and paint every view, as the preset's stages do."""
    entries = tuple(list_entries(recipe.source, files))
    outcomes = ingest_entries(entries, recipe, IngestExecution(workers=1), files)
    objects = [outcome for outcome in outcomes if isinstance(outcome, IngestedObject)]
    depth = [
        project(np.stack([item.points for item in objects[first : first + _AT_ONCE]]), PROJECTION).numpy()
        for first in range(0, len(objects), _AT_ONCE)
    ]
    maps = np.concatenate(depth)
    known = [item.entry for item in objects]
    return Shapes(
        ids=tuple(entry.object_id for entry in known),
        labels=tuple(entry.label for entry in known),
        splits=tuple(entry.split for entry in known),
        depth=maps,
        images=_painted(maps, [entry.object_id for entry in known], [entry.caption for entry in known]),
    )


def _painted(depth: NDArray[np.float32], ids: Sequence[str], captions: Sequence[str]) -> NDArray[np.uint8]:
    painter = load_synthesizer(PAINTING, SynthesisExecution(workers=1))
    images = np.empty((*depth.shape, 3), np.uint8)
    for row, (name, caption) in enumerate(zip(ids, captions, strict=True)):
        prompts = [PAINTING.prompt.prompt(caption)] * len(VIEWS)
        seeds = [image_seed(PAINTING.seed, name, view, 0) for view in VIEWS]
        images[row] = painter.generate(depth[row], prompts, seeds)
    return images


def align(shapes: Shapes, recipe: TrainRecipe) -> DepthAlignedCLIP:
    """Train the depth branch on these shapes."""
    model = DepthAlignedCLIP(load_clip(recipe.clip), recipe.blocks, recipe.blend)
    objects = Objects(torch.from_numpy(shapes.depth), torch.from_numpy(shapes.images))
    with torch.no_grad():
        entries = build_entries(model, objects, recipe.cache_recipe())
    with tempfile.TemporaryDirectory(prefix="opendlign-mini-") as scratch:
        result = train(InMemory(entries), recipe, TrainExecution(device="cpu"), Path(scratch))
        return load_aligned(result.weights)


def extract(model: DepthAlignedCLIP, recipe: TrainRecipe, shapes: Shapes) -> ViewFeatures:
    """Features of every view through both branches, and of the images."""
    evaluated = EvaluatedModel.aligned(model, recipe.clip, "bench")
    return Extractor(evaluated, EVERYTHING).extract(shapes.samples())


def zero_shot(model: DepthAlignedCLIP, recipe: TrainRecipe, features: ViewFeatures, classes: tuple[str, ...]) -> Hits:
    """Name every object among `classes` by the depth ensemble."""
    evaluated = EvaluatedModel.aligned(model, recipe.clip, "bench")
    text = text_classifier(evaluated, classes, "depth").numpy()
    truth = np.asarray([classes.index(str(label)) for label in features.labels])
    return Hits(
        len(truth),
        {name: score(features, text, METHODS[method]).argmax(1) == truth for name, method in BRANCHES.items()},
    )


def summary(runs: Sequence[Hits], same_objects: bool = False) -> dict[str, Any]:
    """Top-1 by branch and its rise over the base branch, with percentile intervals over resampled objects.

    Where all seeds judge the same objects, each counts once, as the mean over seeds: pooled, it would count as three.
    """
    join = (lambda parts: np.mean(parts, axis=0)) if same_objects else np.concatenate
    joined = {name: join([run.by_branch[name].astype(float) for run in runs]) for name in BRANCHES}
    base = joined["frozen base branch"]
    rows = np.random.default_rng(0).integers(len(base), size=(_RESAMPLES, len(base)))
    found: dict[str, Any] = {"objects": [run.objects for run in runs]}
    for name, hits in joined.items():
        found[name] = {
            "top1": _percent(hits, rows),
            "by_seed": [round(100 * float(run.by_branch[name].mean()), 1) for run in runs],
            "rise": _percent(hits - base, rows),
        }
    return found


def _percent(values: NDArray[np.float64], rows: NDArray[np.int64]) -> dict[str, float]:
    low, high = np.quantile(values[rows].mean(axis=1), [0.025, 0.975])
    return {
        name: round(100 * float(value), 1) for name, value in (("value", values.mean()), ("low", low), ("high", high))
    }


def procedural(seeds: Sequence[int], split: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Train and judge once per seed, which draws the shapes and orders the training."""
    runs = []
    for seed in seeds:
        options = {**dict(PRESET.source.source.options), "seed": str(seed)}
        source = PRESET.source.source.model_copy(update={"options": tuple(sorted(options.items()))})
        shapes = make_shapes(PRESET.source.model_copy(update={"source": source}))
        recipe = TRAINING.model_copy(update={"seed": seed, **changes})
        model = align(shapes.of("train"), recipe)
        held_out = shapes.of(split)
        runs.append(zero_shot(model, recipe, extract(model, recipe, held_out), tuple(sorted(set(held_out.labels)))))
        print(
            f"seed {seed}: " + ", ".join(f"{name} {hits.mean():.1%}" for name, hits in runs[-1].by_branch.items()),
            flush=True,
        )
    return {"split": split, "seeds": list(seeds), **summary(runs)}


def real(folder: Path, pack: str, seeds: Sequence[int]) -> dict[str, Any]:
    """Align on three quarters of a pack of real shapes and judge the rest, by the pack's own labels."""
    options = (("list", f"{pack}.npz"), ("min_per_label", "8"), ("train_share", "0.75"))
    source = SourceSpec(adapter="list", url=str(folder), options=options)
    shapes = make_shapes(IngestRecipe(source=source, points=2048), DirectoryFiles(folder))
    known = tuple(sorted(set(shapes.labels)))
    spoken = tuple(name for name in known if name in LABELS)
    taught, held_out, runs, matches = shapes.of("train"), shapes.of("test"), [], []
    runs_spoken: list[Hits] = []
    for seed in seeds:
        recipe = TRAINING.model_copy(update={"seed": seed})
        model = align(taught, recipe)
        features, support = extract(model, recipe, held_out), extract(model, recipe, taught)
        runs.append(zero_shot(model, recipe, features, known))
        rows = np.flatnonzero([label in spoken for label in features.labels])
        runs_spoken.append(zero_shot(model, recipe, features.take(rows), spoken))
        matches.append(retrieval(features) | class_means(support, features))
    averages = {key: round(100 * float(np.mean([match[key] for match in matches])), 1) for key in matches[0]}
    counts = {"classes": len(known), "trained_on": len(taught.ids), "held_out": len(held_out.ids)}
    return {
        "seeds": list(seeds),
        **counts,
        "zero_shot": summary(runs, same_objects=True),
        "classes_with_known_words": list(spoken),
        "zero_shot_known_words": summary(runs_spoken, same_objects=True),
        **averages,
    }


def retrieval(features: ViewFeatures) -> dict[str, float]:
    """How often an object's depth maps find its own images among all held-out objects'."""
    images = _mean(features.images)
    found = {}
    for branch, views in (("base", features.base), ("depth", features.depth)):
        best = (_mean(views) @ images.T).argmax(axis=1)
        found[f"depth_to_image_{branch}"] = float((best == np.arange(len(best))).mean())
    return found


def class_means(support: ViewFeatures, queries: ViewFeatures) -> dict[str, float]:
    """Nearest class mean: classes shown as painted images, and as depth maps, asked with depth maps."""
    labels = np.asarray(support.labels)
    classes = np.unique(labels)
    truth = np.asarray(queries.labels)
    found = {}
    for branch, asked, shown in (
        ("base", queries.base, support.base),
        ("depth", queries.depth, support.depth),
    ):
        for kind, taught in (("images", support.images), ("depth_maps", shown)):
            centres = np.stack([_mean(taught)[labels == name].mean(axis=0) for name in classes])
            centres /= np.linalg.norm(centres, axis=1, keepdims=True)
            best = classes[(_mean(asked) @ centres.T).argmax(axis=1)]
            found[f"class_means_of_{kind}_{branch}"] = float((best == truth).mean())
    return found


def _mean(views: NDArray[np.float32]) -> NDArray[np.float32]:
    mean = views.mean(axis=1)
    unit: NDArray[np.float32] = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    return unit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--split", choices=("val", "test"), default="test")
    parser.add_argument("--real", type=Path, help="folder with capod15.npz and psb161.npz")
    parser.add_argument("--quick", action="store_true", help="one seed, and no result file")
    options = parser.parse_args()
    torch.set_num_threads(2)
    seeds = options.seeds[:1] if options.quick else options.seeds
    found: dict[str, Any] = {"machine": f"2-core {platform.machine()}", "torch": torch.__version__}
    found["weights_sha256"] = TRAINING.clip.weights_sha256
    if options.real is None:
        name, found["shapes"] = f"mini_{options.split}", procedural(seeds, options.split, {})
    else:
        name = "mini_real"
        found |= {pack: real(options.real, pack, seeds) for pack in ("capod15", "psb161")}
    print(json.dumps(found, indent=2))
    if not options.quick:
        (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
