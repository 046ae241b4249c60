"""What a stage shows of its output in the Prefect UI, as files."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opendlign_core.errors import BadInput
from storage.records import Manifest
from storage.store import Store
from tasks.registry import stage_named

_SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp"}


@dataclass(frozen=True)
class PictureFolder:
    """A board that keeps the pictures of one output in a folder; tables and texts are told elsewhere."""

    folder: Path
    name: str
    written: list[Path] = field(default_factory=list)

    def table(self, name: str, rows: Sequence[dict[str, Any]], about: str) -> None:
        pass

    def markdown(self, name: str, text: str, about: str) -> None:
        pass

    def picture(self, name: str, image: bytes, about: str, media_type: str = "image/png") -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{self.name}-{name}{_SUFFIXES[media_type]}"
        path.write_bytes(image)
        self.written.append(path)


def write_pictures(store: Store, manifest: Manifest, folder: Path) -> list[Path]:
    """Write the pictures that the stage of an output shows of it; BadInput where it shows none."""
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"--pictures {folder}: that is a file; name a folder")
    board = PictureFolder(folder, f"{manifest.stage}-{manifest.fingerprint[:8]}")
    stage_named(manifest.stage).show(store, manifest, board)
    if not board.written:
        raise BadInput(f"{manifest.folder} has no pictures to show")
    return board.written
