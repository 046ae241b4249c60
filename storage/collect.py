"""What of a store nobody needs any more, and its removal."""

import re
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from storage.errors import DamagedOutput
from storage.fingerprint import StageIdentity
from storage.output import IDENTITY, MANIFEST, find_manifest
from storage.records import Manifest
from storage.store import ObjectInfo, Store
from storage.upkeep import PARALLEL, Output, identity_fault, outputs_among

# What stages keep beside their outputs: notes of what a shard cost, training in progress, who used which features.
BESIDE = re.compile(r"(?P<kind>timings|checkpoints|features)/(?P<folder>[a-z][a-z-]*/[0-9a-f]{20})/(?P<name>.+)")
FEATURES = re.compile(r"features/(?P<name>[^/]+)")

# A write in progress is touched all the time; what was not touched for a day has no writer any more.
LEFTOVER_AGE = timedelta(days=1)


def garbage(
    store: Store, keep: Collection[str] | None = None, *, older_than: timedelta = LEFTOVER_AGE
) -> list[ObjectInfo]:
    """Objects no kept output needs.

    They are orphans everywhere, old remains of interrupted writes and, when `keep` names fingerprints, whole other
    outputs. Kept are the named outputs and everything they are made from, finished or not; without `keep` all are.
    A kept output that is unfinished loses nothing, since somebody may be at work on it. What stages keep beside
    their outputs goes with them: timings, checkpoints (which a finished output needs no more either), and features
    that no remaining evaluation used.

    Raises `DamagedOutput` where a manifest cannot be read, because nobody knows what that output needs, and
    `ValueError` when `keep` names nothing that is here.
    """
    objects = list(store.list())
    found = list(outputs_among(objects))
    manifests = {output.fingerprint: find_manifest(store, output.stage, output.fingerprint) for output in found}
    if keep and not manifests.keys() & set(keep):
        raise ValueError(f"none of the outputs to keep is in {store.url}: {sorted(keep)[:5]}")
    needed = set(manifests) if keep is None else _closure(store, keep, found, manifests)
    unwanted: list[ObjectInfo] = []
    for output in found:
        if output.fingerprint in needed:
            unwanted += _loose(output, manifests[output.fingerprint])
        else:
            unwanted += output.objects.values()
    staying = {output.folder: manifests[output.fingerprint] for output in found if output.fingerprint in needed}
    return [*unwanted, *_beside(objects, staying), *store.leftovers(older_than)]


def delete_all(store: Store, objects: Sequence[ObjectInfo]) -> None:
    """Delete the objects, manifests first, so that an interrupted deletion leaves no output that looks finished."""
    first = [info for info in objects if info.key.endswith(f"/{MANIFEST}")]
    rest = [info for info in objects if not info.key.endswith(f"/{MANIFEST}")]
    with ThreadPoolExecutor(PARALLEL) as pool:
        for part in (first, rest):
            list(pool.map(lambda info: store.delete(info.key), part))


def _closure(
    store: Store, keep: Collection[str], found: Sequence[Output], manifests: dict[str, Manifest | None]
) -> set[str]:
    by_fingerprint = {output.fingerprint: output for output in found}
    needed: set[str] = set()
    waiting = list(keep)
    while waiting:
        fingerprint = waiting.pop()
        if fingerprint in needed:
            continue
        needed.add(fingerprint)
        if fingerprint in by_fingerprint:
            waiting += _upstream(store, by_fingerprint[fingerprint], manifests[fingerprint])
    return needed


def _upstream(store: Store, output: Output, manifest: Manifest | None) -> list[str]:
    """What an output is made from: its manifest says so or, while it is unfinished, its declaration."""
    if manifest is not None:
        return list(manifest.upstream.values())
    if IDENTITY not in output.objects:
        return []
    if fault := identity_fault(store, output):
        raise DamagedOutput(output.stage, output.fingerprint, IDENTITY, "a StageIdentity", fault)
    return list(StageIdentity.model_validate_json(store.read(f"{output.folder}/{IDENTITY}")).upstream.values())


def _loose(output: Output, manifest: Manifest | None) -> list[ObjectInfo]:
    if manifest is None:
        return []
    known = {stored.file for stored in manifest.every_file()} | {MANIFEST, IDENTITY}
    known |= {f"shard-{record.index:06d}.json" for record in manifest.shards}
    return [info for name, info in output.objects.items() if name not in known]


def _beside(objects: Sequence[ObjectInfo], staying: dict[str, Manifest | None]) -> Iterator[ObjectInfo]:
    """What lies beside outputs that do not stay, checkpoints of finished ones, and features without a user."""
    used = set()
    for info in objects:
        if match := BESIDE.fullmatch(info.key):
            stays = match["folder"] in staying
            if stays and match["kind"] == "features":
                used.add(match["name"])
            elif not stays or (match["kind"] == "checkpoints" and staying[match["folder"]] is not None):
                yield info
    yield from (info for info in objects if (match := FEATURES.fullmatch(info.key)) and match["name"] not in used)
