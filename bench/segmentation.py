"""How fast part segmentation is: maps with every point's place, what the benchmark adds to its image tower, memory.

    python -m bench.segmentation [--quick] [--only projection] [--device cuda] [--out FILE]

`projection` holds maps with places against maps alone, of the same clouds in the same run. `tower` tells how much of
a benchmark's time is spent in the image tower of ViT-B/16 (random weights: speed does not depend on them) and of the
small CLIP. `memory` judges 3,000 shapes that stream by and looks at the process after every 500.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.evaluation import fastest
from opendlign_core.clip import ClipSpec, choose_device, load_clip
from opendlign_core.evaluation import DatasetSpec, EvalExecution, EvalRecipe, EvaluatedModel, evaluate
from opendlign_core.evaluation.features import PlacedSample
from opendlign_core.ingestion.procedural import procedural_cloud
from opendlign_core.projection import RECIPES, maps_and_places, project
from opendlign_core.projection.recipe import Bilateral, ProjectionRecipe, WindowMax
from opendlign_core.samples import LOOKUPS
from opendlign_core.training import DepthAlignedCLIP

RESULTS = Path(__file__).parent / "results" / "segmentation.json"
CATEGORIES = ("chair", "table", "lamp", "mug")
POINTS, BOUND_MS = 2048, 60.0
SMALL = RECIPES["opendlign"].replace(
    size=64,
    slices=32,
    densify=WindowMax(window=(3, 3, 3), padding=(1, 1, 1)),
    smooth=Bilateral(window=(3, 3, 3), support="square"),
)
"""As `mini-parts` projects."""
Row = dict[str, Any]


def shapes(count: int, recipe: ProjectionRecipe) -> list[PlacedSample]:
    """Generated shapes with parts, as the project stage stores them."""
    found = []
    for index in range(count):
        cloud = procedural_cloud(1, index, POINTS, CATEGORIES)
        assert cloud.parts is not None
        maps, places = maps_and_places(cloud.points, recipe.replace(places=LOOKUPS))
        label = CATEGORIES[index % len(CATEGORIES)]
        sample = PlacedSample(
            f"{label}/{index}", label, cloud.points, cloud.parts, cloud.part_names, maps.numpy(), places
        )
        found.append(sample)
    return found


def projection(runs: int, device: str) -> list[Row]:
    """Milliseconds a cloud of 2,048 points and ten views takes, with places and without, and with many points."""
    rows = []
    for name, recipe, points in (
        ("pointclip-v2-seg", RECIPES["pointclip-v2-seg"], POINTS),
        ("opendlign", RECIPES["opendlign"], POINTS),
        ("mini-parts", SMALL, POINTS),
        ("opendlign", RECIPES["opendlign"], 200_000),
    ):
        cloud = torch.tensor(procedural_cloud(1, 0, points, CATEGORIES).points, device=device)
        placed = recipe.replace(places=("corrected",))
        sides = partial(_maps, cloud, recipe), partial(_maps_and_places, cloud, placed)
        alone, both = (1e3 * seconds for seconds in fastest(runs, *sides))
        rows.append(
            {"recipe": name, "points": points, "views": len(recipe.views), "maps_ms": round(alone, 1),
             "maps_and_places_ms": round(both, 1), "ratio": round(both / alone, 2)}
        )  # fmt: skip
    return rows


def _maps(cloud: Tensor, recipe: ProjectionRecipe) -> Tensor:
    return finished(project(cloud[None], recipe))


def _maps_and_places(cloud: Tensor, recipe: ProjectionRecipe) -> Tensor:
    return finished(maps_and_places(cloud, recipe)[0])


def finished(maps: Tensor) -> Tensor:
    if maps.is_cuda:
        torch.cuda.synchronize()
    return maps


@dataclass
class Timed:
    """An encoder that counts the seconds spent in its towers."""

    inner: DepthAlignedCLIP
    images: float = 0.0
    texts: float = 0.0

    def encode_image(self, images: Tensor, branch: Any = "base") -> Tensor:
        return self.inner.encode_image(images, branch)

    def encode_text(self, tokens: Tensor) -> Tensor:
        start = time.perf_counter()
        found = finished(self.inner.encode_text(tokens))
        self.texts += time.perf_counter() - start
        return found

    def patch_tokens(self, images: Tensor, branch: Any, attention: Any, blocks: int) -> Tensor:
        start = time.perf_counter()
        found = finished(self.inner.patch_tokens(images, branch, attention, blocks))
        self.images += time.perf_counter() - start
        return found


@dataclass
class Stream:
    """Some shapes over and over, as a source that never holds more than one."""

    samples_: list[PlacedSample]
    count: int
    seen: Callable[[int], None] = lambda number: None
    reads: list[str] = field(default_factory=list)

    def placed(self, dataset: DatasetSpec, split: str | None, projection: str) -> Iterator[PlacedSample]:
        for number, sample in enumerate(islice(cycle(self.samples_), self.count)):
            self.seen(number)
            # Copies, because a stored shape is decoded anew each time.
            yield replace(sample, object_id=f"{sample.object_id}/{number}", depth=sample.depth.copy())

    def samples(self, *_: Any, **__: Any) -> Iterator[Any]:
        return iter(())

    def identity(self, *_: Any) -> str:
        return "bench"

    def views(self) -> Mapping[str, int]:
        return {"bench": 10}

    def proposed(self) -> Mapping[str, Sequence[Any]]:
        return {}


def recipe_of(answers: tuple[str, ...], bounds: bool, cropped: bool) -> EvalRecipe:
    return EvalRecipe.model_validate(
        {
            "datasets": [{"name": "bench", "train_split": None}],
            "tasks": ["segmentation"],
            "methods": [{"name": "parts", "branches": "base", "projection": "bench"}],
            "bootstrap": {"samples": 0},
            "options": {
                "segmentation": {"answers": answers, "bounds": bounds, "cropped": cropped, "shown": 0},
            },
        }
    )


def timed_model(spec: ClipSpec, device: str) -> tuple[EvaluatedModel, Timed]:
    encoder = Timed(DepthAlignedCLIP(load_clip(spec, device)).to(device).eval())
    model = EvaluatedModel.aligned(encoder.inner, spec, spec.model)
    return replace(model, encoder=encoder), encoder


def tower(count: int, device: str) -> list[Row]:
    """Share of a benchmark's seconds, those for words left out, that its image tower takes."""
    rows = []
    for name, spec, recipe in (
        ("ViT-B-16", ClipSpec(model="ViT-B-16", weights="random"), RECIPES["pointclip-v2-seg"]),
        ("mini-parts", ClipSpec.packaged("mini-parts"), SMALL),
    ):
        model, encoder = timed_model(spec, device)
        stream, asked = Stream(shapes(count, recipe), count), recipe_of(("corrected",), False, name == "ViT-B-16")
        evaluate(model, asked, Stream(stream.samples_, 2), EvalExecution())  # the first images are slower
        encoder.images, encoder.texts, start = 0.0, 0.0, time.perf_counter()
        evaluate(model, asked, stream, EvalExecution())
        total = time.perf_counter() - start
        judging = total - encoder.texts  # words are encoded once for each category, however many shapes there are
        rows.append(
            {"clip": name, "shapes": count, "seconds_a_shape": round(judging / count, 4),
             "share_in_tower": round(encoder.images / judging, 3), "seconds_for_words": round(encoder.texts, 2)}
        )  # fmt: skip
    return rows


