"""A folder of ImageNet3D into the published preprocessed files, on several cores; what is there already is kept."""

import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import islice
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

from PIL import Image

from opendlign_core.ingestion.errors import UnreadableShape
from opendlign_core.ingestion.files import DirectoryFiles, Files
from opendlign_core.ingestion.posed.annotations import Annotation, LeftOut, crop_name, read_annotations
from opendlign_core.ingestion.posed.crop import Crop, check_size, plan_crop
from opendlign_core.ingestion.posed.folders import Photo
from opendlign_core.ingestion.posed.pixels import load_photo, open_photo
from opendlign_core.ingestion.posed.published import (
    cropped,
    encode_picture,
    encode_values,
    published_values,
)
from opendlign_core.ingestion.posed.recipe import CropRecipe

_CHUNK = 16
"""Photos that a worker takes at once."""
_BLOCKS = 32
"""Blocks of 1 MiB that the pictures of a worker are made in, over and over: fresh memory costs as much as decoding."""
_AHEAD = 4
"""Chunks under way per worker."""


@dataclass
class Tally:
    """What became of the objects of some photos."""

    names: list[str] = field(default_factory=list)
    """Crops that are there now, in the order of photos and objects."""
    unwanted: int = 0
    """Objects that their annotators wanted left out."""
    broken: list[tuple[str, str]] = field(default_factory=list)
    """Photos and objects that cannot be used, with the reason."""
    photos: int = 0

    @property
    def total(self) -> int:
        return len(self.names) + self.unwanted + len(self.broken)

    def add(self, more: "Tally") -> None:
        self.names += more.names
        self.unwanted += more.unwanted
        self.broken += more.broken
        self.photos += more.photos


def preprocess(
    root: Path,
    out: Path,
    groups: Iterable[tuple[str, str, Sequence[Photo]]],
    recipe: CropRecipe,
    workers: int = 2,
) -> Iterator[tuple[str, str, Tally]]:
    """Write the crops of groups of photos (category, split, photos) below `out`; yields a group's tally as it grows.

    A crop whose annotation lies there already, as it would be written, is not made again: a run that was killed
    continues, and one with other settings replaces what it finds. The list of a group is written when it is complete.

    Raises:
        OSError: `out` cannot be written to.
    """
    chunks = _chunks(groups)
    work = partial(_preprocess_chunk, root, out, recipe)
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_start_worker)
    pending: deque[tuple[_Chunk, Future[Tally]]] = deque()
    try:
        for chunk in islice(chunks, _AHEAD * workers):
            pending.append((chunk, pool.submit(work, chunk)))
        tally = Tally()
        while pending:
            chunk, future = pending.popleft()
            tally.add(future.result())
            pending.extend((more, pool.submit(work, more)) for more in islice(chunks, 1))
            if chunk.last:
                place = out / "lists" / f"{chunk.category}_{chunk.split}" / "mesh01.txt"
                _put(place, "\n".join(tally.names).encode())
            yield chunk.category, chunk.split, tally
            tally = Tally() if chunk.last else tally
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@dataclass(frozen=True)
class _Chunk:
    category: str
    split: str
    photos: tuple[Photo, ...]
    last: bool
    """Whether its group ends with it."""


def _chunks(groups: Iterable[tuple[str, str, Sequence[Photo]]]) -> Iterator[_Chunk]:
    for category, split, photos in groups:
        starts = range(0, max(1, len(photos)), _CHUNK)
        for start in starts:
            yield _Chunk(category, split, tuple(photos[start : start + _CHUNK]), start == starts[-1])


def _start_worker() -> None:
    """One core is what each process is given; and nobody waits for one whose parent was killed."""
    core: Any = getattr(Image, "core")  # noqa: B009 - documented, but not in the published types
    core.set_blocks_max(_BLOCKS)
    threading.Thread(target=_wait_for_parent, daemon=True).start()
    try:
        import cv2
    except ModuleNotFoundError:
        return
    cv2.setNumThreads(1)


def _wait_for_parent() -> None:
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)


def _preprocess_chunk(root: Path, out: Path, recipe: CropRecipe, chunk: _Chunk) -> Tally:
    tally, files = Tally(), DirectoryFiles(root)
    _folders(out, chunk.category, chunk.split)
    for photo in chunk.photos:
        tally.add(preprocess_photo(files, photo, recipe, out))
    return tally


def preprocess_photo(files: Files, photo: Photo, recipe: CropRecipe, out: Path) -> Tally:
    """The crops of all objects of a photo as files below `out`; what is broken costs itself alone."""
    tally = Tally(photos=1)
    try:
        found = read_annotations(_bytes(files, photo.annotation))
        work = _OpenPhoto(photo, _bytes(files, photo.image), recipe)
        for item in found:
            _take(item, work, out, tally)
    except UnreadableShape as error:
        tally.broken.append((photo.name, str(error)))
    return tally


def _bytes(files: Files, key: str) -> bytes:
    try:
        return files.read(key)
    except FileNotFoundError:
        raise UnreadableShape(f"has no {key}") from None


@dataclass(frozen=True)
class _OpenPhoto:
    photo: Photo
    data: bytes
    recipe: CropRecipe

    @cached_property
    def opened(self) -> Image.Image:
        return open_photo(self.data)

    @cached_property
    def picture(self) -> Image.Image:
        return load_photo(self.opened)


def _take(item: Annotation | LeftOut, work: _OpenPhoto, out: Path, tally: Tally) -> None:
    name = crop_name(work.photo.name, item.number)
    if isinstance(item, LeftOut):
        tally.unwanted += not item.broken
        tally.broken += [(name, item.reason)] if item.broken else []
        return
    height, width = work.opened.height, work.opened.width
    try:
        check_size(item, height, width)
        crop = plan_crop(item, height, width, work.recipe)
    except UnreadableShape as error:
        tally.broken.append((name, str(error)))
        return
    _write(name, item, crop, work, out)
    tally.names.append(name)


def _write(name: str, item: Annotation, crop: Crop, work: _OpenPhoto, out: Path) -> None:
    """One picture and its annotation, which is put last: where it lies, the picture is whole."""
    values = encode_values(published_values(name, work.photo.category, item, crop))
    folder = f"{work.photo.category}_{work.photo.split}"
    picture, annotation = out / "images" / folder / f"{name}.JPEG", out / "annotations" / folder / f"{name}.npz"
    with suppress(FileNotFoundError):
        if annotation.read_bytes() == values and picture.is_file():
            return
        annotation.unlink()
    picture.write_bytes(encode_picture(cropped(work.picture, crop, work.recipe)))
    _put(annotation, values)


def _put(path: Path, data: bytes) -> None:
    """Write a file that is never seen in part."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    part.replace(path)


def _folders(out: Path, category: str, split: str) -> None:
    for kind in ("images", "annotations", "lists"):
        (out / kind / f"{category}_{split}").mkdir(parents=True, exist_ok=True)
