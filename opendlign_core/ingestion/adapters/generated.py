"""The embedded data set as an adapter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from opendlign_core.ingestion.adapters.spec import Adapter, Found
from opendlign_core.ingestion.entry import PROCEDURAL as PROCEDURAL_URI
from opendlign_core.ingestion.files import Files
from opendlign_core.ingestion.recipe import SourceSpec


class NoFiles:
    """The files of a source that is generated: none."""

    def list(self, prefix: str = "") -> Iterator[str]:
        return iter(())

    def read(self, key: str) -> bytes:
        raise FileNotFoundError(f"{key!r}: generated data has no files")

    def local(self, key: str) -> Path:
        raise FileNotFoundError(f"{key!r}: generated data has no files")


def _procedural(source: SourceSpec, files: Files) -> Iterator[Found]:
    from opendlign_core.ingestion.procedural import list_procedural

    for entry in list_procedural(source):
        name = entry.object_id.partition("/")[2]
        yield Found(name, entry.split, entry.label, entry.uri, caption=entry.caption)


def _rooms(source: SourceSpec, files: Files) -> Iterator[Found]:
    from opendlign_core.ingestion.procedural import SPLIT_ROUNDS

    seed = source.number("seed", 0)
    for index in range(source.number("rooms", 60)):
        split = SPLIT_ROUNDS[index % len(SPLIT_ROUNDS)]
        yield Found(f"{seed}-{index:06d}", split, "", f"{PROCEDURAL_URI}{index}")


PROCEDURAL: Adapter = Adapter(
    name="procedural",
    title="embedded procedural shapes",
    layout="no files: objects are generated from (seed, index)",
    split="by round: 70% train, 10% val, 20% test",
    label="category",
    caption="colour, material and form words, such as `a red wooden chair with four legs`",
    find=_procedural,
    up_axis="y",
    unit="m",
    licence="CC0-1.0",
    options=(
        ("seed", "`0` when left out"),
        ("objects", "objects of all splits together; `1000` when left out"),
        ("categories", "comma-separated labels; all when left out"),
    ),
    generated=True,
)

ROOMS: Adapter = Adapter(
    name="rooms",
    title="embedded procedural rooms",
    layout="no files: rooms are generated from (seed, index)",
    split="by room: 70% train, 10% val, 20% test",
    label="none; every thing has its own",
    caption="none",
    find=_rooms,
    up_axis="y",
    unit="m",
    licence="CC0-1.0",
    options=(("seed", "`0` when left out"), ("rooms", "rooms of all splits together; `60` when left out")),
    holds="scenes",
    generated=True,
)
