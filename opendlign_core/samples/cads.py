"""CADs that lie beside a shard of photos: every mesh once, by the digest that the photos say."""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from opendlign_core.errors import BadInput
from opendlign_core.samples.encoding import decode_array, encode_array

CADS = "cads"
"""The name of the attachment that holds them."""


@dataclass(frozen=True, eq=False)
class CadMesh:
    """Triangles in the frame that poses are said in: z up, the front towards -y.

    >>> cad = CadMesh(np.zeros((3, 3), np.float32), np.array([[0, 1, 2]], np.int32))
    >>> decode_cads(encode_cads({cad.digest: cad}))[cad.digest].faces.tolist()
    [[0, 1, 2]]
    """

    vertices: NDArray[np.float32]  # [V, 3]
    faces: NDArray[np.int32]  # [F, 3]

    @cached_property
    def digest(self) -> str:
        """sha256 of its vertices and triangles."""
        whole = hashlib.sha256(np.array([len(self.vertices), len(self.faces)], "<i8").tobytes())
        whole.update(self.vertices.astype("<f4").tobytes())
        whole.update(self.faces.astype("<i4").tobytes())
        return whole.hexdigest()


def encode_cads(cads: Mapping[str, CadMesh]) -> bytes:
    """The CADs as an `.npz`, the same bytes for the same meshes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for digest, cad in sorted(cads.items()):
            for name, array in (("vertices", cad.vertices), ("faces", cad.faces)):
                member = zipfile.ZipInfo(f"{digest}.{name}.npy", (1980, 1, 1, 0, 0, 0))
                archive.writestr(member, encode_array(array), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def decode_cads(data: bytes) -> dict[str, CadMesh]:
    """By digest, the CADs that `encode_cads` stored; raises BadInput for anything else."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            arrays = {name.removesuffix(".npy"): decode_array(archive.read(name)) for name in archive.namelist()}
        digests = dict.fromkeys(name.rpartition(".")[0] for name in arrays)
        return {one: CadMesh(arrays[f"{one}.vertices"], arrays[f"{one}.faces"]) for one in digests}
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise BadInput(f"these bytes hold no CADs: {error}") from error
