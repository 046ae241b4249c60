"""Two evaluations of a store held against each other, on a page with pictures of what changed sides."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from opendlign_core.evaluation import EvalRecipe
from storage.fetch import Fetcher
from storage.output import load_manifest
from storage.records import Manifest
from storage.store import Store
from tasks.pictures import view_strips

if TYPE_CHECKING:
    from opendlign_core.evaluation.comparison import Compared, Judged

_DEPTHS = re.compile(r"project(-\d+)?")
"""What an evaluation calls the depth maps of its sources; those of further projections have a label."""


def compare_evaluations(store: Store, before: Manifest, after: Manifest) -> "tuple[Compared, ...]":
    """What changed, by data set and method; the method that the second evaluation is about comes first.

    Raises:
        BadInput: they judged nothing in common.
    """
    from opendlign_core.evaluation.comparison import compare_judged

    recipe = EvalRecipe.model_validate(after.recipe)
    found = compare_judged(_judged(store, before), _judged(store, after), recipe.bootstrap)
    return tuple(sorted(found, key=lambda one: one.method != recipe.primary.name))


def _judged(store: Store, manifest: Manifest) -> "Judged":
    from opendlign_core.evaluation.comparison import read_judged

    with Fetcher(store) as fetcher:
        return read_judged(fetcher.path(manifest, manifest.file("objects")))


def write_comparison(
    path: Path, store: Store, both: tuple[Manifest, Manifest], found: "tuple[Compared, ...]", told: Sequence[str] = ()
) -> None:
    """Write the page; pictures are of the depth maps that the second evaluation judged, `told` is known of both."""
    from opendlign_core.evaluation.report.comparison_page import MOST_PICTURES, ComparisonData, render_comparison

    (before, after), first = both, found[0]
    shown = {change.object_id for side in (first.won, first.lost) for change in side[:MOST_PICTURES]}
    depths = (load_manifest(store, "project", name) for key, name in after.upstream.items() if _DEPTHS.fullmatch(key))
    pictures = view_strips(store, depths, shown)
    data = ComparisonData(before.fingerprint[:8], after.fingerprint[:8], found, pictures, tuple(told))
    path.write_text(render_comparison(data), encoding="utf-8")