def memory(count: int, device: str) -> Row:
    """MiB of the process while shapes of the small CLIP's benchmark stream by."""
    model, _ = timed_model(ClipSpec.packaged("mini-parts"), device)
    step, found = max(1, count // 6), dict[int, float]()

    def look(number: int) -> None:
        if number and number % step == 0:
            found[number] = resident_mib()

    stream = Stream(shapes(8, SMALL), count + 1, look)
    evaluate(model, recipe_of(("corrected", "faithful", "smoothed"), True, False), stream, EvalExecution())
    values = list(found.values())
    return {"shapes": count, "mib": {str(number): round(mib) for number, mib in found.items()},
            "growth_mib": round(values[-1] - values[0], 1)}  # fmt: skip


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few runs and shapes, no result file")
    parser.add_argument("--only", choices=("projection", "tower", "memory"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(2)
    device = str(choose_device(options.device))
    parts: dict[str, Callable[[], Any]] = {
        "projection": lambda: projection(3 if options.quick else 15, device),
        "tower": lambda: tower(2 if options.quick else 12, device),
        "memory": lambda: memory(60 if options.quick else 3000, device),
    }
    wanted = [options.only] if options.only else list(parts)
    found: Row = {"machine": machine(device), "torch": torch.__version__} | {name: parts[name]() for name in wanted}
    print(json.dumps(found, indent=2))
    if not (options.quick or options.only):
        options.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def machine(device: str) -> str:
    return torch.cuda.get_device_name() if device.startswith("cuda") else f"2 threads of {platform.machine()}"


if __name__ == "__main__":
    main()
