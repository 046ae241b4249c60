"""Care of a store: re-hash everything, remove what is damaged so that it is rebuilt."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from storage.examine import Findings, examine
from storage.inventory import Output, outputs
from storage.output import MANIFEST
from storage.records import StoredFile
from storage.store import ObjectInfo, Store

PARALLEL = 8


@dataclass
class Health:
    """What a look at every object of a store found.

    `damaged` are objects that are definitely absent or other than their records promise; `unread` are those that
    nobody can tell of, because reading failed. `repaired` names the keys that a repair removed.
    """

    outputs: int = 0
    files: int = 0
    bytes: int = 0
    unfinished: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    orphans: list[ObjectInfo] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return not self.damaged and not self.unread


def verify_store(store: Store, *, repair: bool = False, on_file: Callable[[str], None] | None = None) -> Health:
    """Re-hash every committed file; safe beside running writers.

    `repair` deletes what is damaged, the records that promise it and the manifest above. Damage is what two complete
    looks found in the same way; an output of which anything could not be read is left as it is.
    """
    health = Health()
    with ThreadPoolExecutor(PARALLEL) as pool:
        for output in outputs(store):
            found = _looked_twice(store, output, pool, _counting(health, output, on_file))
            _report(health, output, found)
            if repair and found.damaged and not found.unread:
                _drop_damaged(store, output, found, health)
    return health


def _counting(health: Health, output: Output, on_file: Callable[[str], None] | None) -> Callable[[StoredFile], None]:
    health.outputs += 1

    def count(stored: StoredFile) -> None:
        health.files += 1
        health.bytes += stored.bytes
        if on_file is not None:
            on_file(f"{output.folder}/{stored.file}")

    return count


def _looked_twice(
    store: Store, output: Output, pool: ThreadPoolExecutor, on_file: Callable[[StoredFile], None]
) -> Findings:
    """What the first look suspects is looked at again: it may have been in the making, or spoilt on its way."""
    first = examine(store, output, pool, on_file=on_file)
    if not first.suspects:
        return first
    second = examine(store, output.relisted(store), pool, only=first.suspects)
    for name in sorted(second.damaged):
        if first.damaged.get(name) != second.damaged[name]:
            fault = second.damaged.pop(name)
            second.unread[name] = f"{output.folder}: {name} could be read, but another way each time: {fault}"
    return second


def _report(health: Health, output: Output, found: Findings) -> None:
    if found.manifest is None and MANIFEST not in found.suspects:
        health.unfinished.append(output.folder)
    health.damaged += (found.damaged[name] for name in sorted(found.damaged))
    health.unread += (found.unread[name] for name in sorted(found.unread))
    health.orphans += output.loose(found.manifest)


def _drop_damaged(store: Store, output: Output, found: Findings, health: Health) -> None:
    """The manifest goes first: while it stands, the stage would not look at its shards again."""
    damaged = found.damaged.keys()
    promising = {name for name, record in found.records.items() if damaged & {stored.file for stored in record.files}}
    documents = {name for name in damaged if name.endswith(".json")} | promising
    for name in dict.fromkeys([MANIFEST, *sorted(documents), *sorted(damaged)]):
        key = f"{output.folder}/{name}"
        if store.exists(key):
            store.delete(key)
            health.repaired.append(key)
