"""A painted photo: an object at a random pose before a background, with clutter, cut off or hidden in part."""

import io
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from opendlign_core.camera import Pose
from opendlign_core.chance import object_rng
from opendlign_core.ingestion.posed.annotations import STATUSES
from opendlign_core.ingestion.posed.painted.cads import PaintedCad, build_cad
from opendlign_core.ingestion.posed.painted.drawing import lit, seen_faces
from opendlign_core.ingestion.procedural.paint import COLOURS, palette

Rng = np.random.Generator
Floats = NDArray[np.float64]

SIZES = ((240, 320), (320, 240), (300, 300), (256, 384))
"""Heights and widths."""
LIMITS = (0.85, 0.5, 0.2)
"""Least share of an object that shows for each status but the last."""
VIEWPORT = 2000
MARGIN = 200
"""Pixels around a photo within which what is cut off still counts."""


@dataclass(frozen=True)
class PaintedPhoto:
    """A photo and what its annotator says, as ImageNet3D has both."""

    jpeg: bytes
    rows: tuple[dict[str, Any], ...]


@dataclass(frozen=True, eq=False)
class _Placed:
    category: str
    number: int
    pose: Pose
    cad: PaintedCad
    annotated: bool = True


def paint_photo(seed: int, name: str, label: str, number: int, labels: tuple[str, ...]) -> PaintedPhoto:
    """The photo of that name, which shows the category's CAD of that number, perhaps twice, and others as clutter."""
    rng = object_rng(seed, name)
    size = SIZES[rng.integers(len(SIZES))]
    main = _Placed(label, number, _pose(rng, size), build_cad(seed, label, number))
    placed = [main, *_others(rng, seed, main, labels, size)]
    rng.shuffle(placed)
    light, ambient = rng.normal(size=3) + np.array([0, -0.6, 1.2]), rng.uniform(0.35, 0.6)
    photo, shown = _painted(rng, placed, size, light, ambient)
    rows = [
        _row(one, size, *shown[place], dense=_is_dense(one, placed))
        for place, one in enumerate(placed)
        if one.annotated
    ]
    return PaintedPhoto(_jpeg(photo, rng), tuple(rows))


def _pose(rng: Rng, size: tuple[int, int]) -> Pose:
    """Anywhere around, more often from a little above, and sometimes near the photo's border."""
    extent = rng.uniform(0.45, 0.85) * min(size)
    reach = 0.5 if rng.random() < 0.2 else 0.12
    middle = 0.5 + rng.uniform(-reach, reach, 2)
    return Pose(
        azimuth=rng.uniform(0, 2 * np.pi),
        elevation=float(np.radians(np.clip(rng.normal(15, 15), -15, 75))) % (2 * np.pi),
        theta=float(np.radians(rng.normal(0, 6))) % (2 * np.pi),
        distance=VIEWPORT / extent,
        px=middle[0] * size[1],
        py=middle[1] * size[0],
        viewport=VIEWPORT,
    )


def _others(rng: Rng, seed: int, main: _Placed, labels: tuple[str, ...], size: tuple[int, int]) -> list[_Placed]:
    """Now and then the same shape once more, annotated too, and up to two things of other kinds, which are not."""
    found = []
    if rng.random() < 0.12:
        found.append(replace(main, pose=_pose(rng, size)))
    for _ in range(rng.choice(3, p=(0.5, 0.3, 0.2))):
        label = labels[rng.integers(len(labels))]
        if label == main.category:
            continue
        pose = _pose(rng, size)
        smaller = pose.model_copy(update={"distance": pose.distance * rng.uniform(1.2, 2.0)})
        number = main.number + 10 * int(rng.integers(3))  # of the same split
        found.append(_Placed(label, number, smaller, build_cad(seed, label, number), annotated=False))
    return found


