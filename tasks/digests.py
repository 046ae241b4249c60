"""The user's private memory of what was hashed, one file per source; losing it costs time and nothing else."""

import hashlib
import json
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from opendlign_core.ingestion import FileInfo
from storage.usercache import UserCache

# A file that changed as recently may change again without getting another time.
SETTLED_SECONDS = 2.0


@dataclass(frozen=True)
class Digest:
    """What was learned of a file: its sha256, empty where there was none, and the keys of the files that it names."""

    sha256: str
    names: tuple[str, ...] = ()


class DigestMemory:
    """Digests by key and version of the files below one url. Threads and processes may share the memory."""

    def __init__(self, url: str) -> None:
        self._name = f"digests-{hashlib.sha256(url.encode(errors='surrogateescape')).hexdigest()[:32]}.json"
        self._known = _read(self._name)
        self._learned: dict[str, tuple[str, Digest]] = {}
        self._settled: set[str] = set()
        self._guard = threading.Lock()

    def recall(self, key: str, info: FileInfo) -> Digest | None:
        """What is known of a file of that size and version."""
        version, digest = self._learned.get(key) or self._known.get(key) or ("", None)
        return digest if info.version and version == _versioned(info) else None

    def learn(self, key: str, info: FileInfo | None, digest: Digest) -> None:
        """Keep what was just read from a file, for later commands unless it is being written."""
        if info is None or not info.version:
            return
        with self._guard:
            self._learned[key] = (_versioned(info), digest)
            if time.time() - info.changed > SETTLED_SECONDS:
                self._settled.add(key)

    def save(self) -> None:
        """Write the memory whole, with what other processes learned meanwhile."""
        with self._guard:
            fresh = {key: self._learned[key] for key in self._settled}
            self._settled.clear()
        if fresh:
            self._known = _read(self._name) | fresh
            _write(self._name, self._known)


def digest_of(path: Path) -> str:
    """The sha256 of a file of this machine; what was read once is read again only when it may have changed."""
    path = path.resolve()
    status = path.stat()
    version = f"{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_dev}-{status.st_ino}"
    info = FileInfo(status.st_size, version, max(status.st_mtime, status.st_ctime))
    memory = DigestMemory(str(path.parent))
    if (known := memory.recall(path.name, info)) is None:
        with path.open("rb") as stream:
            known = Digest(hashlib.file_digest(stream, "sha256").hexdigest())
        memory.learn(path.name, info, known)
        memory.save()
    return known.sha256


def _versioned(info: FileInfo) -> str:
    return f"{info.size}-{info.version}"


def _read(name: str) -> dict[str, tuple[str, Digest]]:
    # Neither a home that cannot be written nor what another version wrote there may stop anybody's work.
    with suppress(OSError, ValueError, TypeError, AttributeError):
        return _parsed(UserCache().read(name) or b"{}")
    return {}


def _parsed(content: bytes) -> dict[str, tuple[str, Digest]]:
    stored: Mapping[str, tuple[str, str, list[str]]] = json.loads(content)
    return {key: (version, Digest(sha256, tuple(names))) for key, (version, sha256, names) in stored.items()}


def _write(name: str, known: Mapping[str, tuple[str, Digest]]) -> None:
    content = {key: (version, digest.sha256, digest.names) for key, (version, digest) in known.items()}
    with suppress(OSError):
        UserCache().write(name, json.dumps(content).encode())
