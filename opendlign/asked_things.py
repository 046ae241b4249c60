"""What a command line asks of a scan, refused, where it must be, before anything heavy is loaded."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from opendlign_core.errors import BadInput

Kind = Literal["superpoints", "3detr", "boxes"]
WRITTEN = ("boxes.json", "scene.ply", "scene.glb", "plan.png", "view.png")


@dataclass(frozen=True)
class Proposer:
    """Where boxes come from."""

    kind: Kind = "superpoints"
    file: Path | None = None
    """The checkpoint of 3DETR, or the boxes."""
    yaw: bool = False
    """Whether boxes of surfaces are turned as what is in them."""


@dataclass(frozen=True)
class Words:
    """What things may be called, and what is no thing."""

    names: tuple[str, ...]
    background: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        return (*self.names, *self.background)


def wanted_words(names: tuple[str, ...], background: str) -> Words:
    """Labels, and words for the background between commas; no word may be both."""
    from opendlign_core.evaluation.labels import check_labels

    nothing = tuple(word.strip() for word in background.split(",") if word.strip())
    if nothing:
        check_labels(nothing, "--background")
    folded = {name.casefold() for name in names}
    if both := [word for word in nothing if word.casefold() in folded]:
        raise BadInput(f"--background {background!r}: {both[0]} is one of the labels too; it can be a thing or none")
    return Words(names, nothing)


def wanted_proposer(kind: Kind, checkpoint: Path | None, boxes: Path | None, yaw: bool) -> Proposer:
    for option, path, how in (("--checkpoint", checkpoint, "3detr"), ("--boxes", boxes, "boxes")):
        if (path is not None) != (kind == how):
            raise BadInput(f"{option} and --proposals {how} belong together: name both or neither")
    if yaw and kind != "superpoints":
        raise BadInput(f"--yaw turns boxes of surfaces; those of {kind} are as turned as they are")
    return Proposer(kind, checkpoint or boxes, yaw)


def require_place(folder: Path, scan: Path) -> None:
    """Refuse a folder that is a file, and one where what is written would lie over the scan."""
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"--out {folder}: that is a file; name a folder")
    if scan.resolve() in {(folder / name).resolve() for name in WRITTEN}:
        raise BadInput(f"{scan} would be overwritten by what is made of it: name another folder with --out")
