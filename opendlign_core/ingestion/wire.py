"""Messages from parser processes: a line of JSON and raw arrays, never pickles.

A parser process handles hostile files, so what it sends back is checked like any other input.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from opendlign_core.errors import BadInput
from opendlign_core.ingestion.cloud import IngestedObject, Mesh, PointCloud
from opendlign_core.ingestion.depth_folder import FolderObject
from opendlign_core.ingestion.entry import ObjectEntry
from opendlign_core.ingestion.posed.annotations import LeftOut
from opendlign_core.ingestion.posed.parse import ParsedPhoto
from opendlign_core.samples import PosedPhoto, Scene, sample_key

_HEADER_BYTES = 64 << 10
_BOXES_BYTES = 1 << 20

MOST_LIST_BYTES = 512 << 20
MOST_FOLDER_OBJECT_BYTES = 1 << 30
MOST_SHAPE_BYTES = 1 << 30
MOST_PHOTO_BYTES = 1 << 30


@dataclass(frozen=True)
class Reply:
    """One answer of a parser process."""

    header: dict[str, Any]
    body: bytes

    @property
    def refusal(self) -> str:
        """Why the file cannot be read; empty where it was."""
        return str(self.header.get("refusal", ""))

    @property
    def doubtful(self) -> bool:
        """Whether the refusal may come from too little memory."""
        return bool(self.header.get("doubtful"))

    @property
    def fault(self) -> str:
        """What kept the file from being read at all; empty where nothing did."""
        return str(self.header.get("fault", ""))


def split_reply(message: bytes) -> Reply:
    """A message as header and body.

    Raises:
        RuntimeError: when the parser process reports a fault of its own.
        ValueError: when the message is none.
    """
    line, _, body = message.partition(b"\n")
    header = json.loads(line)
    if "failure" in header:
        raise RuntimeError(f"parsing failed unexpectedly:\n{header['failure']}")
    return Reply(header, body)


def encode_refusal(reason: str, *, doubtful: bool) -> bytes:
    """A file that cannot be read."""
    return json.dumps({"refusal": reason[:2000], "doubtful": doubtful}).encode() + b"\n"


def encode_fault(reason: str) -> bytes:
    """A file that this time could not be read at all."""
    return json.dumps({"fault": reason[:2000]}).encode() + b"\n"


def encode_failure(report: str) -> bytes:
    """A fault of this program rather than of the file."""
    return json.dumps({"failure": report[-8000:]}).encode() + b"\n"


def most_object_bytes(points: int) -> int:
    """Most bytes that a reply about clouds of that many points may have."""
    return _HEADER_BYTES + points * 19


def encode_object(found: IngestedObject) -> bytes:
    """An accepted object; its entry is known to the receiver and not sent."""
    header = {
        "padded": found.padded,
        "digest": found.digest,
        "source_points": found.source_points,
        "thinned": found.thinned,
        "shrinkage": found.shrinkage,
        "up_axis": found.up_axis,
        "unit": found.unit,
        "colors": found.colors is not None,
        "parts": None if found.parts is None else found.part_names,
    }
    colors = b"" if found.colors is None else found.colors.tobytes()
    parts = b"" if found.parts is None else found.parts.astype("<i4").tobytes()
    return json.dumps(header).encode() + b"\n" + found.points.astype("<f4").tobytes() + colors + parts


def decode_object(reply: Reply, entry: ObjectEntry, points: int) -> IngestedObject:
    """The object that a reply describes; RuntimeError where it does not have the promised size."""
    header, body = reply.header, reply.body
    split = points * 12
    rest = split + (points * 3 if header["colors"] else 0)
    expected = rest + (0 if header["parts"] is None else points * 4)
    if len(body) != expected:
        raise RuntimeError(f"the parser process sent {len(body)} bytes for {entry.object_id}, expected {expected}")
    cloud = np.frombuffer(body[:split], dtype="<f4").reshape(points, 3)
    colors = np.frombuffer(body[split:rest], dtype=np.uint8).reshape(points, 3) if header["colors"] else None
    parts = None if header["parts"] is None else np.frombuffer(body[rest:], dtype="<i4")
    return IngestedObject(
        entry=entry,
        points=cloud,
        colors=colors,
        padded=bool(header["padded"]),
        digest=str(header["digest"]),
        source_points=int(header["source_points"]),
        thinned=int(header["thinned"]),
        shrinkage=None if header["shrinkage"] is None else float(header["shrinkage"]),
        up_axis=header["up_axis"],
        unit=str(header["unit"]),
        parts=parts,
        part_names=tuple(map(str, header["parts"] or ())),
    )


def encode_list(found: Any) -> bytes:
    """What a list holds, in terms of JSON."""
    return json.dumps({}).encode() + b"\n" + json.dumps(found).encode()


def decode_list(reply: Reply) -> Any:
    """What a list holds."""
    return json.loads(reply.body)


def encode_folder_object(found: FolderObject) -> bytes:
    """Depth maps and images of one object; its name is known to the receiver and not sent."""
    header = {"depth": found.depth.shape, "images": None if found.images is None else found.images.shape}
    images = b"" if found.images is None else found.images.tobytes()
    return json.dumps(header).encode() + b"\n" + found.depth.astype("<f4").tobytes() + images


def decode_folder_object(reply: Reply, name: str, label: str | None) -> FolderObject:
    """The object that a reply describes; RuntimeError where it does not have the promised size."""
    depth_shape, image_shape = reply.header["depth"], reply.header["images"]
    split = 4 * math.prod(depth_shape)
    if len(reply.body) != split + (0 if image_shape is None else math.prod(image_shape)):
        raise RuntimeError(f"the parser process sent {len(reply.body)} bytes for {name}")
    depth = np.frombuffer(reply.body[:split], dtype="<f4").reshape(depth_shape)
    images = None if image_shape is None else np.frombuffer(reply.body[split:], np.uint8).reshape(image_shape)
    return FolderObject(name, label, depth, images)


def most_scene_bytes(points: int) -> int:
    """Most bytes that a reply about a scene of that many points may have."""
    return _HEADER_BYTES + _BOXES_BYTES + points * 23


def encode_scene(found: Scene) -> bytes:
    """A scene as the fields that a shard has of it, one after the other."""
    fields = found.fields()
    return json.dumps(_sizes(fields)).encode() + b"\n" + b"".join(fields.values())


def decode_scene(reply: Reply, entry: ObjectEntry) -> Scene:
    """The scene that a reply describes; RuntimeError where it is none, or another's."""
    try:
        return Scene.read(sample_key(entry.object_id), _cut(reply.body, [reply.header])[0])
    except BadInput as error:
        raise RuntimeError(f"the parser process sent no scene: {error}") from error


