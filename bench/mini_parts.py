"""What the small CLIP can tell apart: parts of held-out generated shapes, named by words alone, over seeds.

python -m bench.mini_parts                    seeds 1, 2, 3, test split; the settings that were chosen on val
python -m bench.mini_parts --split val        the same on val, with the settings that were tried
"""

import argparse
import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from opendlign_core.articles import article
from opendlign_core.clip import ClipSpec, depth_to_input, load_clip, load_tokenizer
from opendlign_core.clip.features import unit
from opendlign_core.clip.load import OpenClip
from opendlign_core.clip.tokens import Attention, cropped, patch_tokens
from opendlign_core.evaluation.segmentation.answers import best_parts, reference_parts
from opendlign_core.evaluation.segmentation.head import PointPlaces, faithful_scores, patch_scores, point_scores
from opendlign_core.evaluation.segmentation.metrics import shape_iou
from opendlign_core.evaluation.templates import fill, named_templates
from opendlign_core.ingestion.procedural import SPLIT_ROUNDS, category_parts, procedural_cloud
from opendlign_core.projection import RECIPES, project_points
from opendlign_core.projection.recipe import Bilateral, WindowMax
from opendlign_core.samples import LOOKUPS

RESULTS = Path(__file__).parent / "results"
CATEGORIES = (
    "airplane", "car", "chair", "guitar", "knife", "lamp", "laptop", "motorcycle", "mug", "rocket", "table",
)  # fmt: skip
"""Those of ShapeNetPart's sixteen that the embedded data set has."""
POINTS = 2048
ROUNDS = 30
"""Of each category: 21 of the train split, 3 of val, 6 of test."""
SIZE = 64
PROJECTION = RECIPES["opendlign"].replace(
    size=SIZE,
    slices=32,
    densify=WindowMax(window=(3, 3, 3), padding=(1, 1, 1)),
    smooth=Bilateral(window=(3, 3, 3), support="square"),
)
"""The views that the CLIP knows, in slices thin enough to tell what hides what."""
PATCH = 8
BLOCKS = 3
"""Last blocks of four in which a patch attends to itself alone, as it did when it learned words."""
NEIGHBOURS = 32
"""Of 12, 32 and 64 the best on val."""
_RESAMPLES = 2000

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Shape:
    """A shape, the true part of each point, its maps and where the maps show its points."""

    label: str
    points: NDArray[np.float32]  # [N, 3]
    parts: Labels  # [N]
    depth: Tensor  # [V, S, S]
    places: PointPlaces
    swapped: PointPlaces
    """With what the reference's look-up, which swaps rows and columns, calls seen."""


class Parted(NamedTuple):
    """The IoU of every shape by row of the table."""

    categories: list[str]
    by_row: dict[str, NDArray[np.float64]]


def shapes_of(seed: int, split: str) -> Iterator[Shape]:
    """The shapes of a split, all categories alike."""
    rounds = [turn for turn in range(ROUNDS) if SPLIT_ROUNDS[turn % len(SPLIT_ROUNDS)] == split]
    for turn in rounds:
        for place, label in enumerate(CATEGORIES):
            cloud = procedural_cloud(seed, turn * len(CATEGORIES) + place, POINTS, CATEGORIES)
            assert cloud.parts is not None
            found, swapped = (project_points(cloud.points[None], PROJECTION, lookup) for lookup in LOOKUPS)
            places = [PointPlaces(found.pixel[0], each.seen[0], SIZE) for each in (found, swapped)]
            yield Shape(label, cloud.points, cloud.parts.astype(np.int64), found.depth[0], *places)


@dataclass(frozen=True)
class Judge:
    """A CLIP, and the words for the parts of every category, with the category and without."""

    clip: OpenClip
    spec: ClipSpec
    words: Mapping[str, Tensor]  # [P, E] by category
    bare: Mapping[str, Tensor]

    def patches(self, shape: Shape, attention: Attention = "value", blocks: int = BLOCKS) -> Tensor:
        """Unit tokens [V, R, C, E] of the patches of a shape's maps."""
        return self._tokens(depth_to_input(shape.depth, self.spec), attention, blocks)

    def crops(self, shape: Shape) -> Tensor:
        """The same of maps twice as large, seen in crops."""
        pixels = depth_to_input(shape.depth, self.spec)
        return unit(cropped(lambda crop: self._tokens(crop, "value", BLOCKS), pixels, 2))

    def _tokens(self, pixels: Tensor, attention: Attention, blocks: int) -> Tensor:
        return unit(patch_tokens(self.clip, pixels, attention, blocks))


def spoken(clip: OpenClip, spec: ClipSpec, owned: bool) -> dict[str, Tensor]:
    """The mean sentences [P, E] for every category's parts: "seat of a chair", or "seat" where that is not said."""
    tokenizer, templates = load_tokenizer(spec), named_templates("depth")

    def mean(name: str) -> Tensor:
        texts = clip.encode_text(tokenizer([fill(template, name) for template in templates]), normalize=True)
        return unit(texts.mean(dim=0))

    return {
        label: torch.stack([mean(f"{part} of {article(label)}" if owned else part) for part in category_parts(label)])
        for label in CATEGORIES
    }


def smoothed(scores: Tensor, points: NDArray[np.float32]) -> Tensor:
    """Scores [N, P] averaged over each point's nearest neighbours."""
    near = cKDTree(points).query(points, NEIGHBOURS)[1]
    return scores[torch.from_numpy(near)].mean(dim=1)


