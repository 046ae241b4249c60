"""What an output was made from, as far back as the store goes."""

from collections.abc import Iterator

from storage.output import find_manifest
from storage.records import Manifest
from storage.store import Store


def lineage(store: Store, manifest: Manifest) -> Iterator[Manifest]:
    """Every finished output that this one was made from, directly or not, nearest first and each once.

    What was made elsewhere ends where its own store did.
    """
    seen, waiting = {manifest.folder}, [manifest]
    for output in waiting:
        for stage, fingerprint in output.upstream.items():
            folder = f"{stage}/{fingerprint}"
            if folder not in seen and (found := find_manifest(store, stage, fingerprint)) is not None:
                seen.add(folder)
                waiting.append(found)
                yield found
