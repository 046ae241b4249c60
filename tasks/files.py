"""The files of a data source, local or on S3, as ingestion wants to see them."""

import tempfile
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

from storage.local import LocalStore
from storage.stores import Store, open_store

# A glTF or OBJ file may name buffers and materials that lie in its folder.
WITH_COMPANIONS = {".gltf", ".obj", ".dae"}
MOST_COMPANION_BYTES = 64 << 20


class StoreFiles:
    """The objects of a store as an ingestion source; files on S3 are brought to a local folder when first needed."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.store: Store = open_store(url)
        if isinstance(self.store, LocalStore) and not self.store.root.is_dir():
            raise FileNotFoundError(f"source folder {url} does not exist")

    def __reduce__(self) -> tuple[type["StoreFiles"], tuple[str]]:
        return (StoreFiles, (self.url,))

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Every key of the source with its size in bytes, from one listing."""
        return {info.key: info.size for info in self.store.list()}

    @cached_property
    def _scratch(self) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory(prefix="opendlign-source-", ignore_cleanup_errors=True)

    def close(self) -> None:
        """Remove what was downloaded."""
        if "_scratch" in self.__dict__:
            self._scratch.cleanup()

    def list(self, prefix: str = "") -> Iterator[str]:
        yield from sorted(key for key in self.sizes if key.startswith(prefix))

    def read(self, key: str) -> bytes:
        return self.store.read(key)

    def local(self, key: str) -> Path:
        if isinstance(self.store, LocalStore):
            path = self.store.path(key)
            if not path.is_file():
                raise FileNotFoundError(f"{key!r} does not exist in the source folder {self.url}")
            return path
        for companion in self._companions(key):
            self._bring(companion)
        return self._bring(key)

    def _companions(self, key: str) -> Sequence[str]:
        name = PurePosixPath(key)
        if name.suffix.lower() not in WITH_COMPANIONS:
            return []
        folder = f"{name.parent}/" if name.parent.name else ""
        beside = [other for other in self.sizes if other.startswith(folder) and other != key]
        return beside if sum(self.sizes[other] for other in beside) <= MOST_COMPANION_BYTES else []

    def _bring(self, key: str) -> Path:
        path = Path(self._scratch.name) / key
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f"{path.name}.part")
            with self.store.open(key) as source, part.open("wb") as target:
                while block := source.read(8 << 20):
                    target.write(block)
            part.replace(path)
        return path
