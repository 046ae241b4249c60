"""Mode ATTRIBUTES of meshopt compression, versions 0 and 1, and the filters of floats and colours."""

from itertools import chain

import numpy as np
import numpy.typing as npt

from opendlign_core.ingestion.errors import UnreadableShape
from opendlign_core.ingestion.safety import require
from opendlign_core.ingestion.shapes import Array

Octets = npt.NDArray[np.uint8]

_GROUP = 16
_WIDTHS = {0: ((0, 2, 4, 8),), 1: ((0, 1, 2, 4), (1, 2, 4, 8))}
"""Bits of a delta by a group's mode, for every way of packing that a version knows."""
_EMPTY, _PLAIN = 2, 3
_SHORTEST_TAIL = {0: 32, 1: 24}


def _unpackings(bits: int) -> list[bytes]:
    """For every byte the deltas of so many bits that it packs; single bits lie lowest first, all others highest."""
    shifts = range(8 // bits) if bits == 1 else range(8 - bits, -1, -bits)
    return [bytes(byte >> shift & (1 << bits) - 1 for shift in shifts) for byte in range(256)]


_UNPACKED = {bits: _unpackings(bits) for bits in (1, 2, 4)}


def decoded_attributes(stream: bytes, count: int, stride: int) -> Octets:
    """The elements [count, stride] of a compressed stream of attributes."""
    require(0 < stride <= 256 and stride % 4 == 0, f"has compressed attributes of {stride} bytes each")
    version = stream[0] - 0xA0 if stream else -1
    require(version in _WIDTHS, "has compressed attributes of an unknown version")
    end = len(stream) - max(_SHORTEST_TAIL[version], stride + version * stride // 4)
    deltas = _Deltas(stream[1 : max(end, 1)], version).all(count, stride)
    tail = np.frombuffer(stream[-(stride + version * stride // 4) :], dtype=np.uint8)
    modes = tail[stride:] if version else np.zeros(stride // 4, dtype=np.uint8)
    channels = [
        _undone(deltas[:, 4 * place : 4 * place + 4], tail[4 * place : 4 * place + 4], int(mode))
        for place, mode in enumerate(modes)
    ]
    return np.concatenate(channels, axis=1)


class _Deltas:
    """The packed differences of a stream, read from front to back."""

    def __init__(self, body: bytes, version: int) -> None:
        self._body, self._version, self._at = body, version, 0

    def all(self, count: int, stride: int) -> Octets:
        """Every difference [count, stride], still folded."""
        longest = min(8192 // stride & ~(_GROUP - 1), 256)
        sizes = [min(longest, count - start) for start in range(0, count, longest)]
        blocks = [self._block(size, stride) for size in sizes]
        require(self._at == len(self._body), "has compressed attributes with bytes left over")
        return np.concatenate(blocks) if blocks else np.zeros((0, stride), dtype=np.uint8)

    def _block(self, size: int, stride: int) -> Octets:
        controls = self._take(stride // 4) if self._version else bytes(stride // 4)
        columns = [self._column(size, controls[place // 4] >> 2 * (place % 4) & 3) for place in range(stride)]
        return np.frombuffer(b"".join(columns), dtype=np.uint8).reshape(stride, size).T

    def _column(self, size: int, control: int) -> bytes:
        if control == _EMPTY:
            return bytes(size)
        if control == _PLAIN:
            return self._take(size)
        groups = -(-size // _GROUP)
        header = chain.from_iterable(_UNPACKED[2][byte][::-1] for byte in self._take(-(-groups // 4)))
        widths = _WIDTHS[self._version][control]
        return b"".join([self._group(widths[mode]) for mode, _ in zip(header, range(groups), strict=False)])[:size]

    def _group(self, bits: int) -> bytes:
        if bits in (0, 8):
            return self._take(_GROUP) if bits else bytes(_GROUP)
        deltas = b"".join([_UNPACKED[bits][byte] for byte in self._take(2 * bits)])
        escape = (1 << bits) - 1
        if escaped := deltas.count(escape):
            spelled = iter(self._take(escaped))
            deltas = bytes([next(spelled) if delta == escape else delta for delta in deltas])
        return deltas

    def _take(self, count: int) -> bytes:
        taken = self._body[self._at : self._at + count]
        require(len(taken) == count, "has compressed attributes that end too early")
        self._at += count
        return taken


def _undone(deltas: Octets, base: Octets, mode: int) -> Octets:
    """Four bytes of every element out of their differences [count, 4] to the element before, first to `base`."""
    kind, turned = mode & 15, mode >> 4
    if kind > 2 or (turned and kind < 2):
        raise UnreadableShape(f"has compressed attributes of the unknown channel mode {mode}")
    folded = np.ascontiguousarray(deltas).view(("u1", "<u2", "<u4")[kind])
    first = np.ascontiguousarray(base)[None].view(folded.dtype)
    if kind == 2:
        straight = folded >> turned | folded << (32 - turned & 31)
        found: Array = np.bitwise_xor.accumulate(np.concatenate([first, straight]), axis=0)[1:]
    else:
        straight = folded >> 1 ^ -(folded & 1)
        found = np.cumsum(straight, axis=0, dtype=folded.dtype) + first
    return found.view(np.uint8)


def filtered(elements: Octets, name: str) -> Array:
    """What the elements [count, stride] stand for by a filter; those of normals and rotations lead to no shape."""
    if name == "NONE":
        return elements
    require(name in _FILTERS, f"has compressed attributes behind the filter {name}, which is not read")
    require(name != "COLOR" or elements.shape[1] in (4, 8), f"has compressed colours of {elements.shape[1]} bytes")
    return _FILTERS[name](elements)


def _floats(elements: Octets) -> Array:
    """Filter EXPONENTIAL: bytes [count, stride] whose every four hold a mantissa of 24 bits and an exponent of 8."""
    packed = np.ascontiguousarray(elements).view("<i4")
    found: Array = np.ldexp((packed << 8 >> 8).astype(np.float32), packed >> 24)
    return found


def _colours(elements: Octets) -> Array:
    """Filter COLOR: bytes [count, 4 or 8] of luma, two chromas and an alpha whose highest bit tells the scale."""
    kind = "1" if elements.shape[1] == 4 else "2"
    stored = np.ascontiguousarray(elements)
    luma, orange, green, _ = stored.view(f"<i{kind}").astype(np.int64).T
    luma, alpha = stored.view(f"<u{kind}").astype(np.int64).T[[0, 3]]
    most = 2 ** (np.floor(np.log2(np.maximum(alpha, 1))).astype(np.int64) + 1) - 1
    kept = alpha & most >> 1
    mixed = np.stack([luma + orange - green, luma + green, luma - orange - green, kept << 1 | kept & 1], axis=1)
    scaled: Array = np.rint(mixed * (np.iinfo(f"u{kind}").max / most)[:, None])
    return np.clip(scaled, 0, np.iinfo(f"u{kind}").max).astype(f"<u{kind}")


_FILTERS = {"EXPONENTIAL": _floats, "COLOR": _colours}
