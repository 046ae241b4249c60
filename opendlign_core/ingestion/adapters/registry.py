"""Every adapter by name, and `list_entries`, the one way in."""

from __future__ import annotations

from collections.abc import Iterator

from opendlign_core.errors import BadInput
from opendlign_core.ingestion.adapters.generated import PROCEDURAL, ROOMS, NoFiles
from opendlign_core.ingestion.adapters.generic import FOLDER, OPENDLIGN
from opendlign_core.ingestion.adapters.lists import LIST
from opendlign_core.ingestion.adapters.modelnet import MODELNET40, MODELNET40_H5, MODELNET40_RESAMPLED
from opendlign_core.ingestion.adapters.objaverse import OBJAVERSE_LVIS
from opendlign_core.ingestion.adapters.photos import IMAGENET3D, PAINTED_PHOTOS, PASCAL3D_TABLE
from opendlign_core.ingestion.adapters.scans import OMNIOBJECT3D, SCANOBJECTNN_H5
from opendlign_core.ingestion.adapters.scenes import SCANNET, SCANNET_VOTENET, SCANS, SUNRGBD_SCENES
from opendlign_core.ingestion.adapters.shapenet import SHAPENET, SHAPENET_OPENSHAPE, SHAPENET_ULIP
from opendlign_core.ingestion.adapters.shapenetpart import SHAPENET_PART_H5
from opendlign_core.ingestion.adapters.spec import Adapter, entries_of
from opendlign_core.ingestion.entry import ObjectEntry
from opendlign_core.ingestion.files import Files
from opendlign_core.ingestion.recipe import SourceSpec

_ALL: tuple[Adapter, ...] = (
    PROCEDURAL, FOLDER, LIST, MODELNET40, MODELNET40_H5, MODELNET40_RESAMPLED, SCANOBJECTNN_H5, OMNIOBJECT3D,
    OBJAVERSE_LVIS, SHAPENET, SHAPENET_OPENSHAPE, SHAPENET_ULIP, SHAPENET_PART_H5, OPENDLIGN,
    ROOMS, SCANNET, SCANNET_VOTENET, SUNRGBD_SCENES, SCANS,
    IMAGENET3D, PASCAL3D_TABLE, PAINTED_PHOTOS,
)  # fmt: skip

ADAPTERS: dict[str, Adapter] = {adapter.name: adapter for adapter in _ALL}


def adapter_named(name: str) -> Adapter:
    """The adapter of that name; BadInput with the known names otherwise."""
    if name not in ADAPTERS:
        raise BadInput(f"unknown adapter {name!r}; known are {', '.join(sorted(ADAPTERS))}")
    return ADAPTERS[name]


def list_entries(source: SourceSpec, files: Files | None = None) -> Iterator[ObjectEntry]:
    """Yield the objects of a source in a stable order; `files` may be left out for generated data alone.

    Raises:
        WrongLayout: If the source does not hold what its adapter looks for.
        BadInput: If the adapter or one of its options is unknown, or `files` is missing.
    """
    adapter = adapter_named(source.adapter)
    if files is None and not adapter.generated:
        raise BadInput(f"adapter {adapter.name!r} reads files: give the source a url")
    return entries_of(adapter, source, files or NoFiles())
