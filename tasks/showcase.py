"""Where a stage shows what it made, under names that stay the same from run to run."""

from collections.abc import Sequence
from typing import Any, Protocol

MOST_PICTURE_BYTES = 400_000
"""A picture travels inside its row of the server's database, which should not grow by megabytes a run."""


class Showcase(Protocol):
    """The board of one stage; the Prefect UI's is `tasks.artifacts.Artifacts`."""

    def table(self, name: str, rows: Sequence[dict[str, Any]], about: str) -> None: ...

    def markdown(self, name: str, text: str, about: str) -> None: ...

    def picture(self, name: str, image: bytes, about: str, media_type: str = "image/png") -> None:
        """Show a picture of at most `MOST_PICTURE_BYTES`; a larger one is refused with `ValueError`."""
        ...
