"""Procedural shapes as CADs: z up, the front towards -y, centred, the diagonal of their box 1."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from opendlign_core.ingestion.entry import PROCEDURAL
from opendlign_core.ingestion.procedural import SPLIT_ROUNDS, build_object, select_categories
from opendlign_core.ingestion.procedural.dataset import source_labels, source_seed
from opendlign_core.ingestion.recipe import SourceSpec
from opendlign_core.samples.cads import CadMesh

CAD_URI = f"{PROCEDURAL}CAD/"

POSED = (
    "chair", "armchair", "sofa", "bed", "mug", "teapot", "pan", "car", "truck", "bicycle", "motorcycle", "airplane",
    "helicopter", "laptop", "monitor", "piano",
)  # fmt: skip
"""Kinds of shapes that look another from every side."""


@dataclass(frozen=True, eq=False)
class PaintedCad:
    """A CAD and the paint slot of every triangle."""

    mesh: CadMesh
    paint: NDArray[np.uint8]  # [F]
    colour: str
    accent: str


def posed_labels(source: SourceSpec) -> tuple[str, ...]:
    """The `categories` option; kinds that look the same from all sides are left out unless they are named."""
    labels = source_labels(source) or POSED
    select_categories(labels)
    return labels


def split_of(number: int) -> str:
    """The split of all photos of a category's CAD of that number, counted from 1: no shape is in two."""
    return SPLIT_ROUNDS[(number - 1) % len(SPLIT_ROUNDS)]


def build_cad(seed: int, label: str, number: int) -> PaintedCad:
    """CAD `number` of a category, counted from 1."""
    built = build_object(seed, number - 1, (label,), turned=False)
    x, y, z = built.solid.vertices.T
    vertices = np.stack([x, -z, y], axis=1)
    low, high = vertices.min(0), vertices.max(0)
    centred = (vertices - (low + high) / 2) / np.linalg.norm(high - low)
    mesh = CadMesh(centred.astype(np.float32), built.solid.faces.astype(np.int32))
    return PaintedCad(mesh, built.solid.paint, built.colour, built.accent)


def painted_cad(uri: str, source: SourceSpec) -> CadMesh:
    """The CAD behind a uri such as `procedural:CAD/chair/3`."""
    label, _, number = uri.removeprefix(CAD_URI).rpartition("/")
    return build_cad(source_seed(source), label, int(number)).mesh
