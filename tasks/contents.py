"""What the files of a source hold, as digests that are remembered from one command to the next."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from opendlign_core.ingestion import FileInfo
from opendlign_core.ingestion.companions import MOST_GLTF_BYTES, companion_keys
from tasks.digests import Digest, DigestMemory
from tasks.files import SourceFiles

log = logging.getLogger(__name__)

MOST_HASHED_BYTES = 16 << 30
"""A source whose shapes take more is hashed as it is ingested; before, its names and sizes tell what it is."""

MOST_REREAD_BYTES = 1 << 30
"""What a command that only plans reads again of such a source, to tell whether files changed."""

CONTENTS = "contents"
"""Name of the file beside a shard that holds digests of its source's files, where those were not hashed before."""

_THREADS = 8


class Contents:
    """Digests of the bytes that objects are made of: a file, and for a `.gltf` also the buffers that it names.

    What was read once is read again only when path, size, times or inode (on S3 the ETag) are others: those key the
    user's private memory, and enter nothing else. Threads may share one.
    """

    def __init__(self, files: SourceFiles) -> None:
        self._files = files
        self._memory = DigestMemory(files.url)

    def are_vast(self, keys: Iterable[str]) -> bool:
        """Whether reading these files takes too long for a command that only plans."""
        infos, wanted = self._files.infos, set(keys)
        if any(key.lower().endswith(".gltf") for key in wanted):
            wanted |= {key for key in infos if key.lower().endswith(".bin")}
        return sum(infos[key].size for key in wanted if key in infos) > MOST_HASHED_BYTES

    def listed(self, keys: Iterable[str]) -> dict[str, str]:
        """The digest of each of these files that was there when they were listed."""
        infos = {key: self._files.infos[key] for key in keys if key in self._files.infos}
        lacking = {key: info for key, info in infos.items() if self._memory.recall(key, info) is None}
        if lacking:
            log.info("hashing %d files, %d MiB", len(lacking), sum(info.size for info in lacking.values()) >> 20)
            with ThreadPoolExecutor(_THREADS) as pool:
                list(pool.map(self._own, lacking, lacking.values()))
        found = {key: self._joint(key, self._files.infos.get) for key in infos}
        self._memory.save()
        return {key: digest for key, digest in found.items() if digest}

    def now(self, key: str) -> str:
        """The digest of what the source gives at this moment; empty where it gives nothing."""
        return self._joint(key, self._files.info)

    def changed(self, recorded: Mapping[str, str]) -> list[str]:
        """Which of the files whose digests were recorded are others now; past a bound, files are not looked at."""
        known, room, skipped = list[str](), MOST_REREAD_BYTES, 0
        for key in recorded:
            info = self._files.infos.get(key)
            cost = info.size if info is not None and self._memory.recall(key, info) is None else 0
            room -= cost
            if room >= 0:
                known.append(key)
            else:
                skipped, room = skipped + 1, room + cost
        if skipped:
            log.info("%d files of the source were not looked at: reading them takes too long", skipped)
        digests = self.listed(known)
        return sorted(key for key in known if digests.get(key) != recorded[key])

    def save(self) -> None:
        """Remember what was learned."""
        self._memory.save()

    def _joint(self, key: str, look: Callable[[str], FileInfo | None]) -> str:
        own = self._own(key, look(key))
        if not own.names:
            return own.sha256
        beside = [[name, self._own(name, look(name)).sha256] for name in own.names]
        return hashlib.sha256(json.dumps([own.sha256, beside]).encode()).hexdigest()

    def _own(self, key: str, info: FileInfo | None) -> Digest:
        if info is None:
            return Digest("")
        if (remembered := self._memory.recall(key, info)) is not None:
            return remembered
        try:
            found = _digest(key, self._files.local(key))
        except FileNotFoundError:
            return Digest("")
        self._memory.learn(key, info if info.version else self._files.infos.get(key), found)
        return found


def _digest(key: str, path: Path) -> Digest:
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    small = path.stat().st_size <= MOST_GLTF_BYTES
    names = companion_keys(key, path.read_bytes()) if key.lower().endswith(".gltf") and small else []
    return Digest(sha256, tuple(names))


def note_contents(digests: Mapping[str, str], folder: Path) -> dict[str, Path]:
    """Digests by key as a file in `folder`, in the form of a shard's attachments."""
    path = folder / f"{CONTENTS}.json"
    path.write_text(json.dumps(dict(digests), sort_keys=True), encoding="utf-8")
    return {CONTENTS: path}
