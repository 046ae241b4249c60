"""Numbers out of text, the common ground of the ASCII formats."""

import codecs
import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from opendlign_core.ingestion.safety import require

_COMMENT = re.compile(r"(?:#|//)[^\n]*")


def decode(data: bytes) -> str:
    """Text of a file: UTF-16 and UTF-8 by their byte order mark, otherwise one character per byte."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _one_line_end(data.decode("utf-16"))
    if data.startswith(codecs.BOM_UTF8):
        data = data[3:]
    text = data.decode("latin-1")
    require("\x00" not in text[:1024], "is binary where text was expected")
    return _one_line_end(text)


def _one_line_end(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def without_comments(text: str) -> str:
    """The text without `# ...` and `// ...`."""
    return _COMMENT.sub("", text) if "#" in text or "//" in text else text


def floats(tokens: Sequence[str]) -> npt.NDArray[np.float64]:
    """Numbers of tokens; ValueError names the first that is none."""
    return np.fromiter(map(float, tokens), dtype=np.float64, count=len(tokens))


def integers(tokens: Sequence[str]) -> npt.NDArray[np.int64]:
    """Whole numbers of tokens; ValueError names the first that is none."""
    return np.fromiter(map(int, tokens), dtype=np.int64, count=len(tokens))
