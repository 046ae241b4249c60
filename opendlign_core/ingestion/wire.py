"""Messages between the ingest process and its parser processes: JSON and raw arrays, never pickles.

A parser process handles hostile files, so what it sends back is checked like any other input.
"""

import json
from typing import Any

import numpy as np

from opendlign_core.ingestion.cloud import IngestedObject, RejectedObject
from opendlign_core.ingestion.entry import ObjectEntry

_HEADER_BYTES = 64 << 10


def reply_limit(points: int) -> int:
    """Most bytes that a reply about clouds of that many points may have."""
    return _HEADER_BYTES + points * 15


def encode_object(found: IngestedObject) -> bytes:
    """An accepted object; its entry is known to the receiver and not sent."""
    header = {
        "padded": found.padded,
        "digest": found.digest,
        "source_points": found.source_points,
        "up_axis": found.up_axis,
        "unit": found.unit,
        "colors": found.colors is not None,
    }
    colors = b"" if found.colors is None else found.colors.tobytes()
    return json.dumps(header).encode() + b"\n" + found.points.astype("<f4").tobytes() + colors


def encode_rejection(reason: str) -> bytes:
    """A rejected object."""
    return json.dumps({"reason": reason[:2000]}).encode() + b"\n"


def encode_failure(report: str) -> bytes:
    """A fault of this program rather than of the file."""
    return json.dumps({"failure": report[-8000:]}).encode() + b"\n"


def decode_reply(reply: bytes, entry: ObjectEntry, points: int) -> IngestedObject | RejectedObject:
    """The outcome that a reply describes.

    Raises:
        RuntimeError: when the parser process reports a fault of its own.
        ValueError: when the reply does not have the promised size.
    """
    line, _, body = reply.partition(b"\n")
    header: dict[str, Any] = json.loads(line)
    if "failure" in header:
        raise RuntimeError(f"parsing {entry.object_id} failed unexpectedly:\n{header['failure']}")
    if "reason" in header:
        return RejectedObject(entry, str(header["reason"]))
    split = points * 12
    expected = split + (points * 3 if header["colors"] else 0)
    if len(body) != expected:
        raise ValueError(f"the parser process sent {len(body)} bytes for {entry.object_id}, expected {expected}")
    cloud = np.frombuffer(body[:split], dtype="<f4").reshape(points, 3)
    colors = np.frombuffer(body[split:], dtype=np.uint8).reshape(points, 3) if header["colors"] else None
    return IngestedObject(
        entry=entry,
        points=cloud,
        colors=colors,
        padded=bool(header["padded"]),
        digest=str(header["digest"]),
        source_points=int(header["source_points"]),
        up_axis=header["up_axis"],
        unit=str(header["unit"]),
    )
