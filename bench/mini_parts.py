"""What the small CLIP can tell apart: parts of held-out generated shapes, named by words alone, over seeds.

python -m bench.mini_parts                    seeds 1, 2, 3, test split; the settings that were chosen on val
python -m bench.mini_parts --split val        the same on val, with the settings that were tried

Every row is the segmentation benchmark's own answer to shapes in memory.
"""

import argparse
import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from flows.preset import load_preset
from opendlign_core.clip import ClipSpec, load_clip
from opendlign_core.evaluation import DatasetSpec, EvalRecipe, EvaluatedModel, evaluate
from opendlign_core.evaluation.features import PlacedSample
from opendlign_core.evaluation.findings import MeasuredObjects
from opendlign_core.evaluation.segmentation.answers import reference_parts
from opendlign_core.evaluation.segmentation.benchmark import SEGMENTATION
from opendlign_core.evaluation.segmentation.head import faithful_scores
from opendlign_core.evaluation.segmentation.judging import look
from opendlign_core.evaluation.segmentation.metrics import shape_iou
from opendlign_core.evaluation.segmentation.segmenter import Segmenter
from opendlign_core.ingestion.procedural import SPLIT_ROUNDS, procedural_cloud, procedural_mesh
from opendlign_core.ingestion.sampling import sample_surface
from opendlign_core.projection import RECIPES, maps_and_places
from opendlign_core.projection.recipe import ProjectionRecipe
from opendlign_core.training import DepthAlignedCLIP

RESULTS = Path(__file__).parent / "results"
CATEGORIES = (
    "airplane", "car", "chair", "guitar", "knife", "lamp", "laptop", "motorcycle", "mug", "rocket", "table",
)  # fmt: skip
"""Those of ShapeNetPart's sixteen that the embedded data set has."""
POINTS = 2048
ROUNDS = 30
"""Of each category: 21 of the train split, 3 of val, 6 of test."""
PROJECTION: ProjectionRecipe = load_preset("mini-parts").recipes["project"]
"""Six sides from three heights."""
TEN = RECIPES["opendlign"].views
SURFACE = 40_000
"""Points of a mesh that stand for its surface where that decides what hides what."""
VALUE = {"attention": "value", "blocks": 3}
"""Last blocks of four in which a patch attends to itself alone, as it did when it learned words."""
ANSWERS: tuple[dict[str, Any], ...] = (
    {"name": "smoothed over 32 neighbours", **VALUE, "neighbours": 32},
    {"name": "value in the last three blocks", **VALUE},
    {"name": "corrected"},
    {"name": "faithful", "mode": "faithful"},
    {"name": "self-self attention in the last block", "attention": "self"},
    {"name": "value in the last block", "attention": "value"},
    {"name": "value in all blocks", "attention": "value", "blocks": 4},
    {"name": "averaged over windows of three patches", **VALUE, "window": 3},
    {"name": "superpoints", **VALUE, "superpoints": 64},
    {"name": "in crops, twice as fine", **VALUE, "finer": 2, "crops": True},
    {"name": "enlarged, twice as fine", **VALUE, "finer": 2},
)
BOLD = ANSWERS[:1]
FAITHFULLY = "value in the last three blocks, read faithfully"
_RESAMPLES = 2000
Views = tuple[tuple[tuple[float, float, float], ...], ...]


def ring(height: float, sides: int) -> Views:
    """Views of so many sides from so many degrees above."""
    return tuple(((360.0 / sides * turn, 0.0, 90.0), (0.0, height, 0.0)) for turn in range(sides))


@dataclass(frozen=True)
class Shapes:
    """The shapes of a seed as a source of the benchmark, made when they are read; all categories alike."""

    seed: int
    projection: ProjectionRecipe = PROJECTION
    surface: bool = False
    """Whether the mesh decides what hides what, not the points that are asked."""
    _made: dict[str | None, list[PlacedSample]] = field(default_factory=dict)

    def placed(self, dataset: DatasetSpec, split: str | None, projection: str) -> Iterator[PlacedSample]:
        if split not in self._made:
            self._made[split] = list(self._make(split))
        yield from self._made[split]

    def _make(self, split: str | None) -> Iterator[PlacedSample]:
        for turn in (turn for turn in range(ROUNDS) if SPLIT_ROUNDS[turn % len(SPLIT_ROUNDS)] == split):
            for place, label in enumerate(CATEGORIES):
                yield self._shape(turn * len(CATEGORIES) + place, label)

    def _shape(self, index: int, label: str) -> PlacedSample:
        cloud = procedural_cloud(self.seed, index, POINTS, CATEGORIES)
        assert cloud.parts is not None
        maps, places = maps_and_places(cloud.points, self.projection)
        if self.surface:
            mesh = procedural_mesh(self.seed, index, CATEGORIES)
            dense = sample_surface(mesh, SURFACE, np.random.default_rng(index)).points
            _, hidden = maps_and_places(np.concatenate([cloud.points, dense]), self.projection)
            places = replace(places, seen={name: seen[:, :POINTS] for name, seen in hidden.seen.items()})
        known = (cloud.points, cloud.parts, cloud.part_names)
        return PlacedSample(f"{label}/{self.seed}-{index}", label, *known, maps.numpy(), places)

    def samples(self, *_: Any, **__: Any) -> Iterator[Any]:
        return iter(())

    def identity(self, *_: Any) -> str:
        return "bench"

    def views(self) -> Mapping[str, int]:
        return {"opendlign": len(self.projection.views)}

    def proposed(self) -> Mapping[str, Sequence[Any]]:
        return {}


