"""The words that a small CLIP was taught: of others it knows only the pieces that its tokenizer makes. Torch-free.

What says nothing of its words, such as the CLIPs that read the web, is taken to have read them all.
"""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from opendlign_core.clip.spec import PACKAGE, ClipSpec, packaged_folder

WORDS_FILE = "words.txt"
"""Beside the weights, a word a line."""
_WORD = re.compile(r"[^\W_]+")


def split_words(text: str) -> list[str]:
    """The words of a text, in lower case.

    >>> split_words("A wine_glass, 3D!")
    ['a', 'wine', 'glass', '3d']
    """
    return _WORD.findall(text.lower())


def unread_words(spec: ClipSpec, texts: Iterable[str]) -> tuple[str, ...]:
    """Words of these texts that the CLIP never read, each once, in the order in which they occur.

    >>> unread_words(ClipSpec.packaged("mini"), ["a red mug", "a dolphin", "quux"])
    ('dolphin', 'quux')
    """
    known = _known(spec)
    if known is None:
        return ()
    return tuple(dict.fromkeys(word for text in texts for word in split_words(text) if word not in known))


def words_file(spec: ClipSpec) -> Path | None:
    """The list of the words that the CLIP read, where there is one."""
    if spec.weights.startswith(PACKAGE):
        path = packaged_folder(spec.weights.removeprefix(PACKAGE)) / WORDS_FILE
    elif (weights := spec.local_weights) is not None:
        path = weights.parent / WORDS_FILE
    else:
        return None
    return path if path.is_file() else None


def _known(spec: ClipSpec) -> frozenset[str] | None:
    """Every word that the CLIP read; None where nobody says."""
    path = words_file(spec)
    return None if path is None else _listed(path)


@cache
def _listed(path: Path) -> frozenset[str]:
    return frozenset(path.read_text(encoding="utf-8").splitlines())
