"""Numbers out of text, the common ground of the ASCII formats."""

import codecs
import io
import re
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from opendlign_core.ingestion.readers.shape_file import ShapeFile
from opendlign_core.ingestion.safety import require

_COMMENT = re.compile(r"(?:#|//)[^\n]*")
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_LONGEST_LINE = 16 << 20


def decode(data: bytes) -> str:
    """Text of a file: UTF-16 and UTF-8 by their byte order mark, otherwise one character per byte."""
    return _decoder(data).decode(data.removeprefix(codecs.BOM_UTF8), final=True)


def text_blocks(file: ShapeFile) -> Iterator[str]:
    """The text of a file in blocks of whole lines, decoded as by `decode`: a large one needs little memory."""
    decoder: io.IncrementalNewlineDecoder | None = None
    begun = ""
    for block in file.blocks():
        if decoder is None:
            decoder, block = _decoder(block), block.removeprefix(codecs.BOM_UTF8)
        whole, _, begun = (begun + decoder.decode(block)).rpartition("\n")
        require(len(begun) <= _LONGEST_LINE, f"has a line of over {_LONGEST_LINE} letters")
        if whole:
            yield whole
    if decoder is not None and (last := begun + decoder.decode(b"", final=True)):
        yield last


def _decoder(head: bytes) -> io.IncrementalNewlineDecoder:
    """What decodes a file that begins so; it makes every kind of line end the same."""
    encoding = "utf-16" if head.startswith(_UTF16) else "latin-1"
    require(encoding == "utf-16" or b"\x00" not in head[:1024], "is binary where text was expected")
    return io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)(), translate=True)


def without_comments(text: str) -> str:
    """The text without `# ...` and `// ...`."""
    return _COMMENT.sub("", text) if "#" in text or "//" in text else text


def floats(tokens: Sequence[str]) -> npt.NDArray[np.float64]:
    """Numbers of tokens; ValueError names the first that is none."""
    return np.fromiter(map(float, tokens), dtype=np.float64, count=len(tokens))


def integers(tokens: Sequence[str]) -> npt.NDArray[np.int64]:
    """Whole numbers of tokens; ValueError names the first that is none."""
    return np.fromiter(map(int, tokens), dtype=np.int64, count=len(tokens))