def labelled_cells(shape: Shape, parts: int) -> Tensor:
    """The share of each part among the points that a patch shows [V, R, C, P]: what perfect patches would say."""
    grid = SIZE // PATCH
    row, column = shape.places.pixel.unbind(-1)
    cell = row // PATCH * grid + column // PATCH
    counts = torch.zeros(len(cell), grid * grid * parts)
    counts.scatter_add_(1, cell * parts + torch.from_numpy(shape.parts), shape.places.seen.float())
    maps = counts.view(len(cell), grid, grid, parts)
    return maps / maps.sum(dim=-1, keepdim=True).clamp(min=1)


def mean_patches(judge: Judge, taught: Sequence[Shape]) -> dict[str, Tensor]:
    """Perfect words: the mean feature [P, E] of each part's patches on shapes whose parts are known."""
    totals = {label: torch.zeros_like(words) for label, words in judge.words.items()}
    for shape in taught:
        share = labelled_cells(shape, len(totals[shape.label]))
        totals[shape.label] += torch.einsum("vrcp,vrce->pe", share, judge.patches(shape))
    return {label: unit(total + 1e-9) for label, total in totals.items()}


def best_constants(taught: Sequence[Shape]) -> dict[str, int]:
    """The part of each category that does best when every point is called it."""

    def does(label: str, part: int) -> float:
        ious = [iou_of(shape, np.full(POINTS, part)) for shape in taught if shape.label == label]
        return float(np.mean(ious))

    return {label: max(range(len(category_parts(label))), key=lambda part: does(label, part)) for label in CATEGORIES}


def iou_of(shape: Shape, found: Labels) -> float:
    return shape_iou(found, shape.parts, len(category_parts(shape.label)))


def answers(judge: Judge, shape: Shape, perfect: Tensor, constant: int, rng: np.random.Generator) -> dict[str, Labels]:
    """What each row of the table calls the points of a shape."""
    words = judge.words[shape.label]
    patches = judge.patches(shape)

    def read(scores: Tensor) -> Labels:
        return best_parts(scores, shape.places.seen, shape.points)

    def said(patches: Tensor, words: Tensor = words) -> Tensor:
        return point_scores(patch_scores(patches, words), shape.places)

    cells = labelled_cells(shape, len(words)).permute(0, 3, 1, 2)
    return {
        "best constant": np.full(POINTS, constant),
        "random parts": rng.integers(len(words), size=POINTS),
        "faithful": reference_parts(faithful_scores(patches, words, shape.swapped)),
        "corrected": read(said(patches)),
        "plain last block": read(said(judge.patches(shape, "plain"))),
        "value in the last block": read(said(judge.patches(shape, "value", 1))),
        "value in all blocks": read(said(judge.patches(shape, "value", 4))),
        "category not said": read(said(patches, judge.bare[shape.label])),
        "smoothed over neighbours": read(smoothed(said(patches), shape.points)),
        "in crops, twice as fine": read(said(judge.crops(shape))),
        "perfect words": read(said(patches, perfect)),
        "perfect patches": read(point_scores(cells, shape.places)),
    }


def judged(judge: Judge, seed: int, split: str) -> Parted:
    """Every row's IoU on every shape of a seed."""
    taught = list(shapes_of(seed, "train"))
    perfect, constants = mean_patches(judge, taught), best_constants(taught)
    categories, ious = [], []
    rng = np.random.default_rng(seed)
    for shape in shapes_of(seed, split):
        found = answers(judge, shape, perfect[shape.label], constants[shape.label], rng)
        ious.append({row: iou_of(shape, labels) for row, labels in found.items()})
        categories.append(shape.label)
    return Parted(categories, {row: np.array([each[row] for each in ious]) for row in ious[0]})


def summary(runs: Sequence[Parted]) -> dict[str, Any]:
    """Instance and category mIoU by row, in percent, with percentile intervals over resampled shapes."""
    categories = np.array([label for run in runs for label in run.categories])
    joined = {row: np.concatenate([run.by_row[row] for run in runs]) for row in runs[0].by_row}
    draws = np.random.default_rng(0).integers(len(categories), size=(_RESAMPLES, len(categories)))

    def percent(values: NDArray[np.float64]) -> dict[str, float]:
        low, high = np.quantile(values[draws].mean(axis=1), [0.025, 0.975])
        return {"value": _rounded(values.mean()), "low": _rounded(low), "high": _rounded(high)}

    return {
        row: {
            "instance": percent(values),
            "above_constant": percent(values - joined["best constant"]),
            "above_random": percent(values - joined["random parts"]),
            "by_seed": [_rounded(run.by_row[row].mean()) for run in runs],
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
    clip = load_clip(spec)
    with torch.inference_mode():
        judge = Judge(clip, spec, spoken(clip, spec, owned=True), spoken(clip, spec, owned=False))
        runs = [judged(judge, seed, options.split) for seed in options.seeds]
    found: dict[str, Any] = {"machine": f"2-core {platform.machine()}", "torch": torch.__version__}
    found |= {"weights_sha256": spec.weights_sha256, "split": options.split, "seeds": options.seeds}
    found |= {"shapes": [len(run.categories) for run in runs], "rows": summary(runs)}
    print(json.dumps(found, indent=2))
    if not (options.dry or options.weights):
        (RESULTS / f"mini_parts_{options.split}.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
