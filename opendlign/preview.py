"""`opendlign preview`: depth maps of shapes before anything is trained, and what looks wrong with them."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from cyclopts import Parameter
from numpy.typing import NDArray

from opendlign.ask import AtLeastOne, Changes, Source, wanted_changes
from opendlign.named_files import NamedFiles, require_picture, shape_files
from opendlign.show import console, plain
from opendlign.upright import lies
from opendlign_core.errors import BadInput
from opendlign_core.ingestion.entry import UpAxis

if TYPE_CHECKING:
    from PIL import Image

    from flows.preset import Preset
    from opendlign_core.ingestion import IngestedObject, RejectedObject

NOTABLE = 0.01
"""From this share of a shape's pixels, or of its extent, on a loss is worth a word."""
TINY = 6
"""Most pixels of a hole that no shape has of itself."""
FAR = 0.3
"""How much farther than what is around it a pixel of a hole lies, of the depth of the whole view."""


@dataclass(frozen=True, eq=False)
class Shown:
    """A shape as it would be seen."""

    name: str
    depth: NDArray[np.float32]  # [V, H, W]
    points: NDArray[np.float32]  # [N, 3], y up
    shrinkage: float


def preview(
    *files: Path,
    source: Source = None,
    preset: str = "mini",
    set_: Changes = None,
    up: Annotated[UpAxis | None, Parameter(help="The axis that points up in the files")] = None,
    count: Annotated[int, AtLeastOne] = 8,
    picture: Path = Path("preview.png"),
) -> int:
    """Draw the depth maps of shapes as a preset would make them, before anything is trained.

    Tells of shapes that seem to lie, of pinholes, of what sampling lost and of files that cannot be read.

    Parameters
    ----------
    files
        Clouds or meshes, and folders of them.
    preset
        The preset whose points and projection are used.
    count
        How many shapes of a source to draw, spread over all of it.
    picture
        Where the picture goes: a row for each shape, a column for each view.
    """
    if bool(files) == (source is not None):
        raise BadInput("name either files or a --source")
    require_picture(picture)
    shapes = shape_files(files) if files else []
    from flows.preset import load_preset

    chosen = load_preset(preset, wanted_changes(set_, source))
    shown, problems = list[Shown](), list[str]()
    for outcome in _outcomes(chosen, shapes, up, count):
        found = _shown(chosen, outcome)
        if isinstance(found, Shown):
            shown.append(found)
        else:
            problems.append(f"{outcome.entry.uri}: {found}")
    if not shown:
        raise BadInput("; ".join(problems))
    _sheet(shown).save(picture)
    console.print(plain(f"Depth maps: {picture}"), soft_wrap=True)
    for warning in warnings(shown):
        console.print(plain(warning), soft_wrap=True)
    for problem in problems:
        console.print(plain(f"left out: {problem}"), soft_wrap=True)
    return 2 if problems else 0


def warnings(shown: Sequence[Shown]) -> Iterator[str]:
    """What looks wrong with shapes, in a sentence for each kind of trouble."""
    # One source has one axis, so that its shapes outvote those that are hard to tell.
    low = [shape.name for shape in shown if lies(shape.points)]
    if 2 * len(low) > len(shown):
        yield f"{len(low)} of {len(shown)} look as if they lie, such as {low[0]}: if they do, say what is up (--up z)"
    holed, holes = _worst([(pinholes(shape.depth), shape.name) for shape in shown])
    if holed:
        remedy = "raise ingest.points, or fill more in project.densify"
        yield f"{holed} of {len(shown)} have pinholes, most of all {holes}: {remedy}"
    shrunk, lost = _worst([(shape.shrinkage, shape.name) for shape in shown])
    if shrunk:
        yield f"{shrunk} of {len(shown)} lost some extent, most of all {lost}: take ingest.sampling=stratified"


def _worst(shares: Sequence[tuple[float, str]]) -> tuple[int, str]:
    """How many shares are worth a word, and the largest with its name."""
    share, name = max(shares)
    return sum(one > NOTABLE for one, _ in shares), f"{name} ({100 * share:.1f} %)"


def pinholes(depth: NDArray[np.float32]) -> float:  # [V, H, W]
    """The share of a shape's pixels that show what lies far behind, in spots of a few; dense ones have hardly any."""
    from scipy import ndimage

    tiny = 0
    for view in depth:
        labels, _ = ndimage.label(view - ndimage.grey_opening(view, (3, 3)) > FAR)
        sizes = np.bincount(labels.reshape(-1))[1:]
        tiny += int(sizes[sizes <= TINY].sum())
    return tiny / max(1, int((depth < 1).sum()))


def _outcomes(
    preset: "Preset", shapes: Sequence[Path], up: UpAxis | None, count: int
) -> "Iterator[IngestedObject | RejectedObject]":
    from opendlign_core.ingestion import ingest_shapes
    from tasks.listing import list_source, source_files

    recipe, execution = preset.source, preset.executions["ingest"].model_copy(update={"workers": 1})
    if shapes:
        stratified = recipe.model_copy(update={"sampling": "stratified"})
        named = NamedFiles(shapes)
        yield from ingest_shapes(named.entries(up), stratified, execution, named)
        return
    turned = recipe.source.model_copy(update={"up_axis": up or recipe.source.up_axis})
    recipe = recipe.model_copy(update={"source": turned})
    with source_files(recipe) if recipe.source.url else nullcontext() as opened:
        entries = list_source(recipe, opened).entries
        places = np.unique(np.linspace(0, len(entries) - 1, count).astype(int))
        yield from ingest_shapes([entries[place] for place in places], recipe, execution, opened)


def _shown(preset: "Preset", outcome: "IngestedObject | RejectedObject") -> Shown | str:
    """A shape with its depth maps, or why it has none."""
    import torch

    from opendlign_core.ingestion import RejectedObject
    from opendlign_core.projection import UnusableCloud, project

    if isinstance(outcome, RejectedObject):
        return outcome.reason
    try:
        depth = project(torch.tensor(outcome.points)[None], preset.recipes["project"])[0].numpy()
    except UnusableCloud as error:
        return error.reason
    return Shown(outcome.entry.uri, depth, outcome.points, outcome.shrinkage or 0.0)


def _sheet(shown: Sequence[Shown]) -> "Image.Image":
    from opendlign_core.pictures import contact_sheet, depth_picture

    views = [depth_picture(view) for shape in shown for view in shape.depth]
    captions = ["" if place else Path(shape.name).name for shape in shown for place in range(len(shape.depth))]
    return contact_sheet(views, captions, columns=len(shown[0].depth))
