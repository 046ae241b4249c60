"""What visitors bring: pictures and shapes of their own, kept in memory for as long as the program runs."""

import hashlib
import tempfile
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path, PurePath

from opendlign.explore.gallery import Shape
from opendlign.explore.meshes import turned
from opendlign.models import Trained
from opendlign.named_files import read_picture
from opendlign.shapes import projected, read_clouds
from opendlign_core.errors import BadInput
from opendlign_core.evaluation.features import Floats
from opendlign_core.ingestion import Mesh, RejectedObject, read_whole
from opendlign_core.ingestion.readers import SUFFIXES

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")
KEPT = 32
"""Things that stay; the oldest goes."""
_TOKEN = 16


@dataclass(frozen=True)
class Brought:
    """A picture [H, W, 3] in [0, 1] or a shape."""

    name: str
    what: Floats | Shape


class Table:
    """What was brought, by a token that follows from its content."""

    def __init__(self, trained: Trained) -> None:
        self._trained = trained
        self._things: OrderedDict[str, Brought] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, token: str) -> Brought | None:
        with self._lock:
            return self._things.get(token)

    def put(self, name: str, content: bytes) -> str:
        """Read a file that somebody brought and return its token; of its name only the end is used as one.

        Raises:
            BadInput: it is neither a picture nor a shape that can be read.
        """
        plain = PurePath(name.replace("\\", "/")).name
        thing = self._read(plain, content)
        token = hashlib.sha256(plain.encode("utf-8", "surrogatepass") + content).hexdigest()[:_TOKEN]
        with self._lock:
            self._things[token] = thing
            while len(self._things) > KEPT:
                self._things.popitem(last=False)
        return token

    def _read(self, name: str, content: bytes) -> Brought:
        suffix = PurePath(name).suffix.lower()
        if suffix not in (*PICTURES, *SUFFIXES):
            raise BadInput(
                f"{name}: bring a picture ({', '.join(PICTURES)}) or a shape (.obj, .glb, .ply, .stl and more)"
            )
        with tempfile.TemporaryDirectory(prefix="opendlign-brought-") as scratch:
            path = Path(scratch) / f"brought{suffix}"
            path.write_bytes(content)
            try:
                return Brought(name, read_picture(path) if suffix in PICTURES else self._shape(name, path))
            except BadInput as error:
                raise BadInput(str(error).replace(str(path), name)) from error

    def _shape(self, name: str, path: Path) -> Shape:
        (read,) = read_clouds([path], self._trained)
        if isinstance(read, RejectedObject):
            raise BadInput(f"{name}: {read.reason}")
        seen = projected(read, self._trained)
        if isinstance(seen, RejectedObject):
            raise BadInput(f"{name}: {seen.reason}")
        # What was read once as points is read, so it can fail to be read whole only for want of memory.
        whole = read_whole(path, self._trained.source, self._trained.reading)
        mesh = turned(whole, read.up_axis) if isinstance(whole, Mesh) else None
        return Shape(name, read.points, seen.depth, read.colors, mesh=mesh)
