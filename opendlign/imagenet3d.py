"""`opendlign data preprocess-imagenet3d`: photos with poses, cut out as ImageNet3D publishes them."""

import csv
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from opendlign.ask import AtLeastOne
from opendlign.show import SHOWN_REJECTIONS, console, plain
from opendlign_core.errors import BadInput

if TYPE_CHECKING:
    from opendlign_core.ingestion.posed.folders import Photo, PhotoFolder
    from opendlign_core.ingestion.posed.preprocess import Tally

_COLUMNS = (TextColumn("photos"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())

Group = tuple[str, str, "Sequence[Photo]"]


def preprocess(
    folder: Path,
    out: Path,
    /,
    *,
    workers: Annotated[int | None, Parameter(help="Processes (default: one for each core)")] = None,
    splits: Annotated[str, Parameter(help="Names with commas")] = "train,val",
    categories: Annotated[str, Parameter(help="Names with commas (default: all)")] = "",
    image_height: int = 640,
    image_width: int = 800,
    center_and_resize: Annotated[
        bool, Parameter(negative=(), help="Bring every object to the middle and to one distance, for 3D pose")
    ] = False,
    target_distance: float = 4.0,
    arithmetic: Annotated[
        Literal["corrected", "faithful"], Parameter(help="faithful repeats the reference's slips, to the pixel")
    ] = "corrected",
) -> int:
    """Cut the objects out of ImageNet3D's photos and write them in its published layout.

    What is there already is kept, so that a run that was stopped continues. Objects that cannot be used are listed
    with their reasons in left_out.csv, if there are any.

    Parameters
    ----------
    folder
        Holds images, annotations and lists as published.
    out
        Where images, annotations and lists of the crops are made.
    """
    from opendlign_core.ingestion.files import DirectoryFiles
    from opendlign_core.ingestion.posed.folders import PhotoFolder
    from opendlign_core.ingestion.posed.preprocess import preprocess as work
    from opendlign_core.ingestion.posed.recipe import CropRecipe

    folder, out = folder.expanduser(), out.expanduser()
    if workers is not None and workers < 1:
        raise BadInput(f"--workers {workers}: at least one process is needed")
    if not 0 < target_distance < float("inf"):
        raise BadInput(f"--target-distance {target_distance:g}: objects are seen from a distance above 0, such as 4")
    recipe = CropRecipe(
        height=image_height,
        width=image_width,
        centre=center_and_resize,
        distance=target_distance,
        arithmetic=arithmetic,
    )
    listed = PhotoFolder.of(DirectoryFiles(folder))
    groups = _groups(folder, listed, _names(categories), _names(splits))
    _check_place(folder, out)
    tallies = _followed(groups, work(folder, out, groups, recipe, workers or os.cpu_count() or 1))
    return _told(tallies, out)


def paint(
    out: Path,
    /,
    *,
    photos: Annotated[int, AtLeastOne] = 1600,
    seed: Annotated[int, Parameter(help="Another seed paints other photos of other shapes")] = 0,
    cads: Annotated[int, Parameter(help="CADs of each category, of which one of ten is val, two are test")] = 20,
    categories: Annotated[
        str, Parameter(help="Names with commas (default: 16 that look another from every side)")
    ] = "",
) -> int:
    """Write painted photos of procedural shapes in ImageNet3D's published layout, to try things on.

    They are those of the source painted-photos; the lists of its test split end in _test.

    Parameters
    ----------
    out
        Where images, annotations, lists and CADs are made; what lies there already must not be another data set.
    """
    from opendlign_core.ingestion.posed.painted.dataset import write_published
    from opendlign_core.ingestion.recipe import SourceSpec

    out = out.expanduser()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadInput(f"{out} is a file or not empty; name a new folder")
    options = {"photos": str(photos), "seed": str(seed), "cads": str(cads), "categories": categories}
    with Progress(*_COLUMNS, console=console) as progress:
        bar = progress.add_task("", total=photos)
        for _ in write_published(SourceSpec(adapter="painted-photos", options=options), out):
            progress.advance(bar)
    console.print(plain(f"{photos} photos and their CADs are in {out}"), soft_wrap=True)
    return 0


def _names(text: str) -> list[str]:
    return [name for name in text.replace(",", " ").split() if name]


def _groups(folder: Path, listed: "PhotoFolder", categories: Sequence[str], splits: Sequence[str]) -> list[Group]:
    from opendlign_core.ingestion.posed.folders import PUBLISHED

    if not listed.categories:
        raise BadInput(f"no ImageNet3D in {folder}: looked for {PUBLISHED}")
    if not splits:
        raise BadInput("--splits names no split; name train, val or both")
    groups: list[Group] = [(*place, listed.photos[place]) for place in listed.chosen(categories, splits)]
    if not any(photos for _, _, photos in groups):
        raise BadInput(f"the lists of {folder} name no photo in the wanted splits and categories")
    return groups


def _check_place(folder: Path, out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise NotADirectoryError(f"{out} is a file; name a folder")
    if out.resolve() == folder.resolve():
        raise BadInput(f"{out} is the folder that is read; name another for the crops")


def _followed(groups: Sequence[Group], done: Iterator[tuple[str, str, "Tally"]]) -> dict[tuple[str, str], "Tally"]:
    """What became of every group, with a bar while it is made."""
    tallies: dict[tuple[str, str], Tally] = {}
    with Progress(*_COLUMNS, console=console) as progress:
        bar = progress.add_task("", total=sum(len(photos) for _, _, photos in groups))
        for category, split, tally in done:
            tallies[category, split] = tally
            progress.update(bar, completed=sum(one.photos for one in tallies.values()))
    return tallies


def _told(tallies: dict[tuple[str, str], "Tally"], out: Path) -> int:
    """A row for every group, and the reasons of what cannot be used."""
    table = Table("category", "split", "objects", "written", "left out by annotators", "broken")
    for (category, split), tally in tallies.items():
        counts = (tally.total, len(tally.names), tally.unwanted, len(tally.broken))
        table.add_row(plain(category), plain(split), *map(str, counts))
    console.print(table)
    rows = [(*place, *row) for place, tally in tallies.items() for row in tally.broken]
    for category, _, name, reason in rows[:SHOWN_REJECTIONS]:
        console.print(plain(f"  {category}/{name} {reason}"), soft_wrap=True)
    _write_left_out(rows, out / "left_out.csv")
    written = sum(len(tally.names) for tally in tallies.values())
    console.print(plain(f"{written} crops are in {out}"), soft_wrap=True)
    return 0 if written else 1


def _write_left_out(rows: Sequence[tuple[str, ...]], path: Path) -> None:
    if not rows:
        path.unlink(missing_ok=True)
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("category", "split", "name", "reason"), *rows])
    console.print(plain(f"  {len(rows)} objects cannot be used: {path} says why"), soft_wrap=True)
