"""The embedded data set as an adapter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from opendlign_core.ingestion.adapters.spec import Adapter, Found
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
)
