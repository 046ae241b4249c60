"""The files that a shape's file names beside itself; only glTF has any that matter."""

import json
import posixpath
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import PurePosixPath
from urllib.parse import unquote

MOST_GLTF_BYTES = 64 << 20
"""Largest `.gltf` that may name other files: it is text, and may be hostile."""
MOST_COMPANIONS = 64
"""Most files that one `.gltf` may name."""

_URI = re.compile(rb'"uri"\s*:\s*("[^"\n]{1,1024}")')
_PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".ktx2", ".basis", ".dds"}


def companion_keys(key: str, gltf: bytes) -> list[str]:
    """The keys of the files beside or below a `.gltf` that it names, pictures apart, whether they exist or not."""
    folder = posixpath.dirname(key)
    beside = (posixpath.normpath(uri) for uri in islice(_uris(gltf), MOST_COMPANIONS))
    return [posixpath.join(folder, name) for name in beside if not name.startswith(("/", "../")) and name != ".."]


def _uris(gltf: bytes) -> Iterator[str]:
    """Looked for in the text, which nobody has to parse for it."""
    seen = set()
    for match in _URI.finditer(gltf):
        try:
            uri = unquote(json.loads(match[1])).replace("\\", "/")
        except ValueError:
            continue
        if uri not in seen and ":" not in uri and PurePosixPath(uri).suffix.lower() not in _PICTURES:
            seen.add(uri)
            yield uri