def encode_photos(found: ParsedPhoto) -> bytes:
    """The objects of a photo, each as the fields that a shard has of it, and those that were left out."""
    fields = [photo.fields() for photo in found.photos]
    header = {
        "photos": [_sizes(one) for one in fields],
        "ids": [photo.meta.object_id for photo in found.photos],
        "cads": found.cads,
        "left_out": [(one.number, one.reason, one.broken) for one in found.left_out],
    }
    return json.dumps(header).encode() + b"\n" + b"".join(field for one in fields for field in one.values())


def decode_photos(reply: Reply) -> ParsedPhoto:
    """The objects that a reply describes; RuntimeError where it describes none."""
    header = reply.header
    try:
        fields = zip(header["ids"], _cut(reply.body, header["photos"]), strict=True)
        photos = tuple(PosedPhoto.read(sample_key(str(name)), one) for name, one in fields)
    except BadInput as error:
        raise RuntimeError(f"the parser process sent no photo: {error}") from error
    left_out = tuple(LeftOut(int(number), str(reason), bool(broken)) for number, reason, broken in header["left_out"])
    return ParsedPhoto(photos, tuple(map(int, header["cads"])), left_out)


def _sizes(fields: Mapping[str, bytes]) -> dict[str, int]:
    return {name: len(field) for name, field in fields.items()}


def _cut(body: bytes, sizes: Sequence[Mapping[str, int]]) -> list[dict[str, bytes]]:
    """The fields of samples that lie one after the other."""
    found, start = [], 0
    for one in sizes:
        fields = {}
        for name, size in one.items():
            fields[str(name)], start = body[start : start + int(size)], start + int(size)
        found.append(fields)
    return found


def encode_shape(found: PointCloud | Mesh) -> bytes:
    """A whole shape, without colours, normals and parts."""
    points, faces = (found.vertices, found.faces) if isinstance(found, Mesh) else (found.points, np.empty((0, 3)))
    header = {"points": len(points), "faces": len(faces), "up_axis": found.up_axis, "unit": found.unit}
    body = points.astype("<f4").tobytes() + faces.astype("<i4").tobytes()
    return json.dumps(header).encode() + b"\n" + body


def decode_shape(reply: Reply) -> PointCloud | Mesh:
    """The shape that a reply describes; RuntimeError where it does not have the promised size."""
    header, body = reply.header, reply.body
    count, faces, unit = int(header["points"]), int(header["faces"]), str(header["unit"])
    if len(body) != 12 * (count + faces):
        raise RuntimeError(f"the parser process sent {len(body)} bytes for {count} points and {faces} triangles")
    points = np.frombuffer(body[: 12 * count], "<f4").reshape(count, 3)
    if not faces:
        return PointCloud(points, up_axis=header["up_axis"], unit=unit)
    corners = np.frombuffer(body[12 * count :], "<i4").reshape(faces, 3).astype(np.int64)
    return Mesh(points, corners, up_axis=header["up_axis"], unit=unit)
