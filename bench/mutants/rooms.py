"""Which code is changed, and which tests must notice."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ENGINE = ("engine", "volume", "slicewise", "filters", "grid", "splat", "views", "points", "checks")


@dataclass(frozen=True)
class Room:
    """Patterns of its modules, and the folders and files of its tests."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Rooms:
    """Rooms by name in the repository at `root`."""

    root: Path
    rooms: Mapping[str, Room]

    def modules(self, room: str) -> list[str]:
        """Paths of the room's modules below the root, in order."""
        patterns = self.rooms[room].modules
        return sorted(path.relative_to(self.root).as_posix() for one in patterns for path in self.root.glob(one))

    def tests(self, room: str) -> list[str]:
        """Paths of the room's test files below the root."""
        given = [self.root / entry for entry in self.rooms[room].tests]
        found = [path for entry in given for path in sorted(entry.rglob("test_*.py")) or [entry]]
        return [path.relative_to(self.root).as_posix() for path in found]

    def read(self, file: str) -> str:
        return (self.root / file).read_text()


PRODUCT = Rooms(
    Path(__file__).resolve().parent.parent.parent,
    {
        "storage": Room(("storage/*.py",), ("tests/storage",)),
        "evaluation": Room(
            ("opendlign_core/evaluation/*.py",),
            ("tests/evaluation", "tests/golden/test_text_ensemble.py", "tests/golden/test_pointclip_v2_head.py"),
        ),
        "loop": Room(("opendlign_core/loop/*.py",), ("tests/loop", "tests/training")),
        "projection": Room(
            tuple(f"opendlign_core/projection/{name}.py" for name in ENGINE),
            ("tests/projection", "tests/golden/test_pointclip_v2_projection.py"),
        ),
    },
)
