"""The embedded photos as a data set: photo `index` of `seed` is always the same, in memory and as published files."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from opendlign_core.errors import BadInput
from opendlign_core.ingestion.posed.annotations import encode_annotations
from opendlign_core.ingestion.posed.painted.cads import build_cad, posed_labels, split_of
from opendlign_core.ingestion.posed.painted.photo import PaintedPhoto, paint_photo
from opendlign_core.ingestion.procedural.dataset import source_seed
from opendlign_core.ingestion.recipe import SourceSpec
from opendlign_core.samples.cads import CadMesh

PHOTOS, CADS = 1600, 20
"""How many there are where a source does not say: photos in all, and CADs of each category."""


@dataclass(frozen=True)
class PhotoName:
    """What photo `index` is called and what it shows, before it is painted."""

    index: int
    name: str
    label: str
    cad: int

    @property
    def split(self) -> str:
        return split_of(self.cad)

    @property
    def category(self) -> str:
        """The label as the name of a folder."""
        return self.label.replace(" ", "_")


def photo_name(source: SourceSpec, index: int) -> PhotoName:
    """Photo `index`: categories take turns, and so do the CADs of a category."""
    labels = posed_labels(source)
    turn = index // len(labels) % _cads(source)
    return PhotoName(index, f"p{source_seed(source)}_{index:06d}", labels[index % len(labels)], turn + 1)


def photo_names(source: SourceSpec) -> Iterator[PhotoName]:
    """Every photo of a source, of its wanted splits."""
    for index in range(source.number("photos", PHOTOS)):
        name = photo_name(source, index)
        if not source.splits or name.split in source.splits:
            yield name


def _cads(source: SourceSpec) -> int:
    if (count := source.number("cads", CADS)) == 0:
        raise BadInput("option cads must be at least 1: photos show something")
    return count


def painted(source: SourceSpec, index: int) -> PaintedPhoto:
    """Photo `index` of a source."""
    named = photo_name(source, index)
    return paint_photo(source_seed(source), named.name, named.label, named.cad, posed_labels(source))


def write_published(source: SourceSpec, root: Path) -> Iterator[PhotoName]:
    """Write a source as ImageNet3D is published, CADs too; yields every photo once it is there.

    Its test split has lists of its own.
    """
    lists: dict[str, list[str]] = {}
    for named in photo_names(source):
        photo = painted(source, named.index)
        _put(root / "images" / named.category / f"{named.name}.JPEG", photo.jpeg)
        _put(root / "annotations" / named.category / f"{named.name}.npz", encode_annotations(photo.rows))
        cad = root / "CAD" / named.category / f"{named.cad:02d}.off"
        if not cad.exists():
            _put(cad, off_text(build_cad(source_seed(source), named.label, named.cad).mesh).encode())
        lists.setdefault(f"{named.category}_imagenet_{named.split}.txt", []).append(named.name)
        yield named
    for name, lines in lists.items():
        _put(root / "lists" / name, "\n".join(lines).encode())


def off_text(cad: CadMesh) -> str:
    """A mesh as OFF, with numbers that come back as they were.

    >>> import numpy as np
    >>> off_text(CadMesh(np.eye(3, dtype=np.float32), np.array([[0, 1, 2]], np.int32))).splitlines()[:3]
    ['OFF', '3 1 0', '1.0 0.0 0.0']
    """
    vertices = (" ".join(map(str, row)) for row in cad.vertices.astype(str).tolist())
    faces = (f"3 {a} {b} {c}" for a, b, c in cad.faces.tolist())
    return "\n".join(["OFF", f"{len(cad.vertices)} {len(cad.faces)} 0", *vertices, *faces]) + "\n"


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
