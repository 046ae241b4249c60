"""Access to the files of a source, wherever they lie."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Protocol


class Files(Protocol):
    """The files below a source's url; keys are relative, with forward slashes. Safe to call from threads."""

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield every key that starts with `prefix`, in sorted order."""
        ...

    def read(self, key: str) -> bytes:
        """Return a whole file; FileNotFoundError when there is none."""
        ...

    def local(self, key: str) -> Path:
        """Return a local path of the file, with its companions (glTF buffers) beside it where they exist."""
        ...


class DirectoryFiles:
    """The files of a local folder."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).expanduser().absolute()
        if not self.root.is_dir():
            raise FileNotFoundError(f"source folder {self.root} does not exist")

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys of all regular files below the folder whose key starts with `prefix`, sorted."""
        start = self.root / prefix.rpartition("/")[0]
        if not start.is_dir():
            return
        found = (path.relative_to(self.root).as_posix() for path in start.rglob("*") if path.is_file())
        yield from sorted(key for key in found if key.startswith(prefix))

    def read(self, key: str) -> bytes:
        """Return the whole file of that key."""
        return self.local(key).read_bytes()

    def local(self, key: str) -> Path:
        """Return the path of that key, which must lie inside the folder."""
        relative = PurePosixPath(key)
        if relative.is_absolute() or ".." in relative.parts:
            raise FileNotFoundError(f"key {key!r} points outside the source folder {self.root}")
        path = self.root / relative
        if not path.is_file():
            raise FileNotFoundError(f"{key!r} does not exist in the source folder {self.root}")
        return path
