"""A board that keeps what a stage shows on it, for tests to look at."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Board:
    """What was shown, by name."""

    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    pictures: dict[str, bytes] = field(default_factory=dict)

    def table(self, name: str, rows: Sequence[dict[str, Any]], about: str) -> None:
        self.tables[name] = list(rows)

    def markdown(self, name: str, text: str, about: str) -> None:
        self.texts[name] = text

    def picture(self, name: str, image: bytes, about: str, media_type: str = "image/png") -> None:
        self.pictures[name] = image

    @property
    def names(self) -> set[str]:
        return {*self.tables, *self.texts, *self.pictures}
