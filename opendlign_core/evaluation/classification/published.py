"""Numbers from papers, shown beside measured ones and always marked as published. Percent.

All rows come from the OpenDlign paper (arXiv 2404.16538): its zero-shot tables (1 and 7), the ablation row without
training and the few-shot tables (2, 8, 11).
"""

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True)
class PublishedRow:
    """One method of the zero-shot table; `scores` maps a data set to top-1, top-3 and top-5."""

    method: str
    encoder: str
    trained_on: str
    scores: dict[str, tuple[float, float, float]]


@cache
def published_zero_shot() -> tuple[PublishedRow, ...]:
    """The zero-shot table, in the paper's order."""
    rows: dict[tuple[str, str, str], dict[str, tuple[float, float, float]]] = {}
    for line in _read("zero_shot.csv"):
        key = (line["method"], line["encoder"], line["trained_on"])
        rows.setdefault(key, {})[line["dataset"]] = (float(line["top1"]), float(line["top3"]), float(line["top5"]))
    return tuple(PublishedRow(*key, scores) for key, scores in rows.items())


@cache
def published_few_shot() -> dict[str, dict[str, dict[int, float]]]:
    """Few-shot accuracy: data set -> method -> shots -> percent."""
    found: dict[str, dict[str, dict[int, float]]] = {}
    for line in _read("few_shot.csv"):
        methods = found.setdefault(line["dataset"], {})
        methods.setdefault(line["method"], {})[int(line["shots"])] = float(line["top1"])
    return found


def _read(name: str) -> list[dict[str, str]]:
    file = resources.files("opendlign_core.evaluation.classification") / "tables" / name
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
