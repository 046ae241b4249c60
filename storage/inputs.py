"""Whether an output was made from the bytes that its inputs hold now.

A fingerprint follows from recipes; some machines make other bytes of the same recipe. Where such a shard is repaired,
what was made from the old one keeps its fingerprint, and only the digests that its manifest keeps tell.
"""

from collections.abc import Mapping

from storage.output import find_manifest
from storage.records import Manifest
from storage.store import Store


def changed_inputs(store: Store, manifest: Manifest, known: Mapping[str, Manifest] | None = None) -> list[str]:
    """Folders of the outputs that held other bytes when this one was made from them.

    Of an input that is not finished now, and for a manifest that does not say its inputs, nobody can tell. `known`
    are manifests that the caller has read already, by folder; large ones take a while to read.
    """
    return [folder for folder in manifest.inputs if _has_changed(store, manifest, folder, known or {})]


def _has_changed(store: Store, manifest: Manifest, folder: str, known: Mapping[str, Manifest]) -> bool:
    now = known.get(folder) or find_manifest(store, *folder.split("/"))
    return now is not None and now.content_digest != manifest.inputs[folder]
