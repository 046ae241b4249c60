"""The words that stand for the parts of a category: names in templates, or sentences of a library."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from opendlign_core.articles import article
from opendlign_core.errors import BadInput
from opendlign_core.evaluation.labels import fold, prompt_name
from opendlign_core.evaluation.segmentation.choices import Words


def part_phrases(category: str, parts: Sequence[str], words: Words) -> tuple[str, ...]:
    """What is put into templates for the parts of a category.

    >>> part_phrases("office_chair", ["seat"], "owned"), part_phrases("office_chair", ["seat"], "alone")
    (('seat of an office chair',), ('seat',))
    """
    if words == "alone":
        return tuple(map(prompt_name, parts))
    owner = article(prompt_name(category))
    return tuple(f"{prompt_name(part)} of {owner}" for part in parts)


@dataclass(frozen=True)
class PartLibrary:
    """Sentences by category and part, the parts in the order of their numbers."""

    place: str
    sentences: Mapping[str, Mapping[str, tuple[str, ...]]]

    @classmethod
    def read(cls, path: Path) -> "PartLibrary":
        """Read a library: one JSON object, category -> part -> list of sentences.

        Raises:
            BadInput: the file has another shape.
        """
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            library = {
                fold(category): {part: tuple(map(str, texts)) for part, texts in parts.items()}
                for category, parts in found.items()
            }
        except (json.JSONDecodeError, AttributeError, TypeError) as error:
            raise BadInput(f"{path} must hold one JSON object, category -> part -> list of sentences") from error
        return cls(str(path), library)

    def of(self, category: str, parts: int) -> tuple[tuple[str, ...], ...]:
        """The sentences for each of so many parts of a category.

        Raises:
            BadInput: the library lacks the category, or has another number of parts for it, or none for one of them.
        """
        found = self.sentences.get(fold(category))
        if found is None:
            known = ", ".join(self.sentences)
            raise BadInput(f"{self.place} has no sentences for the category {category!r}; it has {known}")
        if len(found) > parts:
            raise BadInput(f"{self.place} names {len(found)} parts of {category}, but the data has {parts}")
        if empty := [part for part, sentences in found.items() if not sentences]:
            raise BadInput(f"{self.place} has no sentences for the {empty[0]} of {category}")
        return tuple(found.values())


@dataclass(frozen=True)
class Shipped:
    """What PointCLIP V2 shipped for a category: places of sentences in its library, view weights, and a check."""

    sentences: tuple[int, ...]
    weights: tuple[float, ...]
    digest: str
    """First half of the SHA-256 of the sentences as a JSON list."""

    def chosen(self, category: str, library: PartLibrary, parts: int) -> tuple[str, ...]:
        """The shipped sentences for the parts of a category; raises `BadInput` if the library is another one."""
        lists = library.of(category, parts)
        if len(lists) != len(self.sentences) or any(
            place >= len(texts) for place, texts in zip(self.sentences, lists, strict=True)
        ):
            raise BadInput(f"{library.place} is not PointCLIP V2's library: it has other sentences for {category}")
        found = tuple(texts[place] for place, texts in zip(self.sentences, lists, strict=True))
        if not sentences_digest(found).startswith(self.digest):
            raise BadInput(f"{library.place} is not PointCLIP V2's library: it has other sentences for {category}")
        return found


def sentences_digest(sentences: Sequence[str]) -> str:
    """SHA-256 of a list of sentences as JSON."""
    return hashlib.sha256(json.dumps(list(sentences), ensure_ascii=False).encode()).hexdigest()


@cache
def shipped() -> dict[str, Shipped]:
    """What PointCLIP V2 shipped, by category of ShapeNetPart."""
    file = resources.files("opendlign_core.evaluation.segmentation") / "tables" / "shipped.json"
    found = json.loads(file.read_text(encoding="utf-8"))
    return {
        category: Shipped(tuple(one["sentences"]), tuple(one["weights"]), one["digest"])
        for category, one in found.items()
    }


def shipped_for(category: str) -> Shipped:
    """What PointCLIP V2 shipped for a category; raises `BadInput` where that is nothing."""
    found = shipped().get(fold(category))
    if found is None:
        raise BadInput(f"PointCLIP V2 shipped no sentences for {category!r}; it did for {', '.join(shipped())}")
    return found
