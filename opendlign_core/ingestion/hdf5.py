"""HDF5 files of strangers: only arrays that lie plainly in the file itself, reached by hard links, are read.

A file of this format may name other files (external links, virtual sets, external storage) and filters whose code is
loaded from wherever the library looks for plugins.
"""

from __future__ import annotations

from pathlib import Path

import h5py

from opendlign_core.ingestion.safety import require

# Filters of the library and of h5py itself: deflate, shuffle, Fletcher's checksum, szip, nbit, scale-offset, LZF.
_BUILT_IN = frozenset((1, 2, 3, 4, 5, 6, 32000))


def open_hdf5(path: Path) -> h5py.File:
    """Open a file; its chunk cache holds whole packs of the usual kind, so that a row costs a row."""
    return h5py.File(path, "r", rdcc_nbytes=64 << 20)


def numeric_arrays(file: h5py.File) -> dict[str, h5py.Dataset]:
    """Every array of numbers at the top of the file or one group below, by its path.

    Raises:
        UnreadableShape: where anything on the way is not a hard link, or an array does not lie in the file.
    """
    found: dict[str, h5py.Dataset] = {}
    for name in file:
        item = _hard_linked(file, name)
        inner = {name: item}
        if isinstance(item, h5py.Group):
            inner = {f"{name}/{key}": _hard_linked(item, key) for key in item}
        found |= {key: array for key, array in inner.items() if _is_numeric(array)}
    for name, array in found.items():
        _check_storage(name, array)
    return found


def _hard_linked(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset | h5py.Datatype:
    link = group.get(name, getlink=True)
    require(isinstance(link, h5py.HardLink), f"has {name!r}, which is a link to another place, not a hard link")
    return group[name]


def _is_numeric(item: h5py.Group | h5py.Dataset | h5py.Datatype) -> bool:
    return isinstance(item, h5py.Dataset) and item.shape is not None and item.dtype.kind in "biuf"


def _check_storage(name: str, array: h5py.Dataset) -> None:
    require(array.external is None and not array.is_virtual, f"keeps {name!r} in other files")
    settings = array.id.get_create_plist()
    filters = {settings.get_filter(place)[0] for place in range(settings.get_nfilters())}
    foreign = sorted(filters - _BUILT_IN)
    require(not foreign, f"stores {name!r} with filter {foreign}, which is a plugin: store it anew with gzip or none")