def recipe_of(
    split: str, answers: Sequence[Mapping[str, Any]], bounds: bool = False, words: str = "owned", search: bool = False
) -> EvalRecipe:
    method = {"name": "parts", "branches": "base"}
    searched = {"aggregation": "pointclip-v2", "search": "train-split"} if search else {}
    options = {"answers": answers, "bounds": bounds, "words": words, "cropped": False, "shown": 0}
    return EvalRecipe.model_validate(
        {
            "datasets": [{"name": "parts", "split": split, "train_split": "train"}],
            "tasks": ["segmentation"],
            "methods": [method | searched],
            "bootstrap": {"samples": 0},
            "options": {"segmentation": options},
        }
    )


def ious(model: EvaluatedModel, shapes: Shapes, recipe: EvalRecipe) -> dict[str, MeasuredObjects]:
    """What every answer, baseline and bound makes of every shape."""
    _, measured = evaluate(model, recipe, shapes)
    return {part.method.removeprefix("parts, "): part for part in measured if isinstance(part, MeasuredObjects)}


def read_faithfully(model: EvaluatedModel, shapes: Shapes, recipe: EvalRecipe) -> MeasuredObjects:
    """The tokens of the bold row as the faithful mode reads those of the tower as it is: scrambled, and mirrored."""
    options = SEGMENTATION.options_in(recipe)
    segmenter, found = Segmenter.of(model, recipe.methods[0], options), list[tuple[PlacedSample, float]]()
    for sample in shapes.placed(recipe.datasets[0], recipe.datasets[0].split, "opendlign"):
        tokens = look(segmenter.eye, sample, (segmenter.answer,)).tokens[segmenter.answer]
        places = segmenter.eye.places(sample.places, "faithful", sample.depth.shape[-1])
        question = segmenter.question(sample.part_names, sample.label or "")
        parts = reference_parts(faithful_scores(tokens, question.text, places))
        found.append((sample, shape_iou(parts, sample.parts, question.parts)))
    return MeasuredObjects(
        dataset="parts",
        method=FAITHFULLY,
        object_ids=tuple(sample.object_id for sample, _ in found),
        labels=tuple(sample.label or "" for sample, _ in found),
        values=np.array([iou for _, iou in found]),
    )


def judged(model: EvaluatedModel, seed: int, split: str) -> dict[str, MeasuredObjects]:
    """All rows of the table for one seed."""
    shapes = Shapes(seed)
    rows = ious(model, shapes, recipe_of(split, ANSWERS, bounds=True))
    rows[FAITHFULLY] = read_faithfully(model, shapes, recipe_of(split, ANSWERS[1:2]))
    bold = BOLD[0]["name"]

    def seen_from(views: Views, search: bool = False) -> tuple[Shapes, EvalRecipe]:
        return Shapes(seed, PROJECTION.replace(views=views)), recipe_of(split, BOLD, search=search)

    variants = {
        "category not said": (shapes, recipe_of(split, BOLD, words="alone")),
        "the ten views of classification": seen_from(TEN),
        "these with weights searched on the train split": seen_from(TEN, search=True),
        "twelve views from one height": seen_from(ring(20, 12)),
        "24 views from two heights": seen_from(ring(20, 12) + ring(45, 12)),
        "36 views from three heights": seen_from(ring(20, 12) + ring(45, 12) + ring(-10, 12)),
        "visibility of the mesh's surface": (Shapes(seed, surface=True), recipe_of(split, BOLD)),
    }
    return rows | {name: ious(model, *variant)[bold] for name, variant in variants.items()}


def summary(runs: Sequence[Mapping[str, MeasuredObjects]]) -> dict[str, Any]:
    """Instance mIoU by row, in percent, with percentile intervals over resampled shapes."""
    categories = np.array([label for run in runs for label in run[BOLD[0]["name"]].labels])
    joined = {row: np.concatenate([run[row].values for run in runs]) for row in runs[0]}
    draws = np.random.default_rng(0).integers(len(categories), size=(_RESAMPLES, len(categories)))

    def percent(values: NDArray[np.float64]) -> dict[str, float]:
        low, high = np.quantile(values[draws].mean(axis=1), [0.025, 0.975])
        return {"value": _rounded(values.mean()), "low": _rounded(low), "high": _rounded(high)}

    return {
        row: {
            "instance": percent(values),
            "above_constant": percent(values - joined["best constant"]),
            "above_random": percent(values - joined["random parts"]),
            "above_faithful": percent(values - joined["faithful"]),
            "above_bold": percent(values - joined[BOLD[0]["name"]]),
            "by_seed": [_rounded(run[row].values.mean()) for run in runs],
            "by_category": {label: _rounded(values[categories == label].mean()) for label in CATEGORIES},
        }
        for row, values in joined.items()
    }


def _rounded(share: float) -> float:
    return round(100 * float(share), 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--split", choices=("val", "test"), default="test")
    parser.add_argument("--weights", type=Path, help="folder of another CLIP, made by `opendlign pretrain-mini`")
    parser.add_argument("--dry", action="store_true", help="no result file")
    options = parser.parse_args()
    torch.set_num_threads(2)
    spec = ClipSpec.from_folder(options.weights) if options.weights else ClipSpec.packaged("mini-parts")
    model = EvaluatedModel.aligned(DepthAlignedCLIP(load_clip(spec)).eval(), spec, "bench")
    runs = [judged(model, seed, options.split) for seed in options.seeds]
    found: dict[str, Any] = {"machine": f"2-core {platform.machine()}", "torch": torch.__version__}
    found |= {"weights_sha256": spec.weights_sha256, "split": options.split, "seeds": options.seeds}
    found |= {"shapes": [len(run["faithful"].values) for run in runs], "rows": summary(runs)}
    print(json.dumps(found, indent=2))
    if not (options.dry or options.weights):
        (RESULTS / f"mini_parts_{options.split}.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
