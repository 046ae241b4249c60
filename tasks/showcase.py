"""Where a stage shows what it made, under names that stay the same from run to run."""

import re
from collections.abc import Sequence
from typing import Any, Protocol

MOST_PICTURE_BYTES = 400_000
"""A picture travels inside its row of the server's database, which should not grow by megabytes a run."""


_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~])")


def markdown_text(words: str) -> str:
    r"""Words that came from data, as markdown that shows them as they are.

    >>> print(markdown_text("a*b <i>"))
    a\*b \<i\>
    """
    return _MARKDOWN.sub(r"\\\1", words.replace("\n", " "))


class Showcase(Protocol):
    """The board of one stage; the Prefect UI's is `tasks.artifacts.Artifacts`."""

    def table(self, name: str, rows: Sequence[dict[str, Any]], about: str) -> None: ...

    def markdown(self, name: str, text: str, about: str) -> None: ...

    def picture(self, name: str, image: bytes, about: str, media_type: str = "image/png") -> None:
        """Show a picture of at most `MOST_PICTURE_BYTES`; a larger one is refused with `ValueError`."""
        ...
