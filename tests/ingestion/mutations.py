"""Seeded damage to valid files: what transfers, disks and adversaries do to them."""

import io
import re
import zipfile

import numpy as np

_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_WORDS = (
    b"-1",
    b"0",
    b"1000000000",
    b"4294967296",
    b"18446744073709551616",
    b"nan",
    b"inf",
    b"-inf",
    b"1e309",
    b"1e38",
    b"",
)
_INTEGERS = (b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", b"\x00\x00\x00\x00", b"\x00\xca\x9a\x3b")
_FLOATS = (b"\x00\x00\xc0\x7f", b"\x00\x00\x80\x7f", b"\xff\xff\x7f\x7f")


def damage(data: bytes, other: bytes, suffix: str, rng: np.random.Generator) -> bytes:
    """Damage a file; for half of the archives, damage what they hold instead, so that it is reached at all."""
    if suffix in (".zip", ".npz", ".3mf", ".zae") and rng.random() < 0.5:
        return _mutate_member(data, rng)
    return mutate(data, other, rng)


def _mutate_member(data: bytes, rng: np.random.Generator) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    target = list(members)[int(rng.integers(len(members)))]
    members[target] = mutate(members[target], members[target], rng)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def mutate(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """One to four kinds of damage in a row, mostly one; `other` is a file of the same format to splice from."""
    for _ in range(1 if rng.random() < 0.6 else int(rng.integers(2, 5))):
        texty = b"\x00" not in data[:256]
        kind = _number if texty and rng.random() < 0.3 else _KINDS[int(rng.integers(len(_KINDS)))]
        data = kind(data, other, rng)
    return data


def _at(data: bytes, rng: np.random.Generator) -> int:
    # Headers are short and decide everything, so half of all damage goes to the first bytes.
    reach = min(len(data), 512) if rng.random() < 0.5 else len(data)
    return int(rng.integers(reach)) if reach else 0


def _flip(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    damaged = bytearray(data)
    for _count in range(int(rng.integers(1, 9))):
        if damaged:
            damaged[_at(data, rng)] ^= 1 << int(rng.integers(8))
    return bytes(damaged)


def _truncate(data: bytes, _: bytes, rng: np.random.Generator) -> bytes:
    return data[: _at(data, rng)]


def _delete(data: bytes, _: bytes, rng: np.random.Generator) -> bytes:
    start = _at(data, rng)
    return data[:start] + data[start + int(rng.integers(1, 64)) :]


def _repeat(data: bytes, _: bytes, rng: np.random.Generator) -> bytes:
    start, times = _at(data, rng), int(rng.integers(1, 20))
    return data[:start] + data[start : start + int(rng.integers(1, 64))] * times + data[start:]


def _splice(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    start, source = _at(data, rng), _at(other, rng)
    return data[:start] + other[source : source + int(rng.integers(1, 512))] + data[start + int(rng.integers(512)) :]


def _integer(data: bytes, _: bytes, rng: np.random.Generator) -> bytes:
    start = _at(data, rng)
    patch = (_INTEGERS + _FLOATS)[int(rng.integers(len(_INTEGERS) + len(_FLOATS)))]
    return data[:start] + patch + data[start + 4 :]


def _number(data: bytes, _: bytes, rng: np.random.Generator) -> bytes:
    found = list(_NUMBER.finditer(data, 0, 4096 if rng.random() < 0.7 else len(data)))
    if not found:
        return data
    match = found[int(rng.integers(len(found)))]
    return data[: match.start()] + _WORDS[int(rng.integers(len(_WORDS)))] + data[match.end() :]


_KINDS = (_flip, _truncate, _delete, _repeat, _splice, _integer, _number)
