"""The folder layout in which OpenDlign's own data sets are published: depth maps and images, one object after another.

`depth_map/<id>_dm.npy` holds the depth maps of an object as [V, H, W, 3] with three equal channels, evaluation sets
write `<id>+<label>_dm.npy`; `depth_align_img/<id>/<view>.png` holds the images. View i belongs to depth map i.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from opendlign_core.errors import BadInput
from opendlign_core.ingestion.npy import parse_npy
from opendlign_core.ingestion.safety import MAX_FILE_BYTES, parsing, read_bounded, require

DEPTH_FOLDER, IMAGE_FOLDER, SUFFIX = "depth_map", "depth_align_img", "_dm.npy"

MOST_PIXELS = 4096 * 4096
"""Largest image that is decoded."""


@dataclass(frozen=True, eq=False)
class FolderObject:
    """One object of such a folder; `images` is None for evaluation sets, which have depth maps only."""

    name: str
    label: str | None
    depth: NDArray[np.float32]  # [V, H, W] in [0, 1]
    images: NDArray[np.uint8] | None  # [V, H, W, 3]


def depth_files(folder: Path) -> list[Path]:
    """The file of depth maps of every object; raises BadInput where the layout is not there."""
    depths = folder / DEPTH_FOLDER
    if not depths.is_dir():
        raise BadInput(f"{folder} has no folder {DEPTH_FOLDER}: not a data set in the layout that OpenDlign publishes")
    return sorted(depths.glob(f"*{SUFFIX}"))


def name_and_label(path: Path) -> tuple[str, str | None]:
    """What the name of a file of depth maps says about its object."""
    name, _, label = path.name.removesuffix(SUFFIX).partition("+")
    return name, label.replace("_", " ") or None


def image_folder(path: Path) -> Path:
    """Where the images of the object lie whose depth maps are in that file."""
    return path.parent.parent / IMAGE_FOLDER / name_and_label(path)[0]


def read_folder_object(path: Path) -> FolderObject:
    """The object whose depth maps lie in that file, which may be anybody's: see `DepthFolderReader`.

    Raises:
        UnreadableShape: a file does not fit the layout.
    """
    name, label = name_and_label(path)
    depth = _read_depth(path)
    return FolderObject(name, label, depth, _read_images(image_folder(path), len(depth)))


def write_folder_object(
    folder: Path, name: str, depth: NDArray[np.float32], images: Sequence[NDArray[np.uint8]] = (), label: str = ""
) -> None:
    """Add one object: depth maps [V, H, W] and, for training sets, as many images [H, W, 3].

    Raises:
        BadInput: the name would leave the folder, or name or label be read back differently.
    """
    from PIL import Image

    if not re.fullmatch(r"[\w.-]+", name) or name.startswith("."):
        raise BadInput(f"the name {name!r} must consist of letters, digits, '_', '-' and '.'")
    if images and len(images) != len(depth):
        raise BadInput(f"{name}: {len(images)} images but {len(depth)} depth maps")
    if not re.fullmatch(r"[\w .-]*", label):
        raise BadInput(f"the label {label!r} must consist of letters, digits, blanks, '_', '-' and '.'")
    stem = f"{name}+{label.replace(' ', '_')}" if label else name
    (folder / DEPTH_FOLDER).mkdir(parents=True, exist_ok=True)
    np.save(folder / DEPTH_FOLDER / f"{stem}{SUFFIX}", np.repeat(depth[..., None], 3, 3), allow_pickle=False)
    for view, image in enumerate(images):
        target = folder / IMAGE_FOLDER / name
        target.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(target / f"{view}.png")


def _read_depth(path: Path) -> NDArray[np.float32]:
    with parsing("NumPy array"):
        depth = parse_npy(read_bounded(path))
    if depth.ndim == 4 and depth.shape[3] in (1, 3):
        depth = depth[..., 0]
    known = depth.dtype == np.uint8 or np.issubdtype(depth.dtype, np.floating)
    fits = depth.ndim == 3 and depth.size > 0 and known
    require(fits, f"has {depth.dtype} {depth.shape} where depth maps [V, H, W, 3] of floats or bytes are expected")
    if depth.dtype == np.uint8:
        depth = depth / np.float32(255)
    inside = bool(np.isfinite(depth).all() and depth.min() >= 0 and depth.max() <= 1)
    require(inside, "has depth maps that do not lie in [0, 1]")
    return np.ascontiguousarray(depth, np.float32)


def _read_images(folder: Path, views: int) -> NDArray[np.uint8] | None:
    if not folder.is_dir():
        return None
    absent = [view for view in range(views) if not (folder / f"{view}.png").is_file()]
    require(not absent, f"has no image for view {min(absent, default=0)} of {views} in {IMAGE_FOLDER}")
    pictures = []
    for view in range(views):
        with parsing(f"image {view}.png of {folder.name}: PNG"):
            pictures.append(_read_png(folder / f"{view}.png"))
    require(len({picture.shape for picture in pictures}) == 1, "has images of different sizes")
    return np.stack(pictures)


def _read_png(path: Path) -> NDArray[np.uint8]:
    from PIL import Image

    size = path.stat().st_size
    require(size <= MAX_FILE_BYTES, f"has an image of {size} bytes; at most {MAX_FILE_BYTES} are accepted")
    with Image.open(path, formats=("PNG",)) as picture:
        pixels = picture.width * picture.height
        require(pixels <= MOST_PIXELS, f"has an image of {pixels} pixels; at most {MOST_PIXELS} are accepted")
        return np.asarray(picture.convert("RGB"))
