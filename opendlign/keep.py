"""Care of a store: `verify`, `gc` and `inspect`."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.table import Table

from opendlign.show import console, plain
from opendlign_core.errors import BadInput
from storage.collect import delete_all, garbage
from storage.errors import MissingOutput
from storage.inventory import Output, outputs
from storage.output import find_manifest
from storage.records import Manifest
from storage.settings import get_settings
from storage.store import Store
from storage.stores import open_store
from storage.upkeep import Health, verify_store
from tasks.registry import BESIDE


def verify(store: str | None = None, /, *, repair: bool = False) -> int:
    """Re-hash every committed file, list damage and orphans. Exit code 1 while damage or doubt remains.

    Parameters
    ----------
    store
        A folder or s3://bucket/prefix (default: OPENDLIGN_STORE or ./store).
    repair
        Delete damaged shards and their records, so that the next run rebuilds exactly those.
    """
    store_url = store or get_settings().store
    with console.status("hashing") as status:
        health = verify_store(
            open_store(store_url), repair=repair, on_file=lambda name: status.update(plain(f"hashing {name}"))
        )
    if store and not health.outputs:
        raise MissingOutput(f"no outputs in {store_url}: is that the store?")
    _say(f"{health.outputs} outputs, {health.files} files, {health.bytes / 1e6:.1f} MB in {store_url}")
    for title, lines in (
        ("damaged", health.damaged),
        ("unread", health.unread),
        ("removed", health.repaired),
        ("unfinished", health.unfinished),
        ("orphan", [f"{info.key} ({info.size} bytes)" for info in health.orphans]),
    ):
        for line in lines:
            _say(f"{title}: {line}")
    _say(_verdict(health))
    return 0 if health.sound or (repair and not health.unread) else 1


def _verdict(health: Health) -> str:
    if health.sound:
        return "everything is as its records say"
    if health.unread:
        kept = "their outputs were left as they are; see why, then verify again"
        return f"{len(health.damaged)} damaged files, {len(health.unread)} objects could not be read; {kept}"
    damage = f"{len(health.damaged)} damaged files"
    if health.repaired:
        return f"{damage}, {len(health.repaired)} objects removed; run again to rebuild exactly those shards"
    return f"{damage}; --repair removes them, and the next run rebuilds exactly those shards"


def gc(
    store: str | None = None,
    /,
    *,
    delete: bool = False,
    keep: Annotated[
        list[str] | None, Parameter(help="Keep only these fingerprints and what they were made from")
    ] = None,
) -> int:
    """List what no kept manifest needs; with --delete, remove it.

    Parameters
    ----------
    store
        A folder or s3://bucket/prefix (default: OPENDLIGN_STORE or ./store).
    delete
        Remove what is listed.
    """
    store_url = store or get_settings().store
    opened = open_store(store_url)
    if store and next(iter(opened.list()), None) is None:
        raise MissingOutput(f"nothing in {store_url}: is that the store?")
    unwanted = garbage(opened, None if keep is None else _full_fingerprints(opened, keep), beside=BESIDE)
    for info in unwanted:
        _say(f"{info.key}  {info.size} bytes")
    if delete:
        delete_all(opened, unwanted)
    verb = "removed" if delete else "could be removed with --delete"
    _say(f"{len(unwanted)} objects, {sum(info.size for info in unwanted) / 1e6:.1f} MB {verb}")
    return 0


def _full_fingerprints(store: Store, prefixes: list[str]) -> set[str]:
    known = {output.fingerprint for output in outputs(store)}
    chosen = {prefix: {full for full in known if full.startswith(prefix)} for prefix in prefixes}
    for prefix, matches in chosen.items():
        if len(matches) != 1:
            raise MissingOutput(f"--keep {prefix}: {len(matches)} outputs have a fingerprint that starts so; name one")
    return set().union(*chosen.values())


def inspect(
    output: str = "",
    /,
    *,
    store: str | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative=(), help="Print JSON, for other programs")] = False,
    pictures: Annotated[Path | None, Parameter(help="Write contact sheets of one output into this folder")] = None,
) -> int:
    """List a store's outputs, or show one of them: recipe, counts, shards, rejected samples, pictures.

    Parameters
    ----------
    output
        stage/fingerprint, a prefix is enough; empty lists all outputs.
    store
        A folder or s3://bucket/prefix (default: OPENDLIGN_STORE or ./store).
    """
    store_url = store or get_settings().store
    opened = open_store(store_url)
    found = [item for item in outputs(opened) if item.folder.startswith(output)]
    if not found:
        wanted = f"no output {output!r} in {store_url}; `opendlign inspect` lists what there is"
        raise MissingOutput(wanted if output else f"no outputs in {store_url}: is that the store?")
    if pictures is not None:
        return _draw(opened, found, pictures)
    if as_json:
        return _print_json(opened, found, whole=bool(output))
    if len(found) > 1 or not output:
        table = Table("output", "samples", "rejected", "shards", "MB", title=plain(store_url))
        for item in found:
            table.add_row(item.folder, *_numbers(find_manifest(opened, item.stage, item.fingerprint)))
        console.print(table)
        return 0
    manifest = find_manifest(opened, found[0].stage, found[0].fingerprint)
    if manifest is None:
        _say(f"{found[0].folder} is unfinished: {len(found[0].objects)} objects, no manifest")
        return 0
    _show(manifest)
    return 0


def _draw(store: Store, found: Sequence[Output], folder: Path) -> int:
    from opendlign.pictured import write_pictures

    manifest = find_manifest(store, found[0].stage, found[0].fingerprint) if len(found) == 1 else None
    if manifest is None:
        raise BadInput(f"--pictures needs one finished output, and {len(found)} are named; say stage/FINGERPRINT")
    _say(f"{manifest.folder}: {', '.join(map(str, write_pictures(store, manifest, folder)))}")
    return 0


def _print_json(store: Store, found: Sequence[Output], whole: bool) -> int:
    """A list of outputs or, where a single one is named, all that is known of it."""
    from opendlign.outputs import described, details

    listed: Any = described(store, found)
    if whole and len(found) == 1:
        manifest = find_manifest(store, found[0].stage, found[0].fingerprint)
        listed = listed[0] | (details(manifest) if manifest else {})
    sys.stdout.write(json.dumps(listed, indent=1, ensure_ascii=False) + "\n")
    return 0


def _numbers(manifest: Manifest | None) -> tuple[str, ...]:
    if manifest is None:
        return ("unfinished", "", "", "")
    size = sum(stored.bytes for stored in manifest.every_file()) / 1e6
    return (str(manifest.samples), str(manifest.rejected), str(len(manifest.shards)), f"{size:.1f}")


def _show(manifest: Manifest) -> None:
    console.print_json(data={"recipe": manifest.recipe, "upstream": manifest.upstream, "summary": manifest.summary})
    table = Table("file", "samples", "bytes", "sha256", title=manifest.folder)
    for record in manifest.shards:
        table.add_row(plain(record.shard.file), str(record.samples), str(record.shard.bytes), record.shard.sha256[:12])
    for stored in manifest.files:
        table.add_row(plain(stored.file), "", str(stored.bytes), stored.sha256[:12])
    console.print(table)
    for record in manifest.shards:
        for sample in record.rejected:
            _say(f"rejected {sample.id}: {sample.reason}")


def _say(line: str) -> None:
    console.print(plain(line), soft_wrap=True)
