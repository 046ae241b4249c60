"""A store's outputs as data: what they hold, which shapes they come from, which presets made them, and when."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from flows.history import runs
from storage.inventory import Output
from storage.output import MANIFEST, find_manifest
from storage.records import Manifest
from storage.store import Store


def described(store: Store, found: Sequence[Output]) -> list[dict[str, Any]]:
    """One mapping of plain JSON for each output; of an unfinished one only what its folder tells."""
    manifests = {one.fingerprint: find_manifest(store, one.stage, one.fingerprint) for one in found}
    presets = _presets(store)
    return [_described(store, one, manifests, presets.get(one.folder, [])) for one in found]


def _described(
    store: Store, output: Output, manifests: Mapping[str, Manifest | None], presets: Sequence[str]
) -> dict[str, Any]:
    manifest = manifests[output.fingerprint]
    known = {"output": output.folder, "stage": output.stage, "fingerprint": output.fingerprint, "presets": presets}
    if manifest is None:
        return known | {"finished": None}
    finished = datetime.fromtimestamp(output.objects[MANIFEST].modified, UTC)
    return known | {
        "finished": finished.isoformat(timespec="seconds"),
        "sources": sorted(set(_sources(store, manifest, dict(manifests)))),
        "samples": manifest.samples,
        "rejected": manifest.rejected,
        "shards": len(manifest.shards),
        "bytes": sum(stored.bytes for stored in manifest.every_file()),
    }


def details(manifest: Manifest) -> dict[str, Any]:
    """What one output was made of and holds."""
    rejected = [sample.model_dump() for record in manifest.shards for sample in record.rejected]
    return {
        "recipe": manifest.recipe,
        "upstream": manifest.upstream,
        "summary": manifest.summary,
        "files": [stored.model_dump() for stored in manifest.every_file()],
        "rejected_samples": rejected,
    }


def _presets(store: Store) -> dict[str, list[str]]:
    """The presets whose runs left each output up to date, last first."""
    found: dict[str, list[str]] = {}
    for note in runs(store):
        for folder in note.outputs.values():
            if note.preset not in found.setdefault(folder, []):
                found[folder].append(note.preset)
    return found


def _sources(store: Store, manifest: Manifest, known: dict[str, Manifest | None]) -> Iterator[str]:
    """The names of the sources that an output comes from."""
    if isinstance(source := manifest.recipe.get("source"), Mapping) and "adapter" in source:
        yield str(source.get("name") or source["adapter"])
    for stage, fingerprint in manifest.upstream.items():
        if fingerprint not in known:
            known[fingerprint] = find_manifest(store, stage.partition(":")[0].partition("-")[0], fingerprint)
        if (upstream := known[fingerprint]) is not None:
            yield from _sources(store, upstream, known)
