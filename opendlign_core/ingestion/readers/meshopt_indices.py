"""Modes TRIANGLES and INDICES of meshopt compression."""

from collections import deque

import numpy as np

from opendlign_core.ingestion.safety import require
from opendlign_core.ingestion.shapes import Array

_FRAMES = {"TRIANGLES": (b"\xe1", 16), "INDICES": (b"\xd1", 4)}
"""The byte that a stream begins with, and how many end it."""
_NEVER_SEEN = -1


class _Numbers:
    """Numbers of seven bits a byte, read from front to back."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def byte(self) -> int:
        require(self._at < len(self._data), "has compressed indices that end too early")
        self._at += 1
        return self._data[self._at - 1]

    def number(self) -> int:
        value = 0
        for shift in range(0, 35, 7):
            byte = self.byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        require(False, "has a compressed index of more than five bytes")
        return value

    def finish(self) -> None:
        require(self._at == len(self._data), "has compressed indices with bytes left over")


def _unfolded(value: int) -> int:
    return ~(value >> 1) if value & 1 else value >> 1


def decoded_indices(stream: bytes, count: int, size: int, mode: str) -> Array:
    """The indices [count] of a compressed stream, `size` bytes each."""
    require(size in (2, 4), f"has compressed indices of {size} bytes each")
    header, tail = _FRAMES[mode]
    require(stream[:1] == header, "has compressed indices of an unknown version")
    body, table = stream[1:-tail], stream[-tail:]
    values = _triangles(body, table, count) if mode == "TRIANGLES" else _sequence(body, count)
    found = np.array(values, dtype=np.int64)
    require(bool(((found >= 0) & (found < 1 << 8 * size)).all()), "has compressed indices out of bounds")
    return found.astype(f"<u{size}")


def _sequence(body: bytes, count: int) -> list[int]:
    numbers, last, found = _Numbers(body), [0, 0], []
    for _ in range(count):
        value = numbers.number()
        last[value & 1] += _unfolded(value >> 1)
        found.append(last[value & 1])
    numbers.finish()
    return found


def _triangles(body: bytes, table: bytes, count: int) -> list[int]:
    require(count % 3 == 0, f"has {count} compressed indices of triangles")
    codes, numbers = body[: count // 3], _Numbers(body[count // 3 :])
    require(len(codes) == count // 3, "has compressed indices that end too early")
    triangles = _Triangles(numbers, table)
    found = [corner for code in codes for corner in triangles.next(code)]
    numbers.finish()
    return found


class _Triangles:
    """What the codes of triangles refer back to: edges and vertices met last, latest first."""

    def __init__(self, numbers: _Numbers, table: bytes) -> None:
        self._numbers, self._table = numbers, table
        self._edges = deque([(_NEVER_SEEN, _NEVER_SEEN)] * 16, maxlen=16)
        self._vertices = deque([_NEVER_SEEN] * 16, maxlen=16)
        self._fresh = self._last = 0

    def next(self, code: int) -> tuple[int, int, int]:
        """The corners of the triangle of a code."""
        return self._beside(code >> 4, code & 15) if code < 0xF0 else self._apart(code)

    def _beside(self, edge: int, third: int) -> tuple[int, int, int]:
        a, b = self._edges[edge]
        if third in (13, 14):
            self._last += 1 if third == 14 else -1
            c = self._push(self._last)
        else:
            c = self._corner(third, third)
        self._edges.extendleft(((c, b), (a, c)))
        return a, b, c

    def _apart(self, code: int) -> tuple[int, int, int]:
        both = self._table[code & 15] if code < 0xFE else self._numbers.byte()
        if code >= 0xFE and both == 0:
            self._fresh = 0
        seen = tuple(self._vertices)  # older corners are those met before this triangle
        a = self._corner(15 if code == 0xFF else 0, 0)
        second, third = both >> 4, both & 15
        b = seen[second - 1] if 0 < second < 15 else self._corner(second, 0)
        c = seen[third - 1] if 0 < third < 15 else self._corner(third, 0)
        self._edges.extendleft(((b, a), (c, b), (a, c)))
        return a, b, c

    def _corner(self, code: int, back: int) -> int:
        """A new vertex (0), one spelled out (15), or one met a while ago."""
        if code == 0:
            self._fresh += 1
            return self._push(self._fresh - 1)
        if code == 15:
            self._last += _unfolded(self._numbers.number())
            return self._push(self._last)
        return self._vertices[back]

    def _push(self, vertex: int) -> int:
        self._vertices.appendleft(vertex)
        return vertex
