"""AP on ScanNet V2 that papers printed, in percent. Their boxes are 3DETR-m's, which was trained on these classes."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True)
class PublishedDetection:
    """One method at one overlap in percent; `mean` is over eighteen classes, of which eleven or none are printed."""

    method: str
    overlap: int
    mean: float
    classes: dict[str, float]


@cache
def published_detection() -> tuple[PublishedDetection, ...]:
    """OpenDlign's table, and 3DETR-m's own number."""
    file = resources.files("opendlign_core.evaluation.detection") / "tables" / "published.csv"
    lines = csv.DictReader(file.read_text(encoding="utf-8").splitlines())
    return tuple(_row(line) for line in lines)


def _row(line: dict[str, str]) -> PublishedDetection:
    named = {name: float(value) for name, value in line.items() if name not in ("method", "overlap") and value}
    return PublishedDetection(line["method"], int(line["overlap"]), named.pop("mean"), named)
