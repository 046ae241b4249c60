"""Files that a command names: those it reads, and the places it writes to, refused before anything slow begins."""

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from opendlign_core.errors import BadInput
from opendlign_core.ingestion.entry import UpAxis, one_line

if TYPE_CHECKING:
    from opendlign_core.ingestion import ObjectEntry


class NamedFiles:
    """The files a user names, wherever they lie, as a source of shapes; a key is a path that fits on a line."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._paths = {one_line(os.fsencode(path).decode(errors="backslashreplace")): path for path in files}

    def list(self, prefix: str = "") -> Iterator[str]:
        yield from (key for key in self._paths if key.startswith(prefix))

    def read(self, key: str) -> bytes:
        return self._paths[key].read_bytes()

    def local(self, key: str) -> Path:
        return self._paths[key]

    def entries(self, up: UpAxis | None) -> "Iterator[ObjectEntry]":
        """The files as ingestion takes them, with the axis that points up in them, where that is said."""
        from opendlign_core.ingestion import ObjectEntry

        for key in self._paths:
            yield ObjectEntry(object_id=f"file/{key}", source="file", split="", uri=key, up_axis=up)


def require_files(files: Sequence[Path]) -> None:
    """Refuse names of nothing."""
    if not files:
        raise BadInput("name at least one file")
    for path in files:
        if not path.is_file():
            raise FileNotFoundError(f"no file {path}")


def shape_files(given: Sequence[Path]) -> list[Path]:
    """The files that are named, and the shapes in folders that are.

    Raises:
        BadInput: nothing is named, or a folder holds no shape.
    """
    from opendlign_core.ingestion.readers import SUFFIXES
    from opendlign_core.ingestion.unread import why_unread

    found: list[Path] = []
    for path in given:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(one for one in path.rglob("*") if one.suffix.lower() in SUFFIXES and one.is_file())
        if not inside:
            raise BadInput(f"no shapes in {path}; see docs/formats.md for the suffixes that are read")
        found += inside
    require_files(found)
    if not any(path.suffix.lower() in SUFFIXES for path in found):
        raise BadInput("; ".join(f"{path} {why_unread(path.suffix.lower())}" for path in found))
    return found


def read_picture(path: Path) -> NDArray[np.float32]:
    """A picture as [H, W, 3] in [0, 1]."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as opened:
            pixels: NDArray[np.float32] = np.asarray(opened.convert("RGB"), np.float32) / np.float32(255)
            return pixels
    except UnidentifiedImageError as error:
        raise BadInput(f"{path} is no picture that can be read") from error


def require_picture(path: Path) -> None:
    """Refuse a picture that could not be written in the end."""
    from PIL import Image

    if Image.registered_extensions().get(path.suffix.lower()) not in Image.SAVE:
        raise BadInput(f"--picture {path}: name a file that ends in .png, .jpg or .webp")
    require_folder("--picture", path)


def require_out(path: Path, suffixes: Collection[str], option: str = "--out") -> None:
    """Refuse a file that could not be written in the end."""
    if path.suffix.lower() not in suffixes:
        raise BadInput(f"{option} {path}: name a file that ends in {' or '.join(suffixes)}")
    require_folder(option, path)


def require_folder(option: str, path: Path) -> None:
    """Refuse what would lie in a folder that is not there: mostly one that is spelled otherwise."""
    if not path.parent.is_dir():
        raise BadInput(f"{option} {path}: there is no folder {path.parent}")
