"""The folder layout in which OpenDlign's own data sets are published.

`depth_map/<id>_dm.npy` holds the depth maps of an object as [V, H, W, 3] with three equal channels, evaluation sets
write `<id>+<label>_dm.npy`; `depth_align_img/<id>/<view>.png` holds the images. View i belongs to depth map i.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

DEPTH_FOLDER, IMAGE_FOLDER, SUFFIX = "depth_map", "depth_align_img", "_dm.npy"


@dataclass(frozen=True)
class OfficialObject:
    """One object of such a folder; `images` is None for evaluation sets, which have depth maps only."""

    name: str
    label: str | None
    depth: NDArray[np.float32]  # [V, H, W] in [0, 1]
    images: NDArray[np.uint8] | None  # [V, H, W, 3]


def read_official(folder: Path) -> Iterator[OfficialObject]:
    """The objects of a data set's folder, by name.

    Raises FileNotFoundError where the layout is not there, ValueError naming a file that does not fit it.
    """
    for path in official_files(folder):
        yield read_object(path)


def official_files(folder: Path) -> list[Path]:
    """The file of depth maps of every object; raises FileNotFoundError where the layout is not there."""
    depths = folder / DEPTH_FOLDER
    if not depths.is_dir():
        raise FileNotFoundError(f"{folder} has no folder {DEPTH_FOLDER}: not a data set in the official layout")
    return sorted(depths.glob(f"*{SUFFIX}"))


def read_object(path: Path) -> OfficialObject:
    """The object whose depth maps lie in that file; raises ValueError naming a file that does not fit the layout."""
    name, _, label = path.name.removesuffix(SUFFIX).partition("+")
    depth = _read_depth(path)
    images = _read_images(path.parent.parent / IMAGE_FOLDER / name, len(depth))
    return OfficialObject(name, label.replace("_", " ") or None, depth, images)


def export_official(
    folder: Path, name: str, depth: NDArray[np.float32], images: Sequence[NDArray[np.uint8]] = (), label: str = ""
) -> None:
    """Add one object: depth maps [V, H, W] and, for training sets, as many images [H, W, 3].

    Raises ValueError for a name that would leave the folder or be read back differently.
    """
    if not re.fullmatch(r"[\w.-]+", name) or name.startswith("."):
        raise ValueError(f"the name {name!r} must consist of letters, digits, '_', '-' and '.'")
    if images and len(images) != len(depth):
        raise ValueError(f"{name}: {len(images)} images but {len(depth)} depth maps")
    if not re.fullmatch(r"[\w .-]*", label):
        raise ValueError(f"the label {label!r} must consist of letters, digits, blanks, '_', '-' and '.'")
    stem = f"{name}+{label.replace(' ', '_')}" if label else name
    (folder / DEPTH_FOLDER).mkdir(parents=True, exist_ok=True)
    np.save(folder / DEPTH_FOLDER / f"{stem}{SUFFIX}", np.repeat(depth[..., None], 3, 3), allow_pickle=False)
    for view, image in enumerate(images):
        target = folder / IMAGE_FOLDER / name
        target.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(target / f"{view}.png")


def _read_depth(path: Path) -> NDArray[np.float32]:
    depth = np.load(path, allow_pickle=False)
    if depth.ndim == 4 and depth.shape[3] in (1, 3):
        depth = depth[..., 0]
    if depth.ndim != 3 or not np.issubdtype(depth.dtype, np.floating):
        raise ValueError(f"{path}: expected float depth maps [V, H, W, 3], found {depth.dtype} {depth.shape}")
    if not (np.isfinite(depth).all() and depth.min() >= 0 and depth.max() <= 1):
        raise ValueError(f"{path}: depth maps must lie in [0, 1]")
    return np.ascontiguousarray(depth, np.float32)


def _read_images(folder: Path, views: int) -> NDArray[np.uint8] | None:
    if not folder.is_dir():
        return None
    missing = [view for view in range(views) if not (folder / f"{view}.png").is_file()]
    if missing:
        raise ValueError(f"{folder}: no image for view {missing[0]} of {views}")
    pictures = []
    for view in range(views):
        with Image.open(folder / f"{view}.png", formats=("PNG",)) as picture:
            pictures.append(np.asarray(picture.convert("RGB")))
    if len({picture.shape for picture in pictures}) > 1:
        raise ValueError(f"{folder}: images of different sizes")
    return np.stack(pictures)
