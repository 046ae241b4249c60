"""How often `preview` tells rightly whether z is up: embedded shapes, and folders of meshes whose axis is known.

    python -m bench.upright --embedded 564 psb:y capod15:z

A folder is named with the axis that points up in its files. Every shape is shown as it is and with y and z exchanged;
"of eight" draws 200 sets of eight shapes of one source, which warn where more than half of them look so.
"""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from opendlign.upright import lies
from opendlign_core.ingestion import (
    DirectoryFiles,
    IngestedObject,
    IngestExecution,
    IngestRecipe,
    SourceSpec,
    ingest_entries,
    list_entries,
)
from opendlign_core.ingestion.procedural import procedural_cloud

POINTS = 2048
SETS, SHOWN = 200, 8
DATA = Path(os.environ.get("OPENDLIGN_DATA", "../shared/data"))


def embedded(count: int) -> Iterator[NDArray[np.float32]]:
    """Clouds [N, 3] of the procedural data set, y up."""
    yield from (procedural_cloud(0, index, POINTS).points for index in range(count))


def folder(name: str) -> Iterator[NDArray[np.float32]]:
    """Clouds [N, 3] of all meshes of a folder, taken for y up."""
    source = SourceSpec(adapter="folder", url=str(DATA / name), options={"suffixes": "off,obj"}, up_axis="y")
    files = DirectoryFiles(source.url)
    recipe = IngestRecipe(source=source, points=POINTS, sampling="stratified")
    outcomes = ingest_entries(list_entries(source, files), recipe, IngestExecution(workers=1), files)
    yield from (outcome.points for outcome in outcomes if isinstance(outcome, IngestedObject))


def report(name: str, clouds: list[NDArray[np.float32]]) -> None:
    """One row: right about shapes that stand and about the same lying, one by one and in sets."""
    standing = np.array([not lies(points) for points in clouds])
    lying = np.array([lies(points[:, [0, 2, 1]]) for points in clouds])
    rng = np.random.default_rng(0)
    draws = [rng.choice(len(clouds), min(SHOWN, len(clouds)), replace=False) for _ in range(SETS)]
    sets = [
        np.mean([2 * right[draw].sum() > len(draw) - (right is standing) for draw in draws])
        for right in (standing, lying)
    ]
    shares = " | ".join(f"{100 * share:.0f} %" for share in (standing.mean(), lying.mean(), *sets))
    print(f"| {name} | {len(clouds)} | {shares} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", metavar="FOLDER:AXIS")
    parser.add_argument("--embedded", type=int, default=564)
    chosen = parser.parse_args()
    print("| shapes | number | stands, seen to | lies, seen to | stands, of eight | lies, of eight |")
    print("|---|---|---|---|---|---|")
    if chosen.embedded:
        report("procedural", list(embedded(chosen.embedded)))
    for name, _, axis in (given.rpartition(":") for given in chosen.folders):
        turned = [0, 1, 2] if axis == "y" else [0, 2, 1]
        report(f"{name} ({axis} up)", [points[:, turned] for points in folder(name)])


if __name__ == "__main__":
    main()