def _painted(
    rng: Rng, placed: list[_Placed], size: tuple[int, int], light: Floats, ambient: float
) -> tuple[Floats, list[tuple[float, NDArray[np.bool_]]]]:
    """The photo, and of every object the share that shows and where it would be if nothing hid it."""
    photo = _background(rng, size)
    wide = (size[0] + 2 * MARGIN, size[1] + 2 * MARGIN)
    inner = (slice(MARGIN, MARGIN + size[0]), slice(MARGIN, MARGIN + size[1]))
    masks = list[NDArray[np.bool_]]()
    for one in placed:
        moved = one.pose.model_copy(update={"px": one.pose.px + MARGIN, "py": one.pose.py + MARGIN})
        seen = seen_faces(one.cad.mesh.vertices, one.cad.mesh.faces, moved, wide)
        masks.append(seen >= 0)
        within = seen[inner]
        photo[within >= 0] = _colours(rng, one.cad, light, ambient)[within[within >= 0]]
    shown = []
    hidden = np.zeros(size, bool)
    for mask in reversed(masks):
        visible = mask[inner] & ~hidden
        shown.append((visible.sum() / max(1, mask.sum()), mask[inner]))
        hidden |= mask[inner]
    return photo, shown[::-1]


def _colours(rng: Rng, cad: PaintedCad, light: Floats, ambient: float) -> Floats:  # [F, 3]
    table = palette(COLOURS[cad.colour], COLOURS[cad.accent], rng)
    return lit(cad.mesh.vertices, cad.mesh.faces, table[cad.paint].astype(np.float64), light, ambient)


def _background(rng: Rng, size: tuple[int, int]) -> Floats:  # [H, W, 3]
    """Blurred patches over two tones, as of a wall and a floor far out of focus."""
    rows, columns = size
    patches = Image.fromarray(rng.integers(0, 256, (*rng.integers(2, 9, 2), 3), np.uint8))
    blurred = np.asarray(patches.resize((columns, rows), Image.Resampling.BICUBIC), np.float64)
    tones = rng.uniform(40, 230, (2, 3))
    horizon = 1 / (1 + np.exp(-(np.arange(rows) - rng.uniform(0.3, 0.9) * rows) / rng.uniform(2, 30)))
    flat = tones[0] + horizon[:, None, None] * (tones[1] - tones[0])
    found: Floats = flat + rng.uniform(0.1, 0.6) * (blurred - flat)
    return found


def _is_dense(one: _Placed, placed: list[_Placed]) -> bool:
    """Whether another of its kind is nearer on the photo than they are large."""
    kin = [other for other in placed if other is not one and other.category == one.category]
    extent = VIEWPORT / one.pose.distance
    return any(np.hypot(other.pose.px - one.pose.px, other.pose.py - one.pose.py) < extent for other in kin)


def _row(one: _Placed, size: tuple[int, int], share: float, mask: NDArray[np.bool_], dense: bool) -> dict[str, Any]:
    """What the annotator says; an object that does not show at all has no pose."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    there = len(rows) > 0
    box = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1] if there else [0, 0, 1, 1]
    pose = one.pose
    return {
        "azimuth": pose.azimuth, "elevation": pose.elevation, "theta": pose.theta,
        "distance": pose.distance if there else 0.0,
        "px": pose.px, "py": pose.py, "principal": np.array([pose.px, pose.py]), "focal": 1, "viewport": VIEWPORT,
        "cad_index": one.number, "class": one.category.replace(" ", "_"), "bbox": np.array(box, np.float64),
        "height": np.uint16(size[0]), "width": np.uint16(size[1]),
        "object_status": STATUSES[sum(share < limit for limit in LIMITS)],
        "dense": "dense_yes" if dense else "dense_no", "ignore": 0,
    }  # fmt: skip


def _jpeg(photo: Floats, rng: Rng) -> bytes:
    """With the grain of a camera."""
    grainy = photo + rng.normal(0, rng.uniform(1, 6), photo.shape)
    buffer = io.BytesIO()
    Image.fromarray(grainy.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
