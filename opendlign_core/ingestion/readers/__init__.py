"""One file into one shape, by its suffix."""

from collections.abc import Callable
from pathlib import Path

from opendlign_core.ingestion.cloud import Mesh, PointCloud
from opendlign_core.ingestion.errors import UnreadableShape
from opendlign_core.ingestion.packs import PACK_SUFFIXES, Member, Pack
from opendlign_core.ingestion.readers.archive import member_of, unpacked
from opendlign_core.ingestion.readers.collada import read_collada
from opendlign_core.ingestion.readers.gltf_scene import read_gltf
from opendlign_core.ingestion.readers.las import read_las
from opendlign_core.ingestion.readers.obj import read_obj
from opendlign_core.ingestion.readers.off import read_off
from opendlign_core.ingestion.readers.pcd import read_pcd
from opendlign_core.ingestion.readers.ply import read_ply
from opendlign_core.ingestion.readers.shape_file import ShapeFile, from_path
from opendlign_core.ingestion.readers.stl import read_stl
from opendlign_core.ingestion.readers.table import read_json, read_table
from opendlign_core.ingestion.readers.threemf import read_threemf
from opendlign_core.ingestion.safety import parsing, require
from opendlign_core.ingestion.unread import why_unread

Reader = Callable[[ShapeFile], PointCloud | Mesh]

_READERS: dict[str, tuple[str, Reader]] = {
    ".txt": ("text", read_table),
    ".xyz": ("text", read_table),
    ".pts": ("text", read_table),
    ".asc": ("text", read_table),
    ".csv": ("CSV", read_table),
    ".json": ("JSON", read_json),
    ".ply": ("PLY", read_ply),
    ".pcd": ("PCD", read_pcd),
    ".off": ("OFF", read_off),
    ".obj": ("OBJ", read_obj),
    ".stl": ("STL", read_stl),
    ".glb": ("glTF", read_gltf),
    ".gltf": ("glTF", read_gltf),
    ".dae": ("COLLADA", read_collada),
    ".3mf": ("3MF", read_threemf),
    ".las": ("LAS", read_las),
    ".laz": ("LAZ", read_las),
}
_ARCHIVES = (".zip", ".zae")
_PACKED = (".gz", ".bz2")

INSIDE = frozenset(_READERS)
"""Suffixes of the members of archives that are shapes."""
SUFFIXES = frozenset((*_READERS, *_ARCHIVES, *_PACKED, *PACK_SUFFIXES))
"""Every suffix that `read_shape` takes, in lower case."""


def read_shape(path: str | Path, member: Member = None, *, parts: bool = False) -> PointCloud | Mesh:
    """Read the shape of one file, in its own frame and unit.

    Args:
        path: the file; its suffix tells the format.
        member: for array files, which array or row (see `ObjectEntry.member`); for archives, the name of a file in it.
        parts: whether the part numbers of array files are read too; those of other files always are.

    Raises:
        UnreadableShape: whatever is wrong with the file, in a sentence that names it.
    """
    path = Path(path)
    try:
        return read_with_digest(path, member, parts=parts)[0]
    except (UnreadableShape, MemoryError) as error:
        reason = "needs more memory than there is" if isinstance(error, MemoryError) else str(error)
        raise UnreadableShape(f"{path.name} {reason}") from error


def read_with_digest(path: Path, member: Member = None, *, parts: bool = False) -> tuple[PointCloud | Mesh, str]:
    """Like `read_shape`, with the sha256 of the source bytes; reasons do not name the file."""
    suffix = path.suffix.lower()
    require(path.is_file(), "does not exist")
    if suffix in PACK_SUFFIXES:
        return Pack(path).shape(member, parts=parts)
    named = member is None or (suffix in _ARCHIVES and isinstance(member, str))
    require(named, f"is no array file, so it has no member {member!r}")
    with parsing(suffix.lstrip(".") or "shape"):
        file = from_path(path)
    if suffix in _ARCHIVES:
        with parsing("zip archive"):
            return read_bytes(*member_of(file, None if member is None else str(member), INSIDE)), file.digest
    if suffix in _PACKED:
        with parsing(suffix.lstrip(".")):
            return read_bytes(unpacked(file, suffix), Path(path.stem).suffix.lower()), file.digest
    return read_bytes(file, suffix), file.digest


def read_bytes(file: ShapeFile, suffix: str) -> PointCloud | Mesh:
    """Read bytes in the format of a suffix (lower case, with its dot)."""
    if suffix not in _READERS:
        raise UnreadableShape(why_unread(suffix))
    kind, reader = _READERS[suffix]
    with parsing(kind):
        return reader(file)
