"""Class lists: the packaged ones, a user's file, and the way a label in the data finds its class."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from pathlib import Path

from opendlign_core.errors import BadInput
from opendlign_core.evaluation.lists import read_list

_FOLDER = resources.files("opendlign_core.evaluation") / "labels"


def label_lists() -> tuple[str, ...]:
    """Names of the packaged lists."""
    return tuple(sorted(entry.name.removesuffix(".txt") for entry in _FOLDER.iterdir() if entry.name.endswith(".txt")))


@cache
def packaged_labels(name: str) -> tuple[str, ...]:
    """Class names of a packaged list, in label order."""
    file = _FOLDER / f"{name}.txt"
    if not file.is_file():
        raise BadInput(
            f"no packaged label list {name!r}; known: {', '.join(label_lists())}, or give the names themselves"
        )
    return tuple(file.read_text(encoding="utf-8").splitlines())


def read_labels(path: Path) -> tuple[str, ...]:
    """Read a user's class names: a JSON list, or one name per line."""
    return check_labels(read_list(path), str(path))


def check_labels(labels: Iterable[str], origin: str) -> tuple[str, ...]:
    """Refuse empty lists and names that mean the same class; the error names `origin`."""
    names = tuple(labels)
    if not names:
        raise BadInput(f"{origin} holds no class names; expected one per line or a JSON list")
    seen: dict[str, str] = {}
    for name in names:
        twin = seen.setdefault(fold(name), name)
        if twin is not name:
            raise BadInput(f"{origin}: {name!r} and {twin!r} are the same class")
    return names


def resolve_labels(labels: str | tuple[str, ...], found: Iterable[str]) -> tuple[str, ...]:
    """A recipe's `labels` as class names; `found` are the labels that occur, used by `from-data`."""
    if isinstance(labels, tuple):
        return labels
    return _spelled_most(found) if labels == "from-data" else packaged_labels(labels)


def _spelled_most(found: Iterable[str]) -> tuple[str, ...]:
    """The classes among labels as written, sorted, each in its most frequent spelling."""
    chosen: dict[str, str] = {}
    for name, _ in sorted(Counter(found).items(), key=lambda item: (-item[1], item[0])):
        chosen.setdefault(fold(name), name)
    return tuple(sorted(chosen.values()))


def prompt_name(label: str) -> str:
    """The name as it is put into a sentence: underscores are spaces."""
    return label.replace("_", " ")


def fold(label: str) -> str:
    """The form in which spellings of one class are equal: case, underscores, spaces and how accents are coded."""
    return unicodedata.normalize("NFC", " ".join(prompt_name(label).split()).casefold())


class LabelIndex:
    """Finds the class of a label as written in the data: aliases first, then case and underscores are overlooked."""

    def __init__(self, classes: tuple[str, ...], aliases: Mapping[str, str] | None = None) -> None:
        """Aliases map a label in the data to a class name.

        Raises:
            BadInput: an alias leads to a name that is not a class.
        """
        self._index = {fold(name): position for position, name in enumerate(classes)}
        for written, name in (aliases or {}).items():
            if fold(name) not in self._index:
                raise BadInput(f"alias {written!r} leads to {name!r}, which is not one of the {len(classes)} classes")
            self._index[fold(written)] = self._index[fold(name)]

    def find(self, label: str | None) -> int | None:
        """Index of the class, or None when the label leads to none."""
        return None if label is None else self._index.get(fold(label))
